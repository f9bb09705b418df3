"""Server personas: what one says in its own words and shape, and that one file is enough to add another."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from rlm_dsl.testing import personas, serve
from rlm_dsl.testing.endpoint import main
from rlm_dsl.testing.persona import Persona, persona_named, personas_by_name
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.server import Server
from rlm_dsl.testing.wire import FINGERPRINT, NAMESPACE, Json, Payload, Problem, encoded

GOLD = [{"text": "I lost my card", "topic": "cards"}]
SCHEMA = {"type": "object", "properties": {"topic": {"enum": ["cards", "loans"]}}, "required": ["topic"]}
FORM = {"type": "json_schema", "json_schema": {"name": "result", "schema": SCHEMA}}


def asking(**more: Any) -> dict[str, Any]:
    shown = [{"role": "system", "content": "Which topic?"}, {"role": "user", "content": "I lost my card"}]
    return {"model": "m", "messages": shown, "response_format": FORM, **more}


def sent(server: Server, body: Json | None = None, path: str = "/chat/completions") -> tuple[int, str]:
    """Status and text of a reply; a GET where there is no body."""

    async def send() -> tuple[int, str]:
        how = "GET" if body is None else "POST"
        async with aiohttp.ClientSession() as session, session.request(how, server.base_url + path, json=body) as got:
            return got.status, await got.text()

    return asyncio.run(send())


def no_seed(body: Json) -> Iterator[Problem]:
    if "seed" in body:
        yield Problem(422, "seed: extra fields not permitted", param="seed")


def as_list(problem: Problem) -> Payload:
    return Payload(problem.status, encoded([{"why": problem.message, "field": problem.param}]))


def unknown_name(name: str, more: str) -> Problem:
    return Problem(400, f"Unknown name {name}{more}", param=name)


def overlong(window: int, asked: int) -> Problem:
    return Problem(413, f"{asked} > {window}")


def stamped(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "provider": "mine"}


MINE = Persona("mine", no_seed, unknown_name, overlong, as_list, stamped, stamped)


def test_a_persona_has_its_own_words_errors_and_shape() -> None:
    with serve(gold=GOLD, persona=MINE, no_tools=True, context_window=40) as server:
        status, text = sent(server, asking())
        assert status == 200 and json.loads(text)["provider"] == "mine" and '\\"cards\\"' in text
        events = sent(server, asking(stream=True))[1].split("\n\n")
        assert all('"provider":"mine"' in event for event in events[:-2]) and events[-2] == "data: [DONE]"
        assert sent(server, asking(seed=1)) == (422, '[{"why":"seed: extra fields not permitted","field":"seed"}]')
        assert sent(server, asking(tools=[{}])) == (400, '[{"why":"Unknown name tools","field":"tools"}]')
        assert sent(server, asking(messages=[{"role": "user", "content": "x" * 400}]))[0] == 413
        assert sent(server, {})[1].startswith('[{"why":"You must provide a model')
        for path in ("/nowhere", "/models/none", "/batches/none"):
            status, text = sent(server, path=path)
            assert status == 404 and isinstance(json.loads(text), list)


def objects(text: str) -> list[Any]:
    """The JSON of a reply, or of each event of a stream."""
    if not text.startswith("data: "):
        return [json.loads(text)]
    events = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: {")]
    return [json.loads(event) for event in events]


def says(told: Any) -> bool:
    """Whether an object holds something that a model could have said."""
    choices = told.get("choices") or () if isinstance(told, dict) else ()
    said = [choice.get("message") or choice.get("delta") or {} for choice in choices]
    return any(each.get("content") or each.get("reasoning_content") or each.get("tool_calls") for each in said)


@pytest.mark.parametrize("name", personas_by_name())
def test_no_persona_is_taken_for_a_model(name: str) -> None:
    """Whatever a persona refuses or fails to answer: each object that says something says that no model said it."""
    talk = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    with serve(script=["Hello, you"], persona=name) as server:
        for more in ({}, {"stream": True}):
            replies = [sent(server, talk | more, "/chat/completions?api-version=1")[1] for _ in range(5)]
            said = [told for text in replies for told in objects(text) if says(told)]
            assert said and {told["model"] for told in said} == {f"{NAMESPACE}/script"}
            assert {told["system_fingerprint"] for told in said} == {FINGERPRINT}


def test_a_file_in_the_folder_is_a_persona(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shy.py").write_text(
        "from dataclasses import replace\n"
        "from rlm_dsl.testing.personas.openai import OPENAI\n"
        "SHY = replace(OPENAI, name='shy', completion=lambda told: {**told, 'object': 'shy'})\n"
    )
    monkeypatch.setattr(personas, "__path__", [*personas.__path__, str(tmp_path)])
    personas_by_name.cache_clear()
    try:
        assert set(personas_by_name()) >= {"openai", "shy"} and persona_named("openai") is OPENAI
        with serve(gold=GOLD, persona="shy") as server:
            assert json.loads(sent(server, asking())[1])["object"] == "shy"
    finally:
        personas_by_name.cache_clear()
        sys.modules.pop("rlm_dsl.testing.personas.shy", None)


def test_openai_is_what_is_not_said() -> None:
    with serve(gold=GOLD) as one, serve(gold=GOLD, persona="openai") as other:
        assert sent(one, asking()) == sent(other, asking())
        assert sent(one, asking(n=2)) == sent(other, asking(n=2))


def test_a_name_that_no_persona_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no persona is called 'none'; there are .*openai"):
        serve(persona="none")
    refused = CliRunner().invoke(main, ["--port", "0", "--as", "none"])
    assert refused.exit_code == 2 and "'openai'" in refused.stderr
