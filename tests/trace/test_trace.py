"""The core of traces: canonical form, Merkle trees, the chain and seal against tampering, files, redaction."""

from __future__ import annotations

import hashlib
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import canonical
from rlm_dsl.trace import merkle
from rlm_dsl.trace.archive import pack
from rlm_dsl.trace.events import check_chain, read_events
from rlm_dsl.trace.layout import EVENTS, SEAL
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.seal import check_seal, write_seal
from rlm_dsl.trace.secrets import SHAPES, Redaction, encoded
from rlm_dsl.trace.writer import TraceWriter

ASCII = st.text(st.characters(max_codepoint=127), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ASCII, inner, max_size=4),
    max_leaves=12,
)
LEAVES = st.lists(st.binary(max_size=6), max_size=33)


# --- canonical JSON


def turned(value: object) -> object:
    """The value with the keys of every object in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(list(value))}
    return [turned(item) for item in value] if isinstance(value, list) else value


@given(JSON)
def test_the_order_of_keys_changes_no_byte_and_the_value_reads_back(value: object) -> None:
    assert canonical(value) == canonical(turned(value))
    assert json.loads(canonical(value).decode("utf-8", "surrogatepass")) == value


@given(JSON, JSON)
def test_different_values_have_different_bytes(one: object, other: object) -> None:
    assert (canonical(one) == canonical(other)) == (repr(turned(turned(one))) == repr(other) or same(one, other))


def same(one: object, other: object) -> bool:
    """Equality of JSON, in which true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@pytest.mark.parametrize("value", [1.5, {"a": [0.0]}, {1: 2}, b"bytes", {"a": float("nan")}])
def test_floats_bytes_and_keys_that_are_no_text_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical(value)


# --- Merkle trees


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    half = largest_power_below(len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:half]) + naive_root(leaves[half:])).digest()


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    half = largest_power_below(len(leaves))
    if index < half:
        return [*naive_path(index, leaves[:half]), naive_root(leaves[half:])]
    return [*naive_path(index - half, leaves[half:]), naive_root(leaves[:half])]


def largest_power_below(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


@given(LEAVES)
def test_roots_and_proofs_are_those_of_rfc_6962(leaves: list[bytes]) -> None:
    top = merkle.root(leaves)
    assert top == naive_root(leaves)
    for index, leaf in enumerate(leaves):
        proof = merkle.prove(leaves, index)
        assert proof == naive_path(index, leaves)
        assert merkle.check_proof(leaf, index, len(leaves), proof, top)


@given(LEAVES.filter(len), st.data())
def test_wrong_proofs_fail(leaves: list[bytes], data: st.DataObject) -> None:
    count, top = len(leaves), merkle.root(leaves)
    index = data.draw(st.integers(0, count - 1))
    leaf, proof = leaves[index], merkle.prove(leaves, index)
    assert not merkle.check_proof(leaf + b"x", index, count, proof, top)
    assert not merkle.check_proof(leaf, index, count, [*proof, b"\0" * 32], top)
    assert not merkle.check_proof(leaf, index, count, proof, b"\0" * 32)
    assert not merkle.check_proof(leaf, count, count, proof, top)
    assert not merkle.check_proof(leaf, -1, count, proof, top)
    for at in range(len(proof)):
        assert not merkle.check_proof(leaf, index, count, proof[:at] + proof[at + 1 :], top)
        changed = bytes([proof[at][0] ^ 1]) + proof[at][1:]
        assert not merkle.check_proof(leaf, index, count, [*proof[:at], changed, *proof[at + 1 :]], top)
    for other in range(count):
        if leaves[other] != leaf:
            assert not merkle.check_proof(leaf, other, count, proof, top)


# --- a small sealed trace


def made(folder: Path, events: int = 6) -> Path:
    """A sealed trace of few bytes, with every kind of file."""
    ticks = iter(range(10_000))
    writer = TraceWriter(folder, lambda: f"2026-01-01T00:00:{next(ticks):02d}")
    writer.events.append("run.start", {"program": "answer t | count()"})
    for number in range(events - 2):
        writer.events.append("call.end", {"key": f"k{number}", "seconds": number / 8, "text": "naïve ✓"})
    writer.events.append("run.end", {"outcome": "answered"})
    writer.write_json("trace.json", {"schema": "rlm-trace/1", "contexts": []})
    writer.write_text("program.rlm", "answer t | count()\n")
    writer.write_text("plan.sql", "SELECT 1;\n")
    writer.write_lines("steps.jsonl", [json.dumps({"step": name, "rows": 3}) for name in "abcd"])
    writer.write_json("answer.json", {"parts": [{"value": 3}]})
    writer.write_table("calls", [pa.table({"key": ["k0", "k1"], "answer": ["yes", "no"]})])
    writer.seal()
    return folder


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return made(tmp_path / "small.trace")


def found(folder: Path) -> bool:
    """Whether the chain or the seal shows that the folder is not as it was sealed."""
    return bool(check_chain(folder / EVENTS)[0] or check_seal(folder))


def missed(path: Path, folder: Path, versions: Iterable[bytes]) -> tuple[int, int]:
    """How many versions of a file pass the checks, and how many there were; the file is put back."""
    before = path.read_bytes()
    unseen = count = 0
    for version in versions:
        assert version != before
        path.write_bytes(version)
        unseen, count = unseen + (not found(folder)), count + 1
    path.write_bytes(before)
    return unseen, count


def flips(content: bytes, stride: int) -> Iterator[bytes]:
    for at in range(0, len(content), stride):
        yield content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :]


def swaps(content: bytes) -> Iterator[bytes]:
    lines = content.splitlines(keepends=True)
    for at in range(len(lines) - 1):
        if lines[at] != lines[at + 1]:
            yield b"".join([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]])


def cuts(content: bytes) -> Iterator[bytes]:
    lines = content.splitlines(keepends=True)
    for at in range(len(lines)):
        yield b"".join(lines[:at])


def all_missed(folder: Path, changes: Callable[[bytes], Iterable[bytes]], names: Iterable[str]) -> tuple[int, int]:
    results = [missed(folder / name, folder, changes((folder / name).read_bytes())) for name in names]
    return sum(unseen for unseen, _ in results), sum(count for _, count in results)


def names_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_an_untouched_trace_has_no_fault(trace: Path) -> None:
    assert names_of(trace) == sorted(
        ["answer.json", EVENTS, "payload/calls.parquet", "plan.sql", "program.rlm", SEAL, "steps.jsonl", "trace.json"]
    )
    assert not found(trace)


def test_flipped_bytes_are_found(trace: Path) -> None:
    """Every byte of a smaller trace is flipped in `test_trace_core.py`."""
    plain = [name for name in names_of(trace) if not name.startswith("payload/")]
    unseen, count = all_missed(trace, lambda content: flips(content, 5), plain)
    assert (unseen, count > 600) == (0, True), f"{unseen} of {count} flipped bytes of text files were missed"
    unseen, count = all_missed(trace, lambda content: flips(content, 7), ["payload/calls.parquet"])
    assert (unseen, count > 50) == (0, True), f"{unseen} of {count} flipped bytes of Parquet were missed"


@pytest.mark.proof
def test_every_flipped_byte_of_a_larger_trace_is_found(tmp_path: Path) -> None:
    folder = made(tmp_path / "larger.trace", events=40)
    unseen, count = all_missed(folder, lambda content: flips(content, 1), names_of(folder))
    assert (unseen, count > 12_000) == (0, True), f"{unseen} of {count} flipped bytes were missed"


def test_every_swap_of_neighbouring_lines_is_found(trace: Path) -> None:
    unseen, count = all_missed(trace, swaps, [EVENTS, "steps.jsonl"])
    assert (unseen, count) == (0, 8), f"{unseen} of {count} swaps were missed"


def test_every_cut_on_a_line_boundary_is_found(trace: Path) -> None:
    unseen, count = all_missed(trace, cuts, [name for name in names_of(trace) if not name.startswith("payload/")])
    assert (unseen, count > 30) == (0, True), f"{unseen} of {count} cuts were missed"


def test_a_log_without_its_last_events_is_found_by_the_seal_alone(trace: Path) -> None:
    lines = (trace / EVENTS).read_bytes().splitlines(keepends=True)
    (trace / EVENTS).write_bytes(b"".join(lines[:-2]))
    assert check_chain(trace / EVENTS)[0] == []
    assert any("head" in each.message for each in check_seal(trace))


@pytest.mark.parametrize("name", ["trace.json", "payload/calls.parquet", EVENTS, SEAL])
def test_a_missing_file_is_found(trace: Path, name: str) -> None:
    (trace / name).unlink()
    assert check_seal(trace)


def test_an_added_file_is_found(trace: Path) -> None:
    (trace / "payload" / "more.parquet").write_bytes(b"")
    assert [each.message for each in check_seal(trace)] == ["payload/more.parquet was added"]


def test_a_link_to_nothing_is_found_as_added(trace: Path) -> None:
    (trace / "link").symlink_to(trace / "nowhere")
    assert [each.message for each in check_seal(trace)] == ["link was added"]


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"subject": [], "predicate": []}', "\xff", '{"a": 1.5}'])
def test_a_seal_that_is_none_is_said_to_be_unreadable_or_not_the_one(trace: Path, text: str) -> None:
    (trace / SEAL).write_text(text, encoding="latin-1")
    assert check_seal(trace)


def test_a_torn_tail_is_told_apart_from_a_broken_chain(trace: Path) -> None:
    content = (trace / EVENTS).read_bytes()
    (trace / EVENTS).write_bytes(content[:-20])
    divergences, _, count = check_chain(trace / EVENTS)
    assert [each.code for each in divergences] == ["D02"]
    assert count == 5
    assert sum(event.sound for event in read_events(trace / EVENTS)) == 5


@given(st.integers(1, 400))
def test_a_log_cut_anywhere_reads_back_to_the_cut(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = made(tmp_path_factory.mktemp("cut") / "t.trace", events=4)
    content = (folder / EVENTS).read_bytes()
    (folder / EVENTS).write_bytes(content[: max(0, len(content) - cut)])
    divergences, _, count = check_chain(folder / EVENTS)
    assert {each.code for each in divergences} <= {"D02"}
    assert sum(event.sound for event in read_events(folder / EVENTS)) >= count


# --- files


def test_packing_is_deterministic_and_a_zip_opens_like_its_folder(trace: Path, tmp_path: Path) -> None:
    one = pack(trace, tmp_path / "one.zip")
    for path in trace.rglob("*"):
        path.touch()
    other = pack(trace, tmp_path / "other.zip")
    assert one.read_bytes() == other.read_bytes()
    opened = Trace.open(one)
    assert not found(opened.folder)
    assert opened.program == Trace.open(trace).program
    assert opened.table("calls").equals(Trace.open(trace).table("calls"))
    assert names_of(opened.folder) == names_of(trace)


@pytest.mark.parametrize("name", ["../evil.txt", "payload/../../evil.txt", "/etc/evil.txt", "a/../../../evil.txt"])
def test_a_zip_whose_names_leave_its_folder_is_refused(trace: Path, tmp_path: Path, name: str) -> None:
    packed = pack(trace, tmp_path / "slip.zip")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(name, "evil")
    with pytest.raises(UserError, match="no trace"):
        Trace.open(packed)
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_damaged_zip_opens_as_a_damaged_trace_or_is_refused(trace: Path, tmp_path: Path) -> None:
    packed = pack(trace, tmp_path / "t.zip")
    content = packed.read_bytes()
    order = random.Random(7)
    for at in order.sample(range(len(content)), 150):
        packed.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
        try:
            Trace.open(packed, unfinished=True)
        except UserError as failure:
            assert "trace" in failure.message


def test_what_is_no_trace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("no zip")
    for name in ("absent", "empty", "note.txt"):
        with pytest.raises(UserError, match="no trace"):
            Trace.open(tmp_path / name)


def test_an_unfinished_trace_opens_only_where_that_is_allowed(trace: Path) -> None:
    (trace / SEAL).unlink()
    with pytest.raises(UserError, match="unfinished"):
        Trace.open(trace)
    assert Trace.open(trace, unfinished=True).program == "answer t | count()\n"


def test_a_writer_refuses_a_finished_trace_and_leaves_it_alone(trace: Path) -> None:
    with pytest.raises(UserError, match="finished"):
        TraceWriter(trace, lambda: "now")
    assert not found(trace)


@pytest.mark.parametrize("name", ["thesis.txt", "events.jsonl"])
def test_a_writer_refuses_a_folder_with_files_of_others_and_leaves_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"mine": 1}\n')
    with pytest.raises(UserError, match="no trace"):
        TraceWriter(tmp_path, lambda: "now")
    assert (tmp_path / name).read_text() == '{"mine": 1}\n'


@pytest.mark.parametrize("name", ["seconds.json", "report.json", "tuned.yaml", "seconds.json.partial"])
def test_a_writer_knows_what_a_stopped_optimization_leaves_and_only_beside_a_log(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(UserError, match="no trace") as refused:
        TraceWriter(tmp_path, lambda: "now", option="--out")
    assert "--out" in refused.value.hint and (tmp_path / name).exists()
    (tmp_path / "events.jsonl").write_text("")
    TraceWriter(tmp_path, lambda: "now").close()


def test_a_writer_refuses_an_unfinished_trace_that_holds_files_of_others(trace: Path) -> None:
    (trace / SEAL).unlink()
    (trace / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="no trace"):
        TraceWriter(trace, lambda: "now")
    assert (trace / "thesis.txt").read_text() == "mine"


def test_a_writer_refuses_a_path_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError):
        TraceWriter(tmp_path / "file", lambda: "now")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("left", [[], ["payload"], [EVENTS, "payload"], [EVENTS], ["payload", "trace.json.partial"]])
def test_a_writer_goes_on_wherever_an_earlier_one_was_killed(tmp_path: Path, left: list[str]) -> None:
    folder = tmp_path / "t.trace"
    folder.mkdir()
    for name in left:
        (folder / name).mkdir() if name == "payload" else (folder / name).touch()
    assert not found(made(folder))


def test_an_unfinished_trace_is_written_anew(trace: Path) -> None:
    (trace / SEAL).unlink()
    (trace / "payload" / "step-001-old.parquet").write_bytes(b"old")
    made(trace)
    assert not found(trace)
    assert "payload/step-001-old.parquet" not in names_of(trace)


def test_sealing_again_without_a_change_gives_the_same_seal(trace: Path) -> None:
    before = (trace / SEAL).read_bytes()
    write_seal(trace)
    assert (trace / SEAL).read_bytes() == before


# --- secrets

OPENAI = "sk-proj-" + "aB3" * 12
SAMPLES = {
    "anthropic-key": "sk-ant-api03-" + "x1Y2" * 6,
    "openai-key": OPENAI,
    "aws-key": "AKIA" + "ABCD1234" * 2,
    "github-token": "ghp_" + "a1B2" * 9,
    "google-key": "AIza" + "b" * 35,
    "slack-token": "xoxb-1234567890-abc",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefgh",
    "bearer": "Bearer abcdefghijklmnop1234",
    "private-key": "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
}
VALUES = st.lists(
    st.sampled_from(["openai-key", "hunter2hunter2", "secret:e", "github-token"]) | st.text("ab:‹›kst-", min_size=8),
    max_size=3,
)


@given(VALUES, st.lists(st.sampled_from([*SAMPLES.values(), "hunter2hunter2", " ", "x", "‹", "›"]) | st.text()))
def test_redaction_is_idempotent(values: list[str], parts: list[str]) -> None:
    redaction = Redaction.of({f"SOME_TOKEN_{index}": value for index, value in enumerate(values)})
    once = redaction.redact("".join(parts))
    assert redaction.redact(once) == once


def test_every_shape_has_a_sample_that_goes_and_is_named() -> None:
    assert SAMPLES.keys() == SHAPES.keys()
    for kind, sample in SAMPLES.items():
        redacted = Redaction().redact(f"before {sample}, after")
        assert re.fullmatch(rf"before (Bearer )?‹secret:{kind}:[0-9a-f]{{4}}›, after", redacted), redacted


def test_equal_secrets_stay_equal_and_plain_words_stay() -> None:
    redaction = Redaction.of({"API_KEY": "correct-horse", "PATH": "/usr/bin/thing", "TOKEN_MODE": "disabled"})
    assert set(redaction.values) == {"correct-horse", *encoded("correct-horse")}
    redacted = redaction.redact("correct-horse and correct-horse, disabled")
    one, other, rest = re.split(r" and |, ", redacted)
    assert one == other != "correct-horse" and rest == "disabled"


def test_values_in_json_are_redacted_keys_too() -> None:
    assert "sk-" not in json.dumps(Redaction().redact_json({OPENAI: [OPENAI, {"a": (OPENAI, 1, None)}]}))


def test_what_a_writer_writes_is_redacted(tmp_path: Path) -> None:
    redaction = Redaction.of({"MY_PASSWORD": 'quote"d\\secret'})
    writer = TraceWriter(tmp_path / "t.trace", lambda: "now", redaction.redact_json)
    writer.events.append("run.start", {"program": f'{OPENAI} quote"d\\secret'})
    writer.write_text("program.rlm", OPENAI)
    writer.write_json("trace.json", {"question": f'quote"d\\secret {OPENAI}'})
    writer.write_lines("steps.jsonl", [json.dumps({"value": f'quote"d\\secret {OPENAI}'})])
    writer.seal()
    for path in (tmp_path / "t.trace").rglob("*.*"):
        content = path.read_text(encoding="utf-8")
        assert OPENAI not in content and "d\\secret" not in content and "d\\\\secret" not in content, path.name
