"""`optimize`: searched on labels, measured once on others, nothing asked twice; what it finds runs and verifies."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlm_dsl.testing import serve
from rlm_dsl.testing.server import Server
from tests.support.commands import Ran, command
from tests.support.intents import laid_out, own, sampled
from tests.support.optional import needs
from tests.support.processes import command_started
from tests.support.real import needs_real_data

pytestmark = needs("dspy", "optuna", "sklearn")
OPTIMIZERS = ("bootstrap", "random", "mipro", "simba", "gepa")
TASKS = ("clinc150", "banking77", "snips")


def optimize(folder: Path, server: Server, *more: str, examples: str = "ex.jsonl", **env: str) -> Ran:
    asked = ["--examples", examples, "--model", "m", "--base-url", server.base_url]
    return command(folder, "optimize", "p.rlm", "--context", "tickets=t.csv", *asked, *more, OPENAI_API_KEY="k", **env)


def report(ran: Ran) -> dict[str, Any]:
    assert ran.code in (0, 1), ran.err
    return json.loads(ran.out)


def runs_and_verifies(folder: Path, server: Server) -> None:
    asked = ["--model", "m", "--base-url", server.base_url, "--trace", "run.trace"]
    ran = command(folder, "run", "p.rlm", "--context", "tickets=t.csv", *asked, OPENAI_API_KEY="k")
    assert ran.code == 0 and "tuned by p.tuned.yaml" in ran.err, ran.err
    calls = server.calls
    verified = command(folder, "verify", "run.trace", "--context", "tickets=t.csv")
    assert verified.code == 0 and server.calls == calls, verified.out + verified.err
    shown = command(folder, "show", "run.trace").out
    assert "by p.tuned.yaml" in shown and "tuning changed" in shown and "\n  +" in shown


@pytest.mark.parametrize(
    ("name", "count"),
    [
        *((name, 80) for name in ("bootstrap", "gepa")),
        *(pytest.param(name, 200, marks=pytest.mark.proof) for name in OPTIMIZERS),
    ],
)
def test_each_optimizer_within_its_bound_and_again_without_a_call(name: str, count: int, tmp_path: Path) -> None:
    laid_out(tmp_path, own(count))
    more = ("--optimizer", name, "--unproved", "--json")
    with serve(fallback="learn") as server:
        first = report(optimize(tmp_path, server, *more))
        assert 0 < server.calls == first["spent"]["calls"] <= sum(first["bound"].values())
        found = (tmp_path / "p.tuned.yaml").read_bytes()
        calls = server.calls
        second = report(optimize(tmp_path, server, *more))
        assert (
            server.calls == calls and second["spent"] == first["spent"]
        )  # what the finished search took is told again
        assert (tmp_path / "p.tuned.yaml").read_bytes() == found
        same = ("points", "test", "verdict", "diff", "picked")
        without_times = [[{k: v for k, v in p.items() if k != "seconds"} for p in r["points"]] for r in (first, second)]
        assert without_times[0] == without_times[1] and [first[s] for s in same[1:]] == [second[s] for s in same[1:]]
        runs_and_verifies(tmp_path, server)


def test_the_names_that_help_shows_are_the_optimizers_there_are() -> None:
    from rlm_dsl.optimize.optimizers import OPTIMIZERS as NAMES
    from rlm_dsl.optimize.prompt_search.dspy_optimizers import COMPILE

    assert tuple(COMPILE) == NAMES == OPTIMIZERS
    helped = "import sys; from rlm_dsl import cli; cli.run(['optimize', '--help']); sys.exit('dspy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", helped], capture_output=True).returncode == 0


@needs_real_data
@pytest.mark.parametrize("task", [TASKS[-1], *(pytest.param(task, marks=pytest.mark.proof) for task in TASKS[:-1])])
def test_real_intents_gain_with_an_interval_above_zero(task: str, tmp_path: Path) -> None:
    laid_out(tmp_path, sampled(task, 400))
    with serve(fallback="learn") as server:
        found = report(optimize(tmp_path, server, "--optimizer", "random", "--words-only", "--json"))
        assert found["verdict"] == "better" and found["test"]["gain"]["low"] > 0
        assert found["test"]["examples"] >= 100
        runs_and_verifies(tmp_path, server)


def test_what_is_proved_was_never_looked_at(tmp_path: Path) -> None:
    """Test texts are asked about by the program as it is and by the result alone, and stand in no prompt's examples."""
    from rlm_dsl.optimize.examples import Labelled, split

    rows = own(120)
    laid_out(tmp_path, rows)
    parts = split([Labelled("kinds", text, {"label": label}) for text, label in rows])
    held_out = {example.text for example in parts.test}
    assert len(held_out) >= 20 and not held_out & {e.text for e in (*parts.train, *parts.validation)}
    with serve(fallback="learn") as server:
        report(optimize(tmp_path, server, "--optimizer", "mipro", "--json"))
        asked: dict[str, int] = {}
        for seen in server.requests:
            system, *_, shown = (message["content"] for message in seen.body["messages"])
            assert not any(json.dumps(text)[1:-1] in system for text in held_out)
            named = [row["text"] for row in json.loads(shown)] if shown.startswith("[{") else [shown]
            for text in held_out.intersection(named):
                asked[text] = asked.get(text, 0) + 1
        assert set(asked) == held_out and max(asked.values()) <= 2


def test_a_result_that_is_not_proved_is_not_written(tmp_path: Path) -> None:
    """Labels by chance: no search can find more than chance in them."""
    rows = [(text, f"a{1 + (n * 7919) % 4}") for n, (text, _) in enumerate(own(90))]
    laid_out(tmp_path, rows)
    with serve(fallback="learn") as server:
        ran = optimize(tmp_path, server, "--optimizer", "bootstrap", "--words-only")
        assert ran.code == 1 and "nothing is written" in ran.out and not (tmp_path / "p.tuned.yaml").exists()
        forced = optimize(tmp_path, server, "--optimizer", "bootstrap", "--words-only", "--unproved", "--json")
        told = report(forced)
        if told["diff"]:
            assert yaml.safe_load((tmp_path / "p.tuned.yaml").read_text())["scores"]["verdict"] == "unproved"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--budget", "calls=100"], "the budget is 100"),
        (["--metric", "exaxt"], "no metric `exaxt`"),
        (["--metric", "nowhere:f"], "nowhere:f cannot be had"),
        (["--pick", "nicest"], "no rule to pick by"),
        (["--cascade", "accuracy=0.9"], "no target"),
        (["--small", "sub"], "none is asked for"),
        (["--small", "nano", "--cascade", "accuracy>=0.9"], "--model nano=MODEL"),
        (["--param", "x"], "no NAME=VALUE"),
    ],
)
def test_what_cannot_be_is_refused_before_a_call(more: list[str], told: str, tmp_path: Path) -> None:
    laid_out(tmp_path, own(120))
    with serve(fallback="learn") as server:
        ran = optimize(tmp_path, server, *more)
        assert ran.code in (2, 3) and told in ran.err and server.calls == 0, ran.err


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (['{"text": "a", "label": "a9"}'], "ex.jsonl:1: this is no answer of `kinds`"),
        (['{"text": "a", "label": "a1"}', "nonsense"], "ex.jsonl:2: this is no JSON"),
        (['{"text": "a", "label": "a1"}', '{"text": "a", "label": "a2"}'], "ex.jsonl:2: an earlier line"),
        (['{"row": {"bdy": "a"}, "label": "a1"}'], "a row of `kinds` has body"),
        (['{"text": "a", "label": "a1", "step": "kind"}'], "no step `kind`"),
        (['{"text": "a", "label": "a1"}'], "1 example is too few"),
        ([""], "holds no examples"),
    ],
)
def test_examples_that_are_none_are_told_with_their_line(lines: list[str], told: str, tmp_path: Path) -> None:
    laid_out(tmp_path, own(8))
    # A file of too few lines is refused by their count alone, before any is read: others have enough of them.
    more = (
        [] if told.endswith(("too few", "no examples")) else [f'{{"text": "b{n}", "label": "a1"}}' for n in range(21)]
    )
    (tmp_path / "ex.jsonl").write_text("\n".join([*lines, *more]))
    with serve(fallback="learn") as server, pytest.MonkeyPatch.context() as changed:
        for name in ("optimize", "statistics", "provable"):  # who bring scipy, which takes seconds to load
            changed.setitem(sys.modules, f"rlm_dsl.optimize.{name}", None)
        ran = optimize(tmp_path, server)
        assert ran.code == 2 and told in ran.err and server.calls == 0, ran.err


def test_a_metric_that_raises_stops_the_search(tmp_path: Path) -> None:
    laid_out(tmp_path, own(120))
    (tmp_path / "failing_metric.py").write_text(
        "def f(expected, given):\n    if given['label'] == 'a2': raise ValueError('boom')\n    return 1.0\n"
    )
    with serve(fallback="learn") as server:
        ran = optimize(tmp_path, server, "--metric", "failing_metric:f", "--optimizer", "random")
        assert ran.code == 2 and "failing_metric:f failed: ValueError: boom" in ran.err
        assert server.calls <= 60, "it stops with the first examples"


def test_killed_it_goes_on_where_it_was(tmp_path: Path) -> None:
    laid_out(tmp_path, own(80))
    with serve(fallback="learn", latency=0.02) as server:
        given = [
            *("optimize", "p.rlm", "--context", "tickets=t.csv", "--examples", "ex.jsonl", "--model", "m"),
            *("--base-url", server.base_url, "--optimizer", "random", "--store"),
        ]
        with command_started(tmp_path, *given, "a.sqlite", env={"OPENAI_API_KEY": "k"}) as process:
            while server.calls < 80:
                assert process.running, process.ended()
                time.sleep(0.02)
            process.send(signal.SIGKILL)
            assert process.ended().code == -signal.SIGKILL
        before = server.calls
        assert before >= 80 and not (tmp_path / "p.tuned.yaml").exists()
        whole = report(command(tmp_path, *given, "b.sqlite", "--json", OPENAI_API_KEY="k"))
        after = server.calls - before
    again = tmp_path / "again"
    again.mkdir()
    laid_out(again, own(80))
    with serve(fallback="learn") as server:
        fresh = report(optimize(again, server, "--optimizer", "random", "--json"))
        assert fresh["test"] == whole["test"] and fresh["picked"] == whole["picked"]
        assert after <= server.calls - before + 20, "of what was answered, at most what was in flight is asked again"


@pytest.mark.parametrize("count", [100, 300])
def test_a_cheaper_model_that_is_as_good_is_taken_where_that_can_be_proved(count: int, tmp_path: Path) -> None:
    """With few labels, of a program that is always right, neither a gain nor this can be: that is said early."""
    rows = own(count)
    laid_out(tmp_path, rows)
    (tmp_path / "rlm-dsl.yaml").write_text(
        "models:\n  root: {model: big}\n  sub: {model: big}\n  small: {model: small}\n"
        "prices:\n  big: 2/8\n  small: 0.1/0.4\n"
    )
    gold = [{"text": text, "label": label} for text, label in rows]
    with serve(gold=gold) as server:
        asked = ["--examples", "ex.jsonl", "--base-url", server.base_url, "--pick", "cheapest", "--json"]
        ran = command(
            tmp_path,
            *("optimize", "p.rlm", "--context", "tickets=t.csv", "--optimizer", "bootstrap", *asked),
            OPENAI_API_KEY="k",
        )
        if count < 300:
            assert ran.code == 3 and "must get better to prove anything" in ran.err and server.calls < 40
            return
        found = report(ran)
        assert found["verdict"] == "cheaper" and found["cost"]["after"] < 0.1 * found["cost"]["before"]
        told = (tmp_path / "p.tuned.yaml").read_text()
        assert "using: small" in told and found["test"]["after"] == 1.0


KEEPS = """\
wanted = tickets | keep("is about a parcel or an invoice or a password", on=body) | keep("is about a parcel", on=body)
answer wanted | count()
"""


def test_keeps_are_put_in_order_and_rows_are_ruled_out_by_terms(tmp_path: Path) -> None:
    """Two neighbouring `keep`s: the one that lets little pass comes first, and terms rule out most of its rows."""
    rows = own(400)
    laid_out(tmp_path, rows)
    (tmp_path / "p.rlm").write_text(KEEPS)
    lines = []
    for text, label in rows:
        lines.append({"step": "wanted_rows", "text": text, "label": label != "a4"})
        lines.append({"step": "wanted", "text": text, "label": label == "a1"})
    (tmp_path / "ex.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with serve(gold=[{"text": t, "holds": kind_ == "a1"} for t, kind_ in rows]) as server:
        found = report(optimize(tmp_path, server, "--optimizer", "bootstrap", "--json", "--pick", "cheapest"))
        steps = [note for note in found["notes"] if "before" in note or "ruled out" in note]
        assert len(steps) >= 2, found["notes"]
        assert 'keep("is about a parcel", on=body)\n' in found["diff"] and "matches" in found["diff"]
        runs_and_verifies(tmp_path, server)


def test_labels_are_put_in_another_order_for_a_model_that_favours_the_first(tmp_path: Path) -> None:
    """A model that sees only the first two labels of a list: another order is worth what labelled rows say."""
    rows = [row for number, row in enumerate(own(160)) if row[1] != "a1" or number % 16 == 0]
    right = dict(rows)

    def favours(text: str, schema: Any) -> dict[str, str]:
        labels = schema["properties"]["label"]["enum"]
        return {"label": right[text] if right[text] in labels[:2] else labels[0]}

    laid_out(tmp_path, rows)
    with serve(gold=favours) as server:
        found = report(optimize(tmp_path, server, "--optimizer", "bootstrap", "--json"))
    assert found["test"]["after"] > found["test"]["before"] + 0.2
    assert 'labels=["a4", "a3", "a2", "a1"]' in found["diff"] or 'labels=["a3", "a4", "a1", "a2"]' in found["diff"]


def test_whole_runs_are_examples_too(tmp_path: Path) -> None:
    """Contexts with their right answers: chunk sizes are tried, and the program's examples come from its own rows."""
    rows = own(96)
    lines = []
    for number in range(32):
        held = rows[number * 3 : number * 3 + 3]
        (tmp_path / f"c{number}.csv").write_text("id,body\n" + "".join(f'{n},"{t}"\n' for n, (t, _) in enumerate(held)))
        lines.append({"context": f"c{number}.csv", "answer": sum(label == "a2" for _, label in held)})
    laid_out(tmp_path, rows[:10])
    (tmp_path / "p.rlm").write_text(
        'kinds = tickets | classify(on=body, labels=["a1", "a2", "a3", "a4"], into=kind)\n'
        'answer kinds | where(kind == "a2") | count()\n'
    )
    (tmp_path / "ex.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with serve(fallback="learn") as server:
        refused = optimize(tmp_path, server, "--optimizer", "bootstrap", "--json")
        assert refused.code == 3 and "9 examples for the score prove next to nothing" in refused.err
        assert "--yes" in refused.err and server.calls == 0
        found = report(optimize(tmp_path, server, "--optimizer", "bootstrap", "--json", "--yes"))
        assert found["spent"]["calls"] <= sum(found["bound"].values())
        assert found["test"]["after"] >= found["test"]["before"]


def test_another_model_writes_and_what_it_copies_is_refused(tmp_path: Path) -> None:
    """A weak writer that hands back one of the rows: the program keeps its own words."""
    rows = own(60)
    laid_out(tmp_path, rows)
    (tmp_path / "rlm-dsl.yaml").write_text("models: {root: small, sub: small, large: {model: big}}\n")
    fields = ("observations", "summary", "proposed_instruction", "completed")
    said = "\n\n".join(f"[[ ## {name} ## ]]\n{rows[3][0]}" for name in fields)
    gold = [{"text": text, "label": label} for text, label in rows]
    asked = ["--examples", "ex.jsonl", "--writer", "large", "--words-only", "--demos", "2", "--yes", "--json"]
    with serve(gold=gold, error_rate=0.4, script=[said]) as server:
        given = ["optimize", "p.rlm", "--context", "tickets=t.csv", "--base-url", server.base_url, *asked]
        ran = command(tmp_path, *given, OPENAI_API_KEY="k")
        found = report(ran)
        of_rows = [each.body for each in server.requests if "response_format" in each.body]
        others = [each.body for each in server.requests if "response_format" not in each.body]
    assert "instructions are written by big" in ran.err
    assert {each["model"] for each in of_rows} == {"small"} and {each["model"] for each in others} == {"big"}
    assert found["writer"]["model"] == "big" and found["writer"]["calls"] == len(others) > 0
    assert any("refused, such as" in note and "labelled rows" in note for note in found["notes"]), found["notes"]
    assert "guide=" not in found["diff"]
    assert not any(f"{rows[3][0]}\n" in each["messages"][0]["content"].split("{", 1)[0] for each in of_rows)


def test_rows_together_that_ask_no_less_often_are_not_taken(tmp_path: Path) -> None:
    """A model that answers no row of several: each is asked about again, by itself."""
    rows = own(100)
    laid_out(tmp_path, rows)
    (tmp_path / "p.rlm").write_text('answer tickets | keep("is about a parcel", on=body) | count()\n')
    lines = [json.dumps({"text": text, "label": label == "a1"}) + "\n" for text, label in rows]
    (tmp_path / "ex.jsonl").write_text("".join(lines))
    gold = [{"text": text, "holds": label == "a1"} for text, label in rows]
    with serve(gold=gold, error_rate=0.4, pack_skip_rate=1.0) as server:
        ran = optimize(tmp_path, server, "--optimizer", "bootstrap", "--pick", "knee", "--json")
        found = report(ran)
    together = [each for each in found["points"] if "rows a call" in each["name"]]
    assert len(together) == 2 and all(each["calls"] > 1000 for each in together)
    assert ran.err.count("asks no less often than row by row") == 2
    assert found["picked"] not in {each["name"] for each in together}
