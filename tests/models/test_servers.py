"""Servers as settings name them: files, keys, headers, prices, limits, paces; each against a real HTTP server."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import rlm_dsl
from rlm_dsl.cli import run as command_line
from rlm_dsl.cli.render.result import cost_lines
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.language.answer_schema import json_schema
from rlm_dsl.language.types import Enum, Field, Record
from rlm_dsl.models.cache.kinds.sqlite.claims import Claims
from rlm_dsl.models.cache.kinds.sqlite.store import SqliteStore
from rlm_dsl.models.prices import Price, is_another, known_price
from rlm_dsl.models.request import Message, ModelSettings, Request
from rlm_dsl.models.server.rate_limit import Pace, span
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Limits, ModelChoice, Server, Settings
from rlm_dsl.models.settings_file import read_settings
from rlm_dsl.models.stack import LiveStack
from rlm_dsl.report.step_view import spent_by_step
from rlm_dsl.testing import serve
from rlm_dsl.trace.reader import Trace
from tests.support.processes import Process
from tests.support.scripted_server import ScriptedServer, completion

LABEL = Record((Field("label", Enum(("a", "b"))),))
GOLD = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(400)]
PROGRAM = 'answer log | classify(on=text, ["a", "b"], into=label, guide="Which?") | where(label == "a") | count()\n'
TEXTS = 'answer log | ask("Which?", on=text, returns={label: text}) | where(label == "a") | count()\n'


def log(folder: Path, rows: int = 40) -> Path:
    path = folder / "log.txt"
    path.write_text("".join(f"text {n}\n" for n in range(rows)))
    return path


def asked(settings: Settings, keys: Keys, *models: ModelSettings) -> list[Any]:
    """What each model says to a row."""
    with LiveStack(settings, keys, lambda kind, fields: None) as stack:
        messages = (Message("system", "Choose."), Message("user", "text 1"))
        return [stack.ask(Request(model, messages, json_schema(LABEL), purpose="step")) for model in models]


def test_each_alias_has_its_server_with_its_own_key_headers_and_query(tmp_path: Path) -> None:
    with serve(gold=GOLD, key="key-of-one-1234") as one, serve(gold=GOLD, key="key-of-two-1234") as two:
        azure = two.base_url.replace("/v1", "/openai/deployments/mini")
        file = read_settings(
            Source(
                "rlm-dsl.yaml",
                f"""
models:
  root: {{model: big, server: one, parameters: {{temperature: 0}}}}
  sub: {{model: mini, server: azure}}
servers:
  one: {{url: "{one.base_url}", key: ONE_KEY, headers: {{X-Team: "t-${{TEAM}}"}}}}
  azure: {{url: "{azure}", key: TWO_KEY, key_header: api-key, query: {{api-version: "2024-10-21"}}}}
""",
            )
        )
        settings = Settings(models=file.models, servers=file.servers, store=str(tmp_path / "s"))
        keys = Keys({"ONE_KEY": "key-of-one-1234", "TWO_KEY": "key-of-two-1234", "TEAM": "7"})
        by_alias = settings.by_alias()
        first, second = asked(settings, keys, by_alias["root"], by_alias["sub"])
        assert json.loads(first.text) == json.loads(second.text) == {"label": "b"}
        assert one.requests[0].headers["x-team"] == "t-7" and one.requests[0].body["temperature"] == 0
        assert two.requests[0].query == {"api-version": "2024-10-21"} and "x-team" not in two.requests[0].headers
    held = (tmp_path / "s").read_bytes() + b"".join(p.read_bytes() for p in tmp_path.glob("s-*"))
    assert b"key-of" not in held


def test_a_key_that_is_not_set_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    settings = Settings(models={"sub": ModelChoice("m", "http://x/v1")}, servers=(Server("http://x/v1", key="MINE"),))
    with pytest.raises(UserError, match="the environment has no MINE"):
        asked(settings, Keys({}))


def test_how_a_server_is_asked_is_remembered_over_runs(tmp_path: Path) -> None:
    with serve(gold=GOLD, no_json_schema=True, no_max_completion_tokens=True) as server:
        model = ModelSettings("m", server.base_url, parameters={"max_completion_tokens": 50})
        for n in range(3):
            settings = Settings(models={"sub": "m"}, base_url=server.base_url, store=str(tmp_path / "s"))
            with LiveStack(settings, Keys({}), lambda kind, fields: None) as stack:
                shown = (Message("system", "Choose."), Message("user", f"text {n}"))
                stack.ask(Request(model, shown, json_schema(LABEL)))
        assert server.calls == 3 + 2 and "tools" in server.requests[-1].body


FILES = {
    "budgit: 3": "did you mean `budget`?",
    "models: {root: {modl: x}}": "did you mean `model`?",
    "models: {root: {model: x, server: locl}}\nservers: {local: http://a/v1}": "did you mean `local`?",
    "servers: {a: nowhere}": "write http://nowhere",
    "budget: calls=many": "write --budget calls=500",
    "max_failed: 20": "a share is from 0 to 1",
    "prices: {m: cheap}": "dollars for a million tokens",
    "models: [1,": "this is no YAML",
    "- a": "names with their values",
    "concurrency: 0": "a whole number from 1 on",
    "budget: 1\nbudget: 2": "given twice",
}


@pytest.mark.parametrize("text", FILES)
def test_what_is_wrong_with_a_settings_file_is_told_with_its_place(text: str) -> None:
    with pytest.raises(ProgramError) as failure:
        read_settings(Source("rlm-dsl.yaml", text))
    told = str(failure.value)
    assert FILES[text] in told and "--> rlm-dsl.yaml:" in told and "^" in told


def test_the_documented_file_is_read() -> None:
    text = Path("docs/models.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    found = read_settings(Source("rlm-dsl.yaml", text))
    assert set(found.models) == {"root", "sub", "small"} and found.budget == Limits(2_000, 5_000_000, 5.0, 3_600.0)
    assert found.servers[1].requests_per_minute == 500 and found.max_failed == 0.2 and found.confirm_over == 1.0


def test_a_secret_in_a_settings_file_is_refused_and_not_shown() -> None:
    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    for text in (f"servers: {{a: {{url: http://x/v1, headers: {{A: {secret}}}}}}}",
                 f"servers: {{a: {{url: http://x/v1, key: {secret}}}}}"):  # fmt: skip
        with pytest.raises(ProgramError) as failure:
            read_settings(Source("rlm-dsl.yaml", text))
        assert secret not in str(failure.value) and "****" in str(failure.value)


@pytest.mark.one_a_call
def test_the_command_line_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.rlm").write_text(PROGRAM)
    with serve(gold=GOLD) as server:
        (tmp_path / "rlm-dsl.yaml").write_text(
            f"models: {{sub: {{model: of-file, server: {server.base_url}}}}}\nbudget: {{calls: 5}}\nstore: s.sqlite\n"
        )
        given = ["run", "p.rlm", "--context", f"log={log(tmp_path)}"]
        assert command_line(given) == 3 and "the budget of 5 has 5 left" in capfd.readouterr().err
        assert server.calls == 0
        assert command_line([*given, "--budget", "calls=100"]) == 0
        assert server.requests[0].body["model"] == "of-file"
        assert command_line([*given, "--model", "mine", "--base-url", server.base_url, "--budget", "calls=99"]) == 0
        assert server.requests[-1].body["model"] == "mine" and server.calls == 80


@pytest.mark.one_a_call
def test_a_dry_run_says_what_it_would_ask_and_asks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setenv("RLM_DSL_STORE", str(tmp_path / "s.sqlite"))
    (tmp_path / "p.rlm").write_text(PROGRAM)
    with serve(gold=GOLD, script=["answer count(log)"]) as server:
        common = ["--context", f"log={log(tmp_path)}", "--model", "gpt-5-mini", "--base-url", server.base_url]
        given = ["run", str(tmp_path / "p.rlm"), *common]
        assert command_line([*given, "--dry-run"]) == 0
        told = capfd.readouterr().out
        assert "40 model calls" in told and "nothing was asked" in told and "$0.00" in told and server.calls == 0
        assert command_line(["ask", "How many?", *common, "--dry-run"]) == 0
        assert "first turn of at most 20" in capfd.readouterr().out and server.calls == 0
        assert command_line([*given, "--confirm-over", "0.01"]) == 3 and server.calls == 0
        assert "say --yes" in capfd.readouterr().err
        assert command_line([*given, "--confirm-over", "0.01", "--yes"]) == 0 and server.calls == 40
        capfd.readouterr()
        assert command_line([*given, "--dry-run"]) == 0 and "0 model calls" in capfd.readouterr().out


def test_prompts_are_shown_without_a_model_and_take_few_tokens(tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "p.rlm").write_text(PROGRAM)
    assert command_line(["explain", str(tmp_path / "p.rlm"), "--prompts", "--context", f"log={log(tmp_path)}"]) == 0
    told = capfd.readouterr().out
    assert "40 requests; the first 2" in told and "--- system" in told and "--- user\n  text 0" in told


@pytest.mark.one_a_call
def test_dollars_and_seconds_are_bounds(tmp_path: Path) -> None:
    path = log(tmp_path)
    with serve(gold=GOLD, latency=0.02) as server:
        more: dict[str, Any] = {"model": "m", "base_url": server.base_url, "store": str(tmp_path / "s")}
        with pytest.raises(UserError, match="the price of m is not known"):
            rlm_dsl.run(PROGRAM, {"log": path}, budget={"usd": 1.0}, **more)
        with pytest.raises(UserError, match=r"the budget of \$0.0090"):  # a text has no longest, as a label has
            rlm_dsl.run(TEXTS, {"log": path}, budget={"usd": 0.009}, price=Price(1, 2), **more)
        most = 0.009 / Price(1, 2).of(0, 4096)
        assert server.calls <= 40 and server.calls >= most
        with pytest.raises(UserError, match=r"0\.05 seconds is used up"):
            rlm_dsl.run(PROGRAM, {"log": log(tmp_path, 400)}, budget={"seconds": 0.05}, concurrency=2, **more)
        assert rlm_dsl.run(PROGRAM, {"log": log(tmp_path)}, budget={"usd": 5.0}, price=Price(1, 2), **more).value == 20


@pytest.mark.one_a_call
def test_dollars_spent_are_never_over_the_limit(tmp_path: Path) -> None:
    with serve(gold=GOLD) as server:
        price = Price(1, 2)
        with pytest.raises(UserError, match="the budget of"):
            rlm_dsl.run(
                PROGRAM, {"log": log(tmp_path, 400)}, model="m", base_url=server.base_url, store=str(tmp_path / "s"),
                budget={"usd": 0.015}, price=price, concurrency=64,
            )  # fmt: skip
        stats = server.stats()["tokens"]
        assert price.of(stats["prompt"], stats["completion"]) <= 0.015


def test_known_prices_hold_for_dated_versions_and_nothing_else() -> None:
    assert known_price("gpt-5-mini-2025-08-07") == known_price("gpt-5-mini") != None  # noqa: E711
    assert known_price("gpt-5-mini-tuned") is None and known_price("qwen") is None
    settings = Settings(models={"sub": ModelChoice("qwen", price=Price(0, 0))}, prices={"gpt-5": Price(9, 9)})
    assert settings.price_of("qwen") == Price(0, 0) and settings.price_of("gpt-5") == Price(9, 9)
    assert Limits.read("calls=5,usd=1.50,seconds=2") == Limits(5, usd=1.5, seconds=2.0)


@pytest.mark.one_a_call
def test_too_many_failures_stop_a_step_before_the_money_is_gone(tmp_path: Path) -> None:
    with serve(gold=GOLD, rate_off_schema=0.6) as server:
        more: dict[str, Any] = {"model": "m", "base_url": server.base_url, "store": str(tmp_path / "s")}
        with pytest.raises(UserError, match="answers are not valid") as failure:
            rlm_dsl.run(PROGRAM, {"log": log(tmp_path, 400)}, concurrency=4, **more)
        assert server.calls < 200 and failure.value.exit_code == 3
        program = PROGRAM.replace('guide="Which?"', 'guide="Which?", on_error="null"')
        found = rlm_dsl.run(program, {"log": log(tmp_path, 60)}, max_failed=1.0, **more)
        asked_of = found.steps[0].asked
        assert asked_of is not None and asked_of["rows"] == 60 == sum(
            asked_of[status] for status in ("ok", "invalid", "refused", "error", "nothing_shown")
        )


class Clock:
    """Time that passes when it is slept."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def test_rates_of_a_minute_are_kept() -> None:
    clock = Clock()
    pace = Pace(8, clock, requests=10, tokens=500, sleep=clock.sleep)
    left: list[tuple[float, int]] = []

    async def one(tokens: int) -> None:
        async with pace.leave(tokens):
            left.append((clock.now, tokens))

    async def all_of(amounts: list[int]) -> None:
        for amount in amounts:
            await one(amount)

    asyncio.run(all_of([40] * 45))
    for at, _ in left:
        window = [tokens for when, tokens in left if at <= when < at + 60]
        assert len(window) <= 10 and sum(window) <= 500
    assert clock.now < 5 * 60


def test_the_pace_halves_when_the_server_is_strained_and_grows_again() -> None:
    clock = Clock()
    pace = Pace(64, clock)
    for _ in range(200):
        pace.well()
    wide = pace.width
    pace.slow(0.0, 2.0)
    pace.slow(0.0, 2.0)
    assert wide > 30 and pace.width == wide / 2 and pace.held_until == 2.0
    pace.heard({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"})
    assert pace.held_until == 60.0 and span("1s") == 1 and span("20ms") == 0.02 and span("soon") == 0


@pytest.mark.one_a_call
def test_a_server_that_takes_few_at_once_gets_few_and_loses_nothing(tmp_path: Path) -> None:
    with serve(gold=GOLD, latency=0.01, max_in_flight=4, retry_after=0.05) as server:
        found = rlm_dsl.run(
            PROGRAM, {"log": log(tmp_path, 200)}, model="m", base_url=server.base_url, concurrency=64,
            store=str(tmp_path / "s"),
        )  # fmt: skip
        assert found.value == 100
        refused = server.stats()["by_status"].get("429", 0)
        assert server.calls - refused == 200 and refused < 60


def test_rate_limit_headers_hold_requests_back(tmp_path: Path) -> None:
    with serve(gold=GOLD, requests_per_minute=30) as server:
        found = rlm_dsl.run(
            PROGRAM, {"log": log(tmp_path, 60)}, model="m", base_url=server.base_url, store=str(tmp_path / "s")
        )
        assert found.value == 30 and server.stats()["by_status"].get("429", 0) <= 40


def asks(path: Path, url: str, store: Path) -> None:
    print(rlm_dsl.run(PROGRAM, {"log": path}, model="m", base_url=url, store=str(store)).value)


@pytest.mark.one_a_call
def test_two_processes_ask_the_same_once(tmp_path: Path) -> None:
    with serve(gold=GOLD, latency=0.3) as server:
        given = (asks, log(tmp_path, 30), server.base_url, tmp_path / "s")
        with Process(tmp_path, *given) as one, Process(tmp_path, *given) as other:
            assert [process.ended().out for process in (one, other)] == ["15\n", "15\n"]
        assert server.calls == 30


def claims_and_dies(store: Path) -> None:
    assert Claims(store).taken("k")
    os._exit(9)


def test_a_claim_of_a_dead_process_holds_nobody_up(tmp_path: Path) -> None:
    with Process(tmp_path, claims_and_dies, tmp_path / "s") as process:
        assert process.ended().code == 9
    store = SqliteStore(tmp_path / "s")
    started = time.perf_counter()
    assert store.claims.taken("k") and time.perf_counter() - started < 1
    store.close()


def test_a_damaged_store_is_moved_aside_and_the_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    SqliteStore(path).close()
    held = bytearray(path.read_bytes())
    held[100:4000] = os.urandom(3900)
    path.write_bytes(held)
    for ending in ("-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)
    with serve(gold=GOLD) as server:
        found = rlm_dsl.run(PROGRAM, {"log": log(tmp_path)}, model="m", base_url=server.base_url, store=str(path))
    assert found.value == 20 and path.with_name("s.sqlite.damaged-1").exists()


def test_help_of_commands_that_ask_names_the_settings(tmp_path: Path) -> None:
    from rlm_dsl.cli.commands import group

    told = CliRunner().invoke(group, ["run", "--help"]).output
    assert all(option in told for option in ("--settings", "--budget", "--dry-run", "--confirm-over", "--max-failed"))


def test_names_of_one_model_are_one() -> None:
    for answered in ("gpt-4o", "openai/gpt-4o", "GPT-4o-latest", "azure/gpt-4o-2024-08-06", "gpt-4o:free", ""):
        assert not is_another("gpt-4o", answered)
    for answered in ("gpt-4o-mini", "gpt-4", "m.gguf"):
        assert is_another("gpt-4o", answered)
    assert not is_another("/models/Qwen2.5-0.5B.gguf", "qwen2.5-0.5b")


@pytest.mark.parametrize(
    ("answered", "another"),
    [
        ("gpt-4o", False),
        ("gpt-4o-2024-08-06", False),
        ("", False),
        ("gpt-4o-mini", True),
        ("models/SmolLM2-135M.gguf", True),
    ],
)
def test_the_price_of_a_model_is_not_that_of_another_that_answers_in_its_name(
    tmp_path: Path, answered: str, another: bool
) -> None:
    said = completion('{"label": "a"}')
    with ScriptedServer([replace(said, body={**said.body, "model": answered})]) as server:
        given = {"model": "gpt-4o", "base_url": server.base_url, "store": ":memory:"}
        program, rows = 'answer t | classify(on=x, ["a", "b"], into=label)', {"t": [{"x": "one"}]}
        found = rlm_dsl.run(program, rows, **given, trace=tmp_path / "t")
        in_view = [each["usd"] for each in spent_by_step(Trace.open(tmp_path / "t")).values()]
        assert in_view == [found.spent.usd], "a page tells the price that the run told"
        told = "\n".join(cost_lines(found))
        assert (found.spent.usd != known_price("gpt-4o").of(5, 5)) == another == (f"{answered} answered" in told)  # type: ignore[union-attr]
        assert (
            ("no price is told" in told) == ("tokens a second" in told) == (known_price(answered or "gpt-4o") is None)
        )
        if another:
            priced = rlm_dsl.run(program, rows, **given, price=Price(1, 1)).spent
            assert priced.usd is not None and not priced.others
