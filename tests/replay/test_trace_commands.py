"""What reads a trace: show, sql, doctor, pack and unpack; each on the folder and on the zip.

In: recorded runs. Out: nothing but a verdict. Law: the same is told of a trace however it is kept; nothing that is told
grows with the run.
"""

from __future__ import annotations

import csv as csv_form
import io
import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl import api, cli, traces
from rlm_dsl.common.diagnostics import UserError, cells
from rlm_dsl.models.request import ModelSettings
from rlm_dsl.replay import doctor
from rlm_dsl.trace.layout import SEAL
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.story import story
from rlm_dsl.trace.writer import TraceWriter
from tests.support.runs import PROGRAM, QUESTION, billing_of

Told = Callable[..., tuple[int, str, str]]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Told:
    """What one command prints, with its exit code."""

    def run(*arguments: str | Path, columns: int = 100) -> tuple[int, str, str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def explored(explored_trace: Path) -> Path:
    return explored_trace


# --- show


def test_a_story_has_the_question_each_turn_with_its_use_and_the_head(explored: Path, told: Told) -> None:
    code, out, _ = told("show", explored)
    assert code == 0 and QUESTION in out and json.loads((explored / SEAL).read_text())["predicate"]["head"] in out
    heads = [line for line in out.split("\n") if line.startswith("turn ")]
    assert heads == ["turn 1  a look", "turn 2  ✗ refused", "turn 3  ✗ a dead end", "turn 4"]
    assert Trace.open(explored).program.strip().split("\n")[0] in out
    assert "31 attempts" in out and "tokens" in out and "per_user" in out and "tickets.csv:" in out


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_no_line_but_the_programs_is_wider_than_the_terminal(explored: Path, told: Told, columns: int) -> None:
    _, out, _ = told("show", explored, columns=columns)
    before, _, rest = out.partition("\nprogram\n")
    _, _, after = rest.partition("\nsteps\n")
    wide = [line for line in (before + after).split("\n") if cells(line) > columns]
    assert wide == [line for line in wide if len(line.strip()) == 64], "heads alone may be wider"


def test_a_story_as_json_has_all_of_it(explored: Path, told: Told) -> None:
    code, out, _ = told("show", explored, "--json")
    held = json.loads(out)
    assert code == 0 and held["question"] == QUESTION and held["finished"] is True
    assert [turn["use"] for turn in held["turns"]] == ["look", "problems", "dead end", "used"]
    assert held["calls"] == {
        "attempts": 31, "outcomes": {"answered": 31}, "unfinished": 0,
        "input_tokens": held["calls"]["input_tokens"], "output_tokens": held["calls"]["output_tokens"],
    }  # fmt: skip
    assert held["answer"]["parts"][0]["value"] == len(billing_of("u1", 40) + billing_of("u2", 40))


def test_an_unfinished_run_is_told_with_why_it_stopped_and_what_may_be_billed(tmp_path: Path, told: Told) -> None:
    writer = TraceWriter(tmp_path / "u.trace", lambda: "2026-01-01T00:00:00+00:00")
    writer.events.append("run.start", question="how many?")
    writer.events.append("call.start", {"key": "a" * 64, "step": "s"})
    writer.events.append("run.stop", {"message": "budget used up"})
    writer.close()
    code, out, _ = told("show", tmp_path / "u.trace")
    assert code == 0 and "unfinished" in out and "budget used up" in out and "may have been billed" in out


def vast(folder: Path, calls: int, turns: int = 300) -> Path:
    """A sealed trace of very many calls and turns, written as a run writes it."""
    writer = TraceWriter(folder, lambda: "2026-01-01T00:00:00.000000+00:00")
    writer.events.append("run.start", question="how many?")
    for number in range(turns):
        program, observation = f"look_{number} = t | take(1)\n" * 50, "  1 | x\n" * 400
        writer.events.append("turn.end", {"turn": number, "program": program, "observation": observation, "errors": 0})
    ended = {"outcome": "answered", "gen_ai.response.model": "m", "gen_ai.usage.input_tokens": 80}
    for number in range(calls):
        key = {"key": f"{number:064x}"}
        started = {"step": "topics", "gen_ai.request.model": "m", "server.address": "http://127.0.0.1:1/v1"}
        writer.events.append("call.start", {**key, **started})
        writer.events.append("call.end", {**key, **ended, "gen_ai.usage.output_tokens": 5, "seconds": 0.25})
    line = {"step": "a", "operator": "take", "key": "k", "inputs": [], "type": "int", "line": 1, "rows": 1}
    writer.write_text("program.rlm", "answer t | count()\n")
    writer.write_lines("steps.jsonl", [line] * 300)
    value = [[number] for number in range(5_000)]
    part = {"part": [], "type": "table(n: int)", "columns": ["n"], "value": value}
    writer.write_json("answer.json", {"parts": [part], "evidence": []})
    writer.end({"outcome": "answered", "seconds": 9.5}, [])
    writer.write_json("trace.json", {"schema": "rlm-trace/1", "created": "2026-01-01T00:00:00", "contexts": []})
    writer.seal()
    return folder


def test_a_story_is_bounded_however_long_the_run_was(tmp_path: Path, told: Told) -> None:
    code, out, _ = told("show", vast(tmp_path / "v.trace", 2_000))
    assert code == 0 and out.count("\n") < 700 and "2,000 attempts, 170,000 tokens" in out
    assert "284 more turns" in out and "240 more steps" in out and "4,980 more rows" in out


@pytest.mark.proof
def test_a_story_of_100_000_calls_is_told_within_a_second(tmp_path: Path, told: Told) -> None:
    folder = vast(tmp_path / "v.trace", 100_000)
    told("show", folder)
    started = time.perf_counter()
    _, out, _ = told("show", folder)
    assert "100,000 attempts" in out and time.perf_counter() - started < 1


# --- sql


@pytest.fixture
def trace(recorded_trace: Path) -> Path:
    return recorded_trace


def test_the_views_agree_with_the_trace(trace: Path) -> None:
    held = Trace.open(trace)
    _, steps = traces.sql(trace, "select step, operator, rows from steps")
    assert steps == [(line["step"], line["operator"], line.get("rows")) for line in held.steps]
    _, calls = traces.sql(trace, "select key, step, origin, prompt_tokens > 0 from calls order by key")
    rows = held.table("calls").to_pylist()
    assert calls == [(row["key"], row["step"], row["origin"], True) for row in rows]
    assert traces.sql(trace, "select count(*), min(outcome) from attempts")[1] == [(27, "answered")]
    assert traces.sql(trace, "select count(*) from events")[1] == [(len(list(held.events())),)]
    spans = [span for one in held.answer["evidence"] for span in one["spans"]]
    found = traces.sql(trace, "select first_line, first_byte, past_byte, sha256 from evidence")[1]
    assert found == [(span["lines"][0], *span["bytes"], span["sha256"]) for span in spans]


def test_each_steps_rows_are_a_table_and_all_of_them_a_view(trace: Path) -> None:
    billing = traces.sql(trace, "select id from step.billing order by id")[1]
    assert [number for (number,) in billing] == sorted(billing_of("u1", 40) + billing_of("u2", 40))
    counts = dict(traces.sql(trace, "select step, count(*) from rows group by step")[1])
    assert counts["billing"] == len(billing) and counts["per_user" if "per_user" in counts else "answer_per_user"] == 2
    read = "select (\"json\" ->> '$.id')::int from rows where step = 'billing' order by 1"
    assert traces.sql(trace, read)[1] == billing


def test_a_step_within_anothers_query_is_computed_again(trace: Path, told: Told, tmp_path: Path) -> None:
    """`topics` is read by `billing` alone: its labels, which were paid for, are in no recorded table."""
    held = Trace.open(trace)
    counts = {line["step"]: line["rows"] for line in held.steps if "rows" in line}
    assert {step: traces.sql(trace, f"select count(*) from step.{step}").rows[0][0] for step in counts} == counts
    labels = dict(traces.sql(trace, "select topic, count(*) from STEP.Topics group by all").rows)
    assert labels["billing"] == counts["billing"] and sum(labels.values()) == counts["topics"]
    joined = "select count(*) from step.topics t join step.billing b using (id) where t.topic = b.topic"
    assert traces.sql(trace, joined).rows == [(counts["billing"],)]
    moved = shutil.copytree(trace, tmp_path / "elsewhere" / "run.trace")
    (tmp_path / "other.csv").write_text("id,user,body\n1,u1,x\n")
    data = trace.parent / "tickets.csv"
    lines = told("sql", moved, "from step.topics", "--context", f"tickets={data}", "--csv")[1].split("\n")
    assert len(lines) == 2 + counts["topics"] and not any("\r" in line for line in lines)
    code, _, err = told("sql", moved, "from step.topics", "--context", f"tickets={tmp_path / 'other.csv'}")
    assert code == 2 and "steps without recorded rows are computed from the data" in err and "--context" in err
    assert told("sql", moved, "select count(*) from steps", "--context", "tickets=none.csv")[0] == 0


def test_turns_can_be_queried(explored: Path) -> None:
    assert traces.sql(explored, "select turn, errors > 0 from turns order by turn")[1] == [
        (1, False), (2, True), (3, False), (4, False),
    ]  # fmt: skip


REFUSED = [
    *["copy (select 1) to 'leak.csv'", "attach 'leak.db'", "create table x as select 1", "drop view steps"],
    *[
        "select 1; select 2",
        "",
        "pragma database_list",
        "set threads = 1",
        "install httpfs",
        "update calls set step = 1",
    ],
    *["select * from read_csv('tickets.csv')", "select * from 'tickets.csv'", "select * from read_text('/etc/passwd')"],
    *[
        "select * from glob('*')",
        "from pragma_storage_info('nix')",
        "select nix from calls",
        "selec",
        "call pragma_version()",
    ],
]


@pytest.mark.parametrize("query", REFUSED)
def test_nothing_but_a_query_over_the_trace_runs(trace: Path, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trace.parent)
    before = sorted(trace.parent.iterdir())
    with pytest.raises(UserError):
        traces.sql(trace, query)
    assert sorted(trace.parent.iterdir()) == before


def test_rows_come_as_a_table_as_json_and_as_csv(trace: Path, told: Told) -> None:
    query = "select step, inputs, asked.x from (select step, inputs, {'x': rows} as asked from steps) limit 2"
    code, out, _ = told("sql", trace, query)
    assert code == 0 and out.startswith("step")
    assert json.loads(told("sql", trace, query, "--json")[1])[0] == {"step": "mine", "inputs": ["tickets"], "x": 27}
    rows = list(csv_form.reader(io.StringIO(told("sql", trace, query, "--csv")[1])))
    assert rows[:2] == [["step", "inputs", "x"], ["mine", '["tickets"]', "27"]]
    code, out, _ = told("sql", trace, "select unnest(range(5000)) as n")
    assert code == 0 and out.count("\n") < 110 and "more row" in out
    assert told("sql", trace, "selec 1")[0] == 2


def test_a_step_whose_name_is_hostile_is_a_table_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n2\n")
    program = '`x"; {n} --` = t | where(a > 1)\nanswer `x"; {n} --` | select(a)\n'
    api.run(program, {"t": str(tmp_path / "t.csv")}, trace=tmp_path / "t.trace")
    steps = [step for (step,) in traces.sql(tmp_path / "t.trace", "select step from steps")[1]]
    tables = traces.sql(
        tmp_path / "t.trace", "select table_name from information_schema.tables where table_schema = 'step'"
    )
    assert {name for (name,) in tables[1]} <= set(steps)
    assert {step for (step,) in traces.sql(tmp_path / "t.trace", "select distinct step from rows")[1]} <= set(steps)


# --- doctor


def codes(found: list[doctor.Finding]) -> list[str]:
    return [finding.code for finding in found]


@pytest.mark.parametrize(
    ("name", "moves"),
    [
        *[("gpt-4o-2024-08-06", False), ("claude-3-5-sonnet-20241022", False), ("gpt-4-0613", False)],
        *[("mistral-large-2411", False), ("gpt-4-1106-preview", False), ("org/model@4f3a9c", False)],
        *[
            ("gpt-5-mini", True),
            ("claude-latest", True),
            ("llama3.1:8b", True),
            ("qwen-72b", True),
            ("gpt-35000", True),
        ],
    ],
)
def test_a_name_without_a_date_or_revision_may_move(name: str, moves: bool) -> None:
    settings = ModelSettings(name, "http://x/v1", parameters={"seed": 1})
    assert codes(list(doctor.of_models({"sub": settings}))) == (["moving-model"] if moves else [])


def test_a_moving_name_is_answered_by_what_was_served() -> None:
    settings = ModelSettings("gpt-5-mini", "http://x/v1", parameters={"temperature": 0})
    (finding,) = doctor.of_models({"sub": settings}, ["gpt-5-mini-2025-08-07"])
    assert "gpt-5-mini-2025-08-07" in finding.advice


@pytest.mark.parametrize(
    ("parameters", "drawn"), [({}, True), ({"temperature": 1}, True), ({"temperature": 0}, False), ({"seed": 7}, False)]
)
def test_answers_that_are_drawn_are_found(parameters: dict[str, Any], drawn: bool) -> None:
    found = doctor.of_models({"sub": ModelSettings("m-2024-01-01", "http://x", parameters=parameters)})
    assert codes(list(found)) == (["sampling"] if drawn else [])


@pytest.mark.parametrize(
    ("parameters", "drawn"), [({}, False), ({"temperature": 1}, True), ({"temperature": 0}, False)]
)
def test_weights_of_ones_own_are_named_by_their_digest_and_drawn_only_if_that_is_said(
    parameters: dict[str, Any], drawn: bool
) -> None:
    found = doctor.of_models({"sub": ModelSettings("Small 1", f"local:{'0' * 32}", parameters=parameters)})
    assert codes(list(found)) == (["sampling"] if drawn else [])


def test_network_file_systems_are_found(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {tmp_path.resolve()}/far nfs4 rw 0 0\n")
    mounts = doctor.mount_points(table)
    assert doctor.file_system(tmp_path / "far" / "new" / "s.sqlite", mounts) == "nfs4"
    assert doctor.file_system(tmp_path / "near", mounts) == "ext4"
    assert doctor.NETWORKED.search("nfs4") and not doctor.NETWORKED.search("ext4")
    assert doctor.mount_points(tmp_path / "none") == {}


def test_data_that_changes_is_found(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    now = path.stat().st_mtime
    assert codes(list(doctor.of_files("t", str(path), now + 60))) == []
    assert codes(list(doctor.of_files("t", str(path), now + 2))) == ["changing-data"]
    assert codes(list(doctor.of_files("t", str(path), now - 60))) == ["changing-data"]
    assert codes(list(doctor.of_files("t", "-", now))) == ["unkept-data"]


def test_secrets_that_change_prompts_are_found_by_name_and_never_by_value(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\nmy hunter2secret here\n")
    found = list(doctor.of_secrets({"DB_PASSWORD": "hunter2secret", "A_TOKEN": "subscription"}, {"t": str(path)}))
    assert codes(found) == ["plain-secret", "secret-in-data"]
    assert "DB_PASSWORD" in found[1].message and "hunter2" not in str(found)


@pytest.mark.one_a_call
def test_the_doctor_of_a_run_to_come(tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if doctor.TELLING.search(name)]:
        monkeypatch.delenv(name)
    (tmp_path / "p.rlm").write_text(PROGRAM)
    (tmp_path / "tickets.csv").write_text("id,user,body\n1,u1,x\n")
    os.utime(tmp_path / "tickets.csv", (1_700_000_000, 1_700_000_000))
    run = (
        "doctor",
        tmp_path / "p.rlm",
        "--context",
        f"tickets={tmp_path / 'tickets.csv'}",
        "--parameter",
        "temperature=0",
    )
    code, out, _ = told(*run, "--model", "gpt-4o-2024-08-06")
    assert (code, out) == (0, "nothing found that would not come out the same\n")
    code, out, _ = told(*run, "--model", "gpt-4o", "--json")
    assert code == 1 and {finding["code"] for finding in json.loads(out)} == {"moving-model"}
    monkeypatch.setenv("RLM_DSL_PACK", "auto")
    code, out, _ = told(*run, "--model", "gpt-4o-2024-08-06")
    assert code == 1 and out.startswith("neighbours: classify: rows go together in one request")
    (tmp_path / "p.rlm").write_text(PROGRAM.replace("into=topic", "into=topic, pack=1"))
    assert told(*run, "--model", "gpt-4o-2024-08-06")[0] == 0
    assert told("doctor", tmp_path / "none.rlm")[0] == 2


def test_the_doctor_of_a_trace(trace: Path, tmp_path: Path, told: Told) -> None:
    code, out, _ = told("doctor", trace)
    assert code == 1 and "moving-model" in out and "sampling" in out and "data-" not in out
    shutil.copytree(trace.parent, tmp_path / "copy")
    copied = tmp_path / "copy" / "run.trace"
    (copied / SEAL).unlink()
    assert codes(traces.doctor(copied)) == ["unsealed"]
    header = json.loads((trace / "trace.json").read_text())
    (recorded_data,) = header["contexts"]
    assert codes(list(doctor.of_recorded({**recorded_data, "given": str(tmp_path / "nix.csv")}, trace))) == [
        "data-gone"
    ]
    (tmp_path / "copy" / "other.csv").write_text("a\n")
    other = {**recorded_data, "given": str(tmp_path / "copy" / "other.csv")}
    assert codes(list(doctor.of_recorded(other, copied))) == ["data-changed"]
    assert codes(list(doctor.of_versions({"duckdb": "0.0.1"}))) == ["other-version"]


# --- one file


def test_every_command_reads_the_zip_as_the_folder(trace: Path, tmp_path: Path, told: Told) -> None:
    packed = tmp_path / "run.trace"
    traces.pack(trace, packed)
    data = ("--context", f"tickets={trace.parent / 'tickets.csv'}")
    key = Trace.open(trace).table("calls").column("key")[0].as_py()
    for command in (
        *[("show",), ("show", "--json"), ("cite", *data), ("cite", "total", *data), ("doctor",)],
        *[("sql", "select * from calls"), ("prove", key), ("prove", "--event", "2"), ("export", "--otlp", "--content")],
        *[("export", "--openinference"), ("export", "--openlineage"), ("verify", "--json", *data)],
    ):
        code, *said = told(command[0], packed, *command[1:])
        assert (code, *(each.replace(str(packed), str(trace)) for each in said)) == told(
            command[0], trace, *command[1:]
        )
    answers = ("run", trace / "program.rlm", *data, "--json", "--answers")
    assert told(*answers, packed) == told(*answers, trace) and told(*answers, packed)[0] == 0


def test_the_same_trace_packs_to_the_same_bytes_and_back(trace: Path, tmp_path: Path, told: Told) -> None:
    shutil.copytree(trace, tmp_path / "copy.trace")
    for path in (tmp_path / "copy.trace").rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700)
    one = traces.pack(trace, tmp_path / "one.zip")
    other = traces.pack(tmp_path / "copy.trace", tmp_path / "other.zip")
    assert one.read_bytes() == other.read_bytes()
    assert told("unpack", one, "--to", tmp_path / "back.trace")[0] == 0
    names = sorted(path.relative_to(trace) for path in trace.rglob("*") if path.is_file())
    back = tmp_path / "back.trace"
    assert names == sorted(path.relative_to(back) for path in back.rglob("*") if path.is_file())
    assert all((back / name).read_bytes() == (trace / name).read_bytes() for name in names)
    assert told("unpack", one, "--to", back)[0] == 2, "never over another"


UNSAFE = [
    "../x",
    "/x",
    "a/../../x",
    "payload/../x",
    "a\\..\\x",
    "C:x",
    "payload/a/b",
    "payload/",
    "x\ny",
    "./x",
    "payload//x",
]


@pytest.mark.parametrize("name", UNSAFE)
def test_an_unsafe_name_is_refused_before_anything_is_written(trace: Path, tmp_path: Path, name: str) -> None:
    packed = traces.pack(trace, tmp_path / "in" / "t.zip" if (tmp_path / "in").mkdir() is None else None)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), "x")
    with pytest.raises(UserError, match="is no trace"):
        traces.unpack(packed, tmp_path / "in" / "out.trace")
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "t.zip"]


def test_a_zip_bomb_is_refused_by_what_it_declares(
    trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rlm_dsl.trace import archive as zips

    packed = traces.pack(trace, tmp_path / "t.zip")
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("payload/bomb.parquet", bytes(1 << 22))
    monkeypatch.setattr(zips, "LARGEST", 1 << 20)
    with pytest.raises(UserError, match="unpacks to more than"):
        traces.unpack(packed, tmp_path / "out.trace")
    assert not (tmp_path / "out.trace").exists()


def test_a_zip_that_lies_about_its_sizes_is_refused(trace: Path, tmp_path: Path) -> None:
    packed = traces.pack(trace, tmp_path / "t.zip")
    content = bytearray(packed.read_bytes())
    with zipfile.ZipFile(packed) as archive:
        entry = max(archive.infolist(), key=lambda held: held.file_size)
    at = content.rindex(b"PK\x01\x02", 0, content.rindex(entry.filename.encode()))
    content[at + 24 : at + 28] = (100).to_bytes(4, "little")
    packed.write_bytes(bytes(content))
    with pytest.raises(UserError):
        traces.unpack(packed, tmp_path / "out.trace")
    assert not (tmp_path / "out.trace").exists()


def test_story_of_a_zip_is_that_of_the_folder(trace: Path, tmp_path: Path) -> None:
    packed = traces.pack(trace, tmp_path / "run.trace")
    assert story(Trace.open(packed)) == story(Trace.open(trace))


# --- damage


SPOILED = ("[]", '{"seq": 0}\n', "\xff", "", "{}", "null", "{", '[{"a": 1}]', '{"parts": 1, "contexts": [1]}')


def test_a_damaged_trace_is_told_in_words_by_every_command(trace: Path, tmp_path: Path, told: Told) -> None:
    """Each file with one other content, of those in turn."""
    names = files_of(trace)
    spoil(trace, tmp_path, told, [(name, SPOILED[n % len(SPOILED)]) for n, name in enumerate(names)])


@pytest.mark.proof
def test_a_trace_damaged_in_any_way_is_told_in_words(trace: Path, tmp_path: Path, told: Told) -> None:
    spoil(trace, tmp_path, told, product(files_of(trace), SPOILED))


def files_of(trace: Path) -> list[Path]:
    return sorted(path.relative_to(trace) for path in trace.rglob("*") if path.is_file())


def spoil(trace: Path, tmp_path: Path, told: Told, spoiled: Iterable[tuple[Path, str]]) -> None:
    """A trace in which a file has other content, read by every command."""
    data = ("--context", f"tickets={trace.parent / 'tickets.csv'}")
    commands = (("show",), ("cite", *data), ("sql", "select * from calls"), ("prove", "--event", "0"), ("doctor",))
    exports = tuple(("export", f"--{form}", "--content") for form in ("otlp", "openinference", "openlineage"))
    for number, (name, content) in enumerate(spoiled):
        copied = tmp_path / f"{number}.trace"
        shutil.copytree(trace, copied)
        (copied / name).write_bytes(content.encode("latin-1"))
        for command, *more in (*commands, *exports):
            code, _, err = told(command, copied, *more)
            assert "internal error" not in err and code in (0, 1, 2), (name, content, command, err)
            assert command != "cite" or ((code == 2 and "sealed" in err) or "no seal" in err), (name, content)
        shutil.rmtree(copied)
