"""Model steps that ask no more than they need and lose nothing: waves, trees, long texts, failing rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.engine.calls.tree import PIECES, cut
from rlm_dsl.models.request import estimated_tokens
from rlm_dsl.testing import serve

KEEP = 'answer log | keep("Is it good?", on=text) | take(5, skip=2) | select(line)\n'
HOLDS = [{"text": f"text {n}", "holds": n % 10 == 3} for n in range(160)]


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_DSL_STORE", str(tmp_path / "answers.sqlite"))


def log(folder: Path, rows: int) -> dict[str, Path]:
    path = folder / "log.txt"
    path.write_text("".join(f"text {n}\n" for n in range(rows)))
    return {"log": path}


@pytest.mark.one_a_call
def test_rows_are_kept_in_waves_until_enough_are_taken(tmp_path: Path) -> None:
    data = log(tmp_path, 160)
    with serve(gold=HOLDS, latency=0.005, jitter=1.0) as server:
        trace = tmp_path / "t"
        found = rlm_dsl.run(KEEP, data, model="m", base_url=server.base_url, trace=trace)
        assert [row["line"] for row in found.value] == [24, 34, 44, 54, 64]
        asked = next(step.asked for step in found.steps if step.asked is not None)
        assert server.calls == 64 == asked["ok"] and asked["not_needed"] == 96 and asked["rows"] == 160
        assert rlm_dsl.verify(trace).ok
        whole = rlm_dsl.run(KEEP.replace("| take", "| sort(line) | take"), data, model="m", base_url=server.base_url)
        assert whole.value == found.value and server.calls == 160


@pytest.mark.one_a_call
def test_what_a_take_leaves_is_not_asked_where_the_rows_are_wanted_elsewhere(tmp_path: Path) -> None:
    program = 'a = log | keep("Is it good?", on=text)\nanswer {n: count(a), first: a | take(1) | select(line)}\n'
    with serve(gold=HOLDS) as server:
        found = rlm_dsl.run(program, log(tmp_path, 100), model="m", base_url=server.base_url)
        assert found.value == {"n": 10, "first": [{"line": 4}]} and server.calls == 100


def test_a_text_longer_than_the_window_is_cut_and_reduced_in_a_tree(tmp_path: Path) -> None:
    path = tmp_path / "docs"
    path.mkdir()
    (path / "long.txt").write_text("".join(f"line {n} says something of its own\n" for n in range(300)))
    (path / "short.txt").write_text("one line\n")
    program = 'answer docs | reduce("Sum it up.", on=text)\n'
    with serve(fallback="first") as server:
        trace = tmp_path / "t"
        more: dict[str, Any] = {"model": "m", "base_url": server.base_url, "window": 800}
        docs = {"docs": rlm_dsl.load(path, format="documents")}
        found = rlm_dsl.run(program, docs, trace=trace, **more)
        asked = next(step.asked for step in found.steps if step.asked is not None)
        assert asked["levels"][-1] == 1 and sum(asked["levels"]) == asked["requests"] == server.calls
        assert asked["levels"][0] > 2 and rlm_dsl.verify(trace).ok
        shown = [json.loads(call.body["messages"][1]["content"]) for call in server.requests]
        first = sorted((texts for texts in shown if texts[0].startswith("line")), key=lambda t: int(t[0].split()[1]))
        assert "".join(piece for texts in first for piece in texts if piece.startswith("line")).count("\n") == 300
        with pytest.raises(UserError, match="partition"):
            rlm_dsl.run('answer docs | classify(on=text, ["a", "b"], into=k)\n', docs, **more)


def test_pieces_are_the_text_and_none_is_too_long() -> None:
    for text in ("a" * 5_000, "word " * 900 + "\n" + "x" * 3_000, "\n" * 2_000, "é" * 900):
        for most in (50, 400):
            pieces = cut(text, most, 0)
            assert "".join(pieces) == text
            limit = max(most, max(estimated_tokens(m) for m in PIECES[-1].findall(text)))
            assert all(estimated_tokens(piece) <= limit + 1 for piece in pieces)


@pytest.mark.one_a_call
@pytest.mark.parametrize("fault", ["refusal", "off_schema", "truncated", "empty"])
def test_rows_that_fail_are_null_counted_and_conserved(tmp_path: Path, fault: str) -> None:
    program = (
        'a = log | classify(on=text, ["a", "b"], into=label, on_error="null")\nanswer a | group(by=label, n=count())\n'
    )
    gold = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(80)]
    with serve(gold=gold, seed=5, **{f"rate_{fault}": 0.4}) as server:
        trace = tmp_path / "t"
        found = rlm_dsl.run(
            program, log(tmp_path, 80), model="m", base_url=server.base_url, max_failed=1.0, trace=trace
        )
        asked = next(step.asked for step in found.steps if step.asked is not None)
        counted = {row["label"]: row["n"] for row in found.value}
        status = "refused" if fault == "refusal" else "invalid"
        assert sum(counted.values()) == 80 == asked["ok"] + asked[status] and counted[None] == asked[status] > 4
        assert rlm_dsl.verify(trace).ok
    failing, every = program.replace(', on_error="null"', ""), {f"rate_{fault}": 1.0}
    with serve(gold=gold, **every) as server, pytest.raises(UserError, match="have no valid answer"):
        rlm_dsl.run(failing, log(tmp_path, 80), model="m", base_url=server.base_url, max_failed=1.0)


QUOTES = [
    {"text": "ein Satz über Äpfel, und mehr", "why": "über Äpfel", "parts": [{"q": "ein"}, {"q": "mehr"}]},
    {"text": "aus aus aus", "why": "aus", "parts": []},
    {"text": 'he said "no" twice', "why": 'said "no"', "parts": [{"q": "twice"}]},
]
RETURNS = "returns={why: quote, parts: list[{q: quote}]}"


def test_each_quote_is_cited_by_its_own_bytes(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes("\n".join(["nothing", *(str(q["text"]) for q in QUOTES)]).encode())
    program = f'answer log | where(line > 1) | ask("Why?", on=text, {RETURNS})\n'
    with serve(gold=QUOTES) as server:
        trace = tmp_path / "t"
        found = rlm_dsl.run(program, {"log": path}, model="m", base_url=server.base_url, trace=trace)
    (evidence,) = found.evidence
    content = path.read_bytes()
    told = [(q.row, q.at, content[q.span.start : q.span.end].decode(), q.span.first_line) for q in evidence.quotes]
    assert told == [
        (1, "why", "über Äpfel", 2), (1, "parts[0].q", "ein", 2), (1, "parts[1].q", "mehr", 2),
        (2, "why", "aus", 3), (3, "why", 'said "no"', 4), (3, "parts[0].q", "twice", 4),
    ]  # fmt: skip
    assert all(quoted.exact for quoted in evidence.quotes) and rlm_dsl.verify(trace).ok
    assert evidence.quotes[3].span.start == content.index(b"aus aus")


def test_a_quote_is_found_in_chunks_groups_and_rows_that_spell_it_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text('id,body\n1,"he said ""no"" twice"\n2,aus aus aus\n')
    gold = [{**q, "text": q["text"]} for q in QUOTES]
    program = 'a = log | ask("Why?", on=body, returns={why: quote})\nanswer a | group(by=why, n=count())\n'
    with serve(gold=gold) as server:
        found = rlm_dsl.run(program, {"log": path}, model="m", base_url=server.base_url)
        quotes = found.evidence[0].quotes
        assert [(q.at, q.exact, q.span.first_line) for q in quotes] == [("why", False, 2), ("why", True, 3)]
        assert quotes[1].span.text == "aus"
    text = tmp_path / "doc.txt"
    text.write_text("first part\n\naus aus aus\n\nlast")
    chunks = 'answer docs | partition(by=r"\\n\\n", on=text) | grep("aus", on=chunk) | derive(c=trim(chunk)) '
    chunks += '| ask("Why?", on=c, returns={why: quote}) | select(why)\n'
    with serve(gold=gold) as server:
        found = rlm_dsl.run(
            chunks, {"docs": rlm_dsl.load(text, format="documents")}, model="m", base_url=server.base_url
        )
    (quoted,) = found.evidence[0].quotes
    assert (quoted.span.start, quoted.span.end, quoted.span.text) == (12, 15, "aus")


def test_a_row_that_the_server_will_not_take_is_an_error_of_that_row(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"text {n}\n" for n in range(30)) + "long " * 900 + "\n")
    program = 'answer log | classify(on=text, ["a", "b"], into=label, on_error="null") | group(by=label, n=count())\n'
    with serve(gold=GOLD, context_window=600) as server:
        more: dict[str, Any] = {"model": "m", "base_url": server.base_url}
        found = rlm_dsl.run(program, {"log": path}, trace=tmp_path / "t", **more)
        asked = next(step.asked for step in found.steps if step.asked is not None)
        assert (asked["ok"], asked["error"]) == (30, 1) and found.value[-1] == {"label": None, "n": 1}
        assert rlm_dsl.verify(tmp_path / "t").ok
        with pytest.raises(UserError, match="maximum context length"):
            rlm_dsl.run(program.replace(', on_error="null"', ""), {"log": path}, **more)


GOLD = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(30)]
LABELS = [{"text": f"text {n}", "label": "ab"[n % 3 == 0]} for n in range(50)]
CLASSIFY = 'a = log | classify(on=text, ["a", "b"], into=label)\nanswer a | where(label == "b") | select(line)\n'


@pytest.mark.parametrize("fault", [{}, {"at": {"off_schema": [2], "malformed": [4], "truncated": [6]}}])
def test_several_rows_go_in_one_request_where_that_is_switched_on(tmp_path: Path, fault: dict[str, Any]) -> None:
    data = log(tmp_path, 50)
    with serve(gold=LABELS, **fault) as server:
        more: dict[str, Any] = {"model": "m", "base_url": server.base_url, "rows_per_call": {"a": 7}}
        found = rlm_dsl.run(CLASSIFY, data, trace=tmp_path / "t", **more)
        assert [row["line"] - 1 for row in found.value] == [n for n in range(50) if n % 3 == 0]
        halves = 2 * len(fault.get("at", {}))
        assert server.calls == 8 + halves and rlm_dsl.verify(tmp_path / "t").ok
        assert rlm_dsl.run(CLASSIFY, data, answers=tmp_path / "t").value == found.value
        one_by_one = rlm_dsl.run(CLASSIFY, data, model="m", base_url=server.base_url, trace=tmp_path / "o")
        assert one_by_one.value == found.value and one_by_one.steps[0].key != found.steps[0].key


@pytest.mark.proof
def test_a_hundred_thousand_rows_and_a_bad_server(tmp_path: Path) -> None:
    rows = 100_000
    (tmp_path / "log.txt").write_text("".join(f"text {n}\n" for n in range(rows)))
    gold = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(rows)]
    program = (
        'a = log | classify(on=text, ["a", "b"], into=label, on_error="null")\nanswer a | group(by=label, n=count())\n'
    )
    rates = {"rate_429": 0.01, "rate_500": 0.01, "rate_drop": 0.005, "rate_off_schema": 0.02, "rate_refusal": 0.01}
    with serve(gold=gold, retry_after=0.05, **rates) as server:
        more: dict[str, Any] = {"model": "m", "base_url": server.base_url, "concurrency": 64}
        more["budget"] = {"calls": 200_000, "tokens": 10**9}
        data = {"log": tmp_path / "log.txt"}
        found = rlm_dsl.run(program, data, trace=tmp_path / "t", **more)
        asked = next(step.asked for step in found.steps if step.asked is not None)
        assert asked["ok"] + asked["refused"] + asked["invalid"] + asked["error"] == rows
        assert sum(row["n"] for row in found.value) == rows and 500 < asked["refused"] < 2_000
        before = server.calls
        again = rlm_dsl.run(program, data, **more)
        assert server.calls - before < 2 * (asked["refused"] + 2 * asked["invalid"]) + 200
        assert sum(row["n"] for row in again.value) == rows
    assert rlm_dsl.verify(tmp_path / "t").ok
