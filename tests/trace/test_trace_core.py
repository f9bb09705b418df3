"""The core of traces against its definitions: RFC 8785, every byte of a sealed trace, killed writers, hostile files.

`test_trace.py` has the everyday cases; here stand the exhaustive ones, and what broke once.
"""

from __future__ import annotations

import json
import random
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl import api
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import canonical
from rlm_dsl.models.recording import request_text
from rlm_dsl.models.request import Message, ModelSettings, Request
from rlm_dsl.replay.verify_calls import differing_words
from rlm_dsl.trace import merkle
from rlm_dsl.trace.archive import pack
from rlm_dsl.trace.divergence import CAP, LEVELS, Code, Divergence, Level, Report, render, render_report
from rlm_dsl.trace.events import EventLog, check_chain, lines, read_events
from rlm_dsl.trace.layout import EVENTS, SEAL
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.seal import check_seal
from rlm_dsl.trace.secrets import NEEDLES, Redaction, encoded
from rlm_dsl.trace.writer import TraceWriter
from tests.support.endless import events_appended
from tests.support.json_values import VALUES
from tests.support.processes import Process


def clock() -> str:
    return "2026-01-01T00:00:00+00:00"


# --- canonical JSON is RFC 8785, for what is allowed: ASCII keys, integers that a double holds, whole characters

SAFE = 2**53 - 1
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
KEY = st.text(st.characters(max_codepoint=127), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEY, inner, max_size=5),
    max_leaves=15,
)
SHORT = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def rfc_8785(value: object) -> str:
    """RFC 8785, 3.2, word for word."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + "".join(rfc_character(character) for character in value) + '"'
    if isinstance(value, list):
        return "[" + ",".join(rfc_8785(item) for item in value) + "]"
    assert isinstance(value, dict)
    ordered = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(f"{rfc_8785(key)}:{rfc_8785(value[key])}" for key in ordered) + "}"


def rfc_character(character: str) -> str:
    code = ord(character)
    return SHORT.get(code) or (f"\\u{code:04x}" if code < 32 else character)


@given(JSON)
def test_canonical_json_is_that_of_rfc_8785(value: object) -> None:
    assert canonical(value) == rfc_8785(value).encode("utf-8")


def test_every_character_is_escaped_as_rfc_8785_has_it() -> None:
    every = "".join(chr(code) for code in range(0x11000) if not 0xD800 <= code < 0xE000)
    assert canonical(every) == rfc_8785(every).encode("utf-8")


# --- every byte, line and cut of a small sealed trace


def made(folder: Path, *, sealed: bool = True) -> Path:
    writer = TraceWriter(folder, clock)
    writer.events.append("run.start", question="how many?")
    writer.events.append("call.end", {"gen_ai.usage.input_tokens": 5}, seconds=0.25)
    writer.events.append("run.end")
    writer.write_json("trace.json", {"schema": "rlm-trace/1"})
    writer.write_text("program.rlm", "answer t | count()\n")
    writer.write_text("plan.sql", "SELECT 1;\n")
    writer.write_lines("steps.jsonl", [{"step": "a", "rows": 3}, {"step": "b", "rows": 2}])
    writer.write_json("answer.json", {"parts": [{"value": 3}]})
    writer.write_table("calls", [pa.table({"key": ["k"]})])
    writer.seal() if sealed else writer.close()
    return folder


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return made(tmp_path / "small.trace")


def names_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def chain_or_seal(folder: Path) -> bool:
    return bool(check_chain(folder / EVENTS)[0] or check_seal(folder))


def chain_alone(folder: Path) -> bool:
    return bool(check_chain(folder / EVENTS)[0])


def tried(path: Path, versions: Iterator[bytes], seen: Callable[[], bool]) -> tuple[int, int]:
    """How many versions of a file go unseen, of how many; the file is put back."""
    before = path.read_bytes()
    results = [path.write_bytes(version) >= 0 and seen() for version in versions if version != before]
    path.write_bytes(before)
    return results.count(False), len(results)


def summed(results: list[tuple[int, int]]) -> tuple[int, int]:
    return sum(unseen for unseen, _ in results), sum(count for _, count in results)


def flips(content: bytes, bits: tuple[int, ...]) -> Iterator[bytes]:
    for at, byte in enumerate(content):
        for bit in bits:
            yield content[:at] + bytes([byte ^ bit]) + content[at + 1 :]


def swaps(content: bytes) -> Iterator[bytes]:
    parts = content.splitlines(keepends=True)
    for one in range(len(parts)):
        for other in range(one + 1, len(parts)):
            moved = parts.copy()
            moved[one], moved[other] = moved[other], moved[one]
            yield b"".join(moved)


def cuts(content: bytes) -> Iterator[bytes]:
    parts = content.splitlines(keepends=True)
    yield from (b"".join(parts[:end]) for end in range(len(parts)))
    yield from (b"".join(parts[:at] + parts[at + 1 :]) for at in range(len(parts)))


def test_no_changed_byte_line_or_cut_of_any_file_is_missed(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def all_of(changes: Callable[[bytes], Iterator[bytes]]) -> tuple[int, int]:
        paths = [trace / name for name in names_of(trace)]
        return summed([tried(path, changes(path.read_bytes()), lambda: chain_or_seal(trace)) for path in paths])

    size = sum((trace / name).stat().st_size for name in names_of(trace))
    flipped, swapped, cut = all_of(lambda content: flips(content, (0x20,))), all_of(swaps), all_of(cuts)
    told = (
        f"missed: {flipped[0]} of {flipped[1]:,} flips, {swapped[0]} of {swapped[1]:,} swaps, {cut[0]} of {cut[1]} cuts"
    )
    with capsys.disabled():
        print(f"\n{told}")
    assert (flipped, swapped[0], cut[0]) == ((0, size), 0, 0), told
    assert not chain_or_seal(trace)


@pytest.mark.proof
def test_no_changed_bit_of_any_file_is_missed(trace: Path) -> None:
    every = tuple(1 << bit for bit in range(8))
    paths = [trace / name for name in names_of(trace)]
    unseen, count = summed([tried(p, flips(p.read_bytes(), every), lambda: chain_or_seal(trace)) for p in paths])
    assert (unseen, count) == (0, 8 * sum(path.stat().st_size for path in paths))


def test_the_chain_alone_finds_every_changed_byte_of_the_log_and_misses_its_cut_end(trace: Path) -> None:
    path = trace / EVENTS
    content = path.read_bytes()
    unseen, count = tried(path, flips(content, (0x01, 0x20)), lambda: chain_alone(trace))
    assert (unseen, count) == (0, 2 * len(content))
    path.write_bytes(content[: content[:-1].rindex(b"\n") + 1])
    assert not chain_alone(trace) and check_seal(trace)


# --- the log


def log_of(path: Path, **durable: frozenset[str]) -> EventLog:
    return EventLog(path, clock, **durable)


def test_another_spelling_of_the_same_event_breaks_the_chain(trace: Path) -> None:
    path = trace / EVENTS
    first, rest = path.read_bytes().split(b"\n", 1)
    for other in (first.replace(b'": ', b'":'), first + b" ", first + b"\r", b" " + first):
        path.write_bytes(other + b"\n" + rest)
        (divergence,) = check_chain(path)[0]
        assert divergence.cause == "its spelling was changed"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ({"seq": 0, "previous": "0" * 64, "x": 1.5}, "its hash is not that of its content"),
        ({"seq": 1, "previous": "0" * 64}, "it says that it is event 1"),
        ({"seq": 0, "previous": "1" * 64}, "it follows another event than the one before it"),
        ([], "the line is no JSON object"),
    ],
)
def test_a_line_that_the_log_did_not_write_is_told_apart(tmp_path: Path, content: object, cause: str) -> None:
    path = tmp_path / EVENTS
    path.write_bytes(json.dumps(content).encode() + b"\n")
    (divergence,) = check_chain(path)[0]
    assert (divergence.code, divergence.line, divergence.cause) == ("D01", 1, cause)
    assert [event.sound for event in read_events(path)] == [False]


def test_a_line_nested_too_deep_is_a_broken_one(tmp_path: Path) -> None:
    path = tmp_path / EVENTS
    path.write_bytes(b"[" * 200_000 + b"\n" + b'{"a":' * 100_000 + b"\n")
    assert len(check_chain(path)[0]) == 2


FIELDS = st.dictionaries(
    st.text(max_size=5) | st.sampled_from(["seq", "type", "hash", "previous", "time"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner),
        max_leaves=6,
    ),
    max_size=4,
)


@given(st.lists(FIELDS, max_size=4))
def test_whatever_is_appended_the_chain_holds(
    tmp_path_factory: pytest.TempPathFactory, appended: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.mktemp("log") / EVENTS
    log = log_of(path)
    for fields in appended:
        log.append("x", fields)
    log.close()
    assert check_chain(path) == ([], log.head, len(appended))
    assert all(event.sound and event.type == "x" for event in read_events(path))


def test_a_field_named_as_one_of_the_log_s_own_is_kept_beside_it(tmp_path: Path) -> None:
    log = log_of(tmp_path / EVENTS)
    log.append("step.end", {"type": "table(id: int)", "seq": 9, "seconds": 0.5, "größe": "\ud800"})
    log.close()
    (event,) = read_events(tmp_path / EVENTS)
    assert (event.type, event.content["seq"]) == ("step.end", 0)
    assert (event.content["field.type"], event.content["field.seq"]) == ("table(id: int)", 9)
    assert (event.content["seconds"], event.content["gr\\xf6\\xdfe"]) == ("0.5", "\\ud800")


def test_threads_append_to_one_chain(tmp_path: Path) -> None:
    log = log_of(tmp_path / EVENTS)
    threads = [threading.Thread(target=lambda: [log.append("call.end", n=n) for n in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert check_chain(tmp_path / EVENTS) == ([], log.head, 1600)


def test_types_that_are_not_durable_wait_for_one_that_is(tmp_path: Path) -> None:
    log = log_of(tmp_path / EVENTS, durable=frozenset({"call.start"}))
    log.append("step.start")
    assert not (tmp_path / EVENTS).read_bytes()
    log.append("call.start")
    assert [event.type for event in read_events(tmp_path / EVENTS)] == ["step.start", "call.start"]
    log.append("call.end")
    log.close()
    assert check_chain(tmp_path / EVENTS) == ([], log.head, 3)


def test_a_log_is_gone_on_with_after_any_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / EVENTS
    log = log_of(path)
    log.append("run.start")
    log.append("call.start", text="naïve ✓")
    log.close()
    content = path.read_bytes()
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        torn = len(content[:cut].rpartition(b"\n")[2])
        again = log_of(path)
        again.append("run.end")
        again.close()
        events = list(read_events(path))
        assert check_chain(path) == ([], again.head, len(events))
        kept = ["run.start", "call.start"][: content[:cut].count(b"\n")]
        assert [event.type for event in events] == kept + ["log.mended"] * bool(torn) + ["run.end"]


def test_a_torn_tail_is_read_as_torn(trace: Path) -> None:
    content = (trace / EVENTS).read_bytes()
    (trace / EVENTS).write_bytes(content[:-9])
    assert [(event.sound, event.torn) for event in read_events(trace / EVENTS)] == [(True, False)] * 2 + [(False, True)]


def test_a_broken_log_is_not_gone_on_with(trace: Path) -> None:
    path = trace / EVENTS
    path.write_bytes(path.read_bytes().replace(b"how many", b"how much"))
    before = path.read_bytes()
    with pytest.raises(UserError, match="damaged"):
        log_of(path)
    assert path.read_bytes() == before


def killed_log(path: Path, seconds: float) -> int:
    """Append until killed; the number of the last event whose append had returned."""
    with Process(path.parent, events_appended, path) as process:
        told = process.lines()
        first = next(told)
        time.sleep(seconds)
        process.send(signal.SIGKILL)
        *_, last = first, *told
        assert process.ended().code == -signal.SIGKILL
    return int(last)


def kill_and_check(folder: Path, times: int) -> None:
    order = random.Random(11)
    for number in range(times):
        path = folder / f"{number}.jsonl"
        last = killed_log(path, order.uniform(0.005, 0.08))
        found, _, count = check_chain(path)
        assert {divergence.code for divergence in found} <= {"D02"}, found
        assert count > last, f"event {last} was handed over, and {count} can be read"
        again = log_of(path)
        again.append("run.end")
        again.close()
        assert check_chain(path) == ([], again.head, again.count)


def test_what_was_appended_before_a_kill_is_there(tmp_path: Path) -> None:
    kill_and_check(tmp_path, 10)


@pytest.mark.proof
def test_what_was_appended_before_any_of_200_kills_is_there(tmp_path: Path) -> None:
    kill_and_check(tmp_path, 200)


# --- Merkle


@given(st.lists(st.binary(max_size=4), max_size=20), st.integers(-3, 25))
def test_a_proof_is_given_for_leaves_alone(leaves: list[bytes], index: int) -> None:
    if 0 <= index < len(leaves):
        assert merkle.check_proof(leaves[index], index, len(leaves), merkle.prove(leaves, index), merkle.root(leaves))
    else:
        with pytest.raises(IndexError):
            merkle.prove(leaves, index)


def test_an_event_of_a_sealed_trace_is_proved_by_its_line_alone(trace: Path) -> None:
    sealed = json.loads((trace / SEAL).read_text())["predicate"]
    whole = [line[:-1] for line in lines(trace / EVENTS)]
    expected = bytes.fromhex(sealed["merkle_root"])
    for index, line in enumerate(whole):
        assert merkle.check_proof(line, index, sealed["events"], merkle.prove(whole, index), expected)


# --- the seal against hostile folders


def test_the_same_fields_in_another_order_are_found_by_the_seal(trace: Path) -> None:
    for name in (EVENTS, SEAL):
        before = (trace / name).read_bytes()
        first, rest = (before.split(b"\n", 1)[0], before.split(b"\n", 1)[1]) if name == EVENTS else (before, b"")
        turned = dict(reversed(json.loads(first).items()))
        text = json.dumps(turned, ensure_ascii=False, indent=None if name == EVENTS else 1).encode() + b"\n" + rest
        (trace / name).write_bytes(text)
        assert check_seal(trace), name
        (trace / name).write_bytes(before)


def test_a_file_that_became_a_link_is_found_even_to_the_same_bytes(trace: Path, tmp_path: Path) -> None:
    for name in ("trace.json", EVENTS, SEAL):
        kept = tmp_path / f"kept-{Path(name).name}"
        (trace / name).rename(kept)
        (trace / name).symlink_to(kept)
        assert check_seal(trace), name
        (trace / name).unlink()
        (trace / name).symlink_to(tmp_path / "nowhere")
        assert check_seal(trace), name
        (trace / name).unlink()
        kept.rename(trace / name)
    assert not check_seal(trace)


def test_a_file_that_became_a_folder_is_found(trace: Path) -> None:
    (trace / "plan.sql").unlink()
    (trace / "plan.sql").mkdir()
    assert "plan.sql is missing" in {each.message for each in check_seal(trace)}


def test_a_seal_nested_too_deep_is_unreadable(trace: Path) -> None:
    (trace / SEAL).write_text("[" * 200_000)
    assert [each.message for each in check_seal(trace)] == ["the seal cannot be read"]


def test_the_seal_is_an_in_toto_statement_over_every_other_file(trace: Path) -> None:
    sealed = json.loads((trace / SEAL).read_text())
    assert sealed["_type"] == "https://in-toto.io/Statement/v1"
    assert sealed["predicateType"] == "urn:rlm-dsl:trace:v1"
    assert [subject["name"] for subject in sealed["subject"]] == [name for name in names_of(trace) if name != SEAL]


# --- files


def test_an_unfinished_trace_is_gone_on_with_where_that_is_said(tmp_path: Path) -> None:
    folder = made(tmp_path / "t.trace", sealed=False)
    (folder / "answer.json.partial").write_text("{")
    with (folder / EVENTS).open("ab") as file:
        file.write(b'{"seq": 3, "ti')
    writer = TraceWriter(folder, clock, continued=True)
    writer.events.append("run.end")
    writer.seal()
    opened = Trace.open(folder)
    assert [event.type for event in opened.events()][2:] == ["run.end", "log.mended", "run.end"]
    assert opened.answer == {"parts": [{"value": 3}]} and opened.finished
    assert not chain_or_seal(folder) and "answer.json.partial" not in names_of(folder)


def test_the_same_rows_make_the_same_parquet(tmp_path: Path) -> None:
    one, other = made(tmp_path / "one.trace"), made(tmp_path / "other.trace")
    assert (one / "payload/calls.parquet").read_bytes() == (other / "payload/calls.parquet").read_bytes()
    assert pack(one).read_bytes() == pack(other).read_bytes()


def test_text_with_any_line_separator_of_unicode_reads_back(tmp_path: Path) -> None:
    folder = tmp_path / "t.trace"
    writer = TraceWriter(folder, clock)
    steps = [{"step": "a\u2028b\u2029c\x85d\x0be\x1cf\r\n"}, {"step": "b"}]
    writer.write_json("trace.json", {})
    writer.write_lines("steps.jsonl", steps)
    writer.seal()
    assert Trace.open(folder).steps == steps


@pytest.mark.parametrize("name", ["../out", "a/b", "", "a.b"])
def test_a_table_s_name_is_a_plain_one(tmp_path: Path, name: str) -> None:
    writer = TraceWriter(tmp_path / "t.trace", clock)
    with pytest.raises(ValueError, match="no name of a table"):
        writer.write_table(name, [pa.table({"a": [1]})])


@pytest.mark.parametrize("name", ["trace.json", "steps.jsonl"])
def test_damaged_json_is_a_user_s_error(trace: Path, name: str) -> None:
    for text in ("[" * 200_000, "{", "\xff"):
        (trace / name).write_text(text, encoding="latin-1")
        with pytest.raises(UserError, match="damaged"):
            _ = Trace.open(trace).header if name == "trace.json" else Trace.open(trace).steps


def test_a_folder_with_links_is_not_packed(trace: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mine")
    (trace / "payload" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match="payload/link is no file"):
        pack(trace)
    assert names_of(tmp_path) == sorted([*(f"small.trace/{name}" for name in names_of(trace)), "secret"])


def test_a_zip_with_a_file_twice_is_refused_and_one_of_others_found(trace: Path) -> None:
    packed = pack(trace)
    before = packed.read_bytes()
    with zipfile.ZipFile(packed, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("program.rlm", "answer 1\n")
    with pytest.raises(UserError, match="twice"):
        Trace.open(packed)
    packed.write_bytes(before)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("more", "more")
    opened = Trace.open(packed, changed=True)
    assert [fault.message for fault in check_seal(opened.folder)] == ["more was added"]


def test_a_zip_with_many_or_large_files_is_refused(trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack(trace)
    for limit in ("MOST", "LARGEST"):
        with monkeypatch.context() as patched:
            patched.setattr(f"rlm_dsl.trace.archive.{limit}", 7)
            with pytest.raises(UserError, match="more than"):
                Trace.open(packed)
    assert Trace.open(packed).program


@pytest.mark.proof
def test_every_damaged_byte_of_a_zip_is_refused_or_found(trace: Path) -> None:
    packed = pack(trace)
    for version in flips(packed.read_bytes(), (0x01, 0x80)):
        packed.write_bytes(version)
        try:
            opened = Trace.open(packed, unfinished=True)
            _ = opened.finished and chain_or_seal(opened.folder)
        except UserError as failure:
            assert "trace" in failure.message


# --- divergences


def test_codes_and_levels_are_closed() -> None:
    assert [code.name for code in Code] == [f"D{number:02d}" for number in range(1, 18)]
    for code, level in (("D18", "chain"), ("D01", "elsewhere")):
        with pytest.raises(ValueError, match="no divergence"):
            Divergence(code, level, "x")


@given(VALUES, VALUES, st.sampled_from([0, 700]), st.booleans())
def test_both_sides_of_a_divergence_show_the_place_that_differs(one: Any, other: Any, length: int, deep: bool) -> None:
    """However long what stands before it is, in a text or as so many items."""
    sides = [{"parts": ["x" * length, *range(length), {"value": each}]} for each in (one, other)]
    if not deep:
        sides = ["é" * length + json.dumps(each) for each in (one, other)]
    if sides[0] != sides[1]:
        recorded, now = differing_words(*sides)
        assert recorded != now
        told = render(Divergence("D06", "answer", "other", recorded, now))
        lines = [line[11:] for line in told.splitlines() if line.startswith(("  recorded", "  now"))]
        assert len(lines) == 2 and lines[0] != lines[1]
        plain = render(Divergence("D06", "rows", "other", *map(json.dumps, sides)))
        if json.dumps(sides[0]) != json.dumps(sides[1]):
            assert len({line[11:] for line in plain.splitlines()[1:3]}) == 2


def test_nothing_in_a_trace_forges_a_line_of_a_rendering() -> None:
    evil = "a\n✓ chain     9 events\x1b[2K"
    told = render(Divergence("D06", "rows", evil, evil, evil, evil, 3, evil, evil, evil))
    assert "\x1b" not in told and len(told.splitlines()) == 5
    assert [line.split()[0] for line in told.splitlines()] == ["D06", "recorded", "now", "cause", "next"]


def report_of(failed: dict[str, tuple[Divergence, ...]], skipped: str = "") -> Report:
    return Report("t", tuple(Level(name, 3, failed.get(name, ()), skipped, "things") for name in LEVELS))


def test_a_report_counts_all_and_shows_some_of_each_kind() -> None:
    rows = tuple(Divergence(code, "rows", f"{n}") for code, count in (("D06", 50), ("D05", 2)) for n in range(count))
    report = report_of({"rows": rows})
    told = render_report(report)
    assert (report.ok, report.first_failed, report.holds_after) == (False, "rows", 3)
    assert "✗ rows      3 things · found 2 D05, 50 D06" in told and "... 30 more D06 in rows" in told
    assert told.count("\nD06") == CAP and told.endswith("NOT verified: level rows fails, 3 later ones hold")
    level = next(level for level in report.as_json()["levels"] if level["level"] == "rows")
    assert (level["found"], level["found_by_code"], len(level["divergences"])) == (52, {"D05": 2, "D06": 50}, CAP + 2)


def test_a_report_of_which_nothing_could_be_checked_is_not_ok() -> None:
    report = report_of({}, "not checked: why")
    assert not report.ok and report.first_failed is None
    assert "not every level could be checked" in render_report(report)
    assert report_of({}).ok


# --- secrets

SECRETS = [
    "sk-ant-api03-" + "x1Y2" * 6,
    "sk-proj-" + "aB3" * 12,
    "AKIA" + "ABCD1234" * 2,
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2" * 9,
    "AIza" + "b" * 35,
    "xoxb-1234567890-abc",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefgh",
]
PEM = "-----BEGIN PRIVATE KEY-----\n" + ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n" * 3)
AROUND = [("", ""), ("密钥", "。"), ("key_", "\n"), ('{"a": "', '"}'), ("(", ")"), ("Bearer ", ""), ("x: ", "\\n")]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_canary_is_found_whatever_stands_around_it(secret: str) -> None:
    for before, after in AROUND:
        redacted = Redaction().redact(before + secret + after)
        assert secret not in redacted and redacted.startswith(before) and redacted.endswith(after), redacted


@pytest.mark.parametrize("header", ["Bearer", "bearer", "BEARER"])
def test_bearer_tokens_are_found_in_any_spelling(header: str) -> None:
    redacted = Redaction().redact(f"Authorization: {header} abcdefghijklmnop1234")
    assert redacted.startswith(f"Authorization: {header} ‹secret:bearer:")


@pytest.mark.parametrize("text", [PEM + "-----END PRIVATE KEY-----", PEM, PEM.replace("\n", "\\n"), PEM[:120]])
def test_a_private_key_goes_even_where_its_end_is_cut_off(text: str) -> None:
    assert "MIIE" not in Redaction().redact(f"before {text}")


@pytest.mark.parametrize(
    "text",
    [
        "risk-based-assessment-procedures and disk-encryption-configuration",
        "sk-learn-contributor-guide-for-all",
        "the bearer of this-rather-long-compound-word",
        "the line -----BEGIN PRIVATE KEY----- is a header",
        "MAKIAABCD1234ABCD1234",
    ],
)
def test_prose_stays(text: str) -> None:
    assert Redaction().redact(text) == text


def test_what_of_an_environment_is_a_secret() -> None:
    environment = {
        "A_KEY": " padded-secret\n",
        "B_TOKEN": "short",
        "C_SECRET": "disabled",
        "D_CREDENTIALS": "/home/me/credentials.json",
        "E_KEY_FILE": "C:\\Users\\me\\key",
        "F_TOKEN_LIMIT": "10000000",
        "G_HOME": "not-a-secret-value",
        "GIT_AUTHOR_NAME": "not-a-secret-name",
        "X_AUTHORIZATION": "an-authorization",
        "SHOP_PASSWD": "a-password-of-it",
        "DATABASE_URL": "postgres://me:in%2Fan-address@host/db",
        "PLAIN_URL": "https://host:8080/a:b@c",
    }
    secrets = {"padded-secret", "an-authorization", "a-password-of-it", "in/an-address"}
    found = Redaction.of(environment).values
    assert set(found) == {form for secret in secrets for form in (secret, *encoded(secret))}
    assert list(found) == sorted(found, key=lambda value: (-len(value), value))


@given(st.lists(st.sampled_from([*SECRETS, PEM, "Bearer abcdefghijklmnop1234", " ", "-", "_", "x"]) | st.text()))
def test_a_text_said_to_hold_nothing_holds_nothing(parts: list[str]) -> None:
    text = "".join(parts)
    redaction = Redaction.of({"MY_TOKEN": "hunter2hunter2"})
    changed = redaction.pattern.sub("", text) != text
    assert redaction.may_hold(text) or not changed or "‹secret:" in text
    assert redaction.redact(redaction.redact(text)) == redaction.redact(text)


def test_json_with_other_keys_than_text_is_redacted() -> None:
    assert Redaction().redact_json({1: SECRETS[0], None: [True]}) == {1: Redaction().redact(SECRETS[0]), None: [True]}


@pytest.mark.parametrize(
    "part",
    ["-----BEGIN PRIVATE KEY-----", "sk-", "-eyJ", "eyJaaaaaaaaaa.", "Bearer ", "AKIA", "xoxb-", "A" * 17 + "\n"],
)
def test_no_text_takes_quadratic_time(part: str) -> None:
    text = "-----BEGIN PRIVATE KEY-----" + part * (200_000 // len(part))
    started = time.process_time()
    Redaction().redact(text)
    assert time.process_time() - started < 4, "200 kB of it took seconds"


def test_prose_is_passed_over_quickly() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 20_000
    assert NEEDLES.search(text) is None
    started = time.process_time()
    Redaction().redact(text)
    assert time.process_time() - started < 0.5


@given(
    messages=st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text()), min_size=1, max_size=3),
    parameters=st.dictionaries(st.text(), st.floats(allow_nan=False) | st.integers() | st.text(), max_size=3),
    schema=st.none() | st.dictionaries(st.text(), st.lists(st.text(), max_size=2), max_size=3),
    model=st.text(),
    more=st.tuples(st.integers(0, 3), st.integers(0, 2), st.text()),
)
def test_a_request_is_spelled_as_json_spells_it(
    messages: Any, parameters: Any, schema: Any, model: str, more: tuple[int, int, str]
) -> None:
    settings = ModelSettings(model, "http://127.0.0.1/v1", parameters=parameters)
    request = Request(settings, tuple(Message(*each) for each in messages), schema, more[0], "", more[1], more[2])
    assert request_text(request) == json.dumps(request.as_json(), ensure_ascii=False, sort_keys=True)


LITTER = (".DS_Store", "payload/.DS_Store", "Thumbs.db", "desktop.ini", "payload/._calls.parquet", "__MACOSX/._x")


def test_what_desktops_leave_in_a_trace_is_no_part_of_it(trace: Path) -> None:
    packed = pack(trace).read_bytes()
    for name in LITTER:
        (trace / name).parent.mkdir(exist_ok=True)
        (trace / name).write_bytes(b"litter")
    assert check_seal(trace) == [] and pack(trace).read_bytes() == packed
    for name in ("notes.txt", ".hidden", "payload/thumbs.txt"):
        (trace / name).write_bytes(b"")
        assert [fault.message for fault in check_seal(trace)] == [f"{name} was added"]
        with pytest.raises(UserError, match=f"is not packed, as it is not what was sealed: {name} was added"):
            pack(trace)
        (trace / name).unlink()
    (trace / ".DS_Store").unlink()
    (trace / ".DS_Store").symlink_to(trace / "trace.json")
    assert [fault.message for fault in check_seal(trace)] == [".DS_Store was added"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("above", ["", "my traces/", "small.trace/"])
def test_a_zip_made_by_hand_is_read_as_a_packed_one(trace: Path, tmp_path: Path, method: int, above: str) -> None:
    made = tmp_path / "made.zip"
    with zipfile.ZipFile(made, "w", method) as archive:
        for folder in (above, f"{above}payload/", "__MACOSX/"):
            if folder:
                archive.writestr(zipfile.ZipInfo(folder), b"")
        for name in reversed(names_of(trace)):
            archive.write(trace / name, above + name)
        for name in LITTER:
            archive.writestr(f"__MACOSX/{above}{name}", b"litter")
    found = Trace.open(made)
    assert names_of(found.folder) == names_of(trace) and check_seal(found.folder) == []


def test_git_is_told_to_leave_traces_as_they_are_beside_each_of_them(tmp_path: Path) -> None:
    """Within a repository, unless a file above says it, and never in place of a file of the user's."""
    rule = "*.trace/** -text"

    def written(within: str) -> Path:
        api.run("answer 1", {}, trace=tmp_path / within / "a.trace")
        return tmp_path / within / ".gitattributes"

    assert not written("no repository").exists()
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    assert rule in written("repository/new").read_text().splitlines()
    own = tmp_path / "repository" / "own" / ".gitattributes"
    own.parent.mkdir()
    own.write_text("*.csv text\n")
    assert written("repository/own").read_text() == "*.csv text\n"
    own.write_text(f"*.csv text\n{rule}\n")
    assert not written("repository/own/below").exists()


def test_line_ends_that_git_changed_are_named_with_what_to_do(trace: Path) -> None:
    for name in ("events.jsonl", "program.rlm", "answer.json", "seal.json", "trace.json", "steps.jsonl", "plan.sql"):
        path = trace / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    report = api.verify(trace)
    assert not report.ok
    told = [found for found in report.divergences if found.level in ("chain", "files")]
    named = [found for found in told if found.cause and "core.autocrlf" in found.cause]
    assert {found.level for found in named} == {"chain", "files"}
    assert all("*.trace/** -text" in str(found.next_command) for found in named)
    assert [found.message for found in told if found.level == "chain"] == ["no line is as it was written"]
    (trace / "program.rlm").write_bytes(b"answer 2\r\n")
    changed = next(fault for fault in check_seal(trace) if fault.message == "program.rlm was changed")
    assert changed.cause is None
