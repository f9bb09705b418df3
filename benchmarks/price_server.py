"""The models that `price.py` plays: a root of equal wit for each explorer, and one sub-model that reads packs.

A server on loopback in a process of its own, with the labels of a world. It counts tokens by one measure for all (a
quarter of the bytes of messages and schemas). No answer of it is a model's. `errors` is the share of rows that are
labelled wrong when asked alone, and grows with the rows that go together; `slips` the share of lines in a pack that are
left out, or from which on the answers are shifted by one.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from price_roots import ROOTS, reply_of
from price_world import World, made_world, questions, read_world

from rlm_dsl.testing.answers import row_shown
from rlm_dsl.testing.packs import several
from rlm_dsl.testing.wire import text_of

NUMBERED = re.compile(r"^(\d+): (.*)$", re.MULTILINE)
PEERS_ASK = "Label each numbered line with one of: "
MAPPED = re.compile(r"^Text: (.*)$|^\[Text\]: «(.*)»$", re.MULTILINE)
"""The one row of a prompt of DocETL's, or of LOTUS'."""
CACHED = 1_024 // 4
"""Tokens from which on providers remember a prefix, here in fours."""


@dataclass
class Played:
    """What one server knows and counts: of root and rows apart, calls, tokens in and out, tokens in a known prefix."""

    world: World
    errors: float = 0.0
    slips: float = 0.0
    seed: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    prompts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.label_of = {one.text: one.label for one in self.world.lines}
        self.asked = questions(self.world)

    async def chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        text = "\n".join(text_of(message) for message in body["messages"])
        role, said = self.said(body, text)
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        tools = body.get("tools")
        given = tokens(text) + sum(tokens(json.dumps(each)) for each in (schema, tools) if each)
        counts = self.counts.setdefault(role, dict.fromkeys(("calls", "in", "out", "cached"), 0))
        counts["calls"] += 1
        counts["in"] += given
        counts["out"] += tokens(said)
        counts["cached"] += self.known_prefix(text)
        usage = {"prompt_tokens": given, "completion_tokens": tokens(said), "total_tokens": given + tokens(said)}
        message = called(tools[0]["function"]["name"], said) if tools else {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        held = {"id": "1", "object": "chat.completion", "created": 0, "model": "played"}
        return web.json_response({**held, "choices": [choice], "usage": usage})

    def known_prefix(self, text: str) -> int:
        """Tokens that a provider would have in its cache: the longest beginning that an earlier prompt had too."""
        longest = max((common(text, earlier) for earlier in self.prompts[-64:]), default=0)
        self.prompts.append(text)
        return longest // 4 if longest // 4 >= CACHED else 0

    def said(self, body: Mapping[str, Any], text: str) -> tuple[str, str]:
        if PEERS_ASK in text and not any(mark in text for mark in ROOTS):
            rows = NUMBERED.findall(text_of(body["messages"][-1]))
            labels = self.labels([row for _, row in rows])
            return "sub", "\n".join(f"{n}: {label}" for (n, _), label in zip(rows, labels, strict=True) if label)
        if "response_format" in body:
            return "sub", self.of_rows(body)
        if row := MAPPED.search(text_of(body["messages"][-1])):
            (label,) = self.labels([row[1] or row[2]])
            return "sub", json.dumps({"label": label}) if body.get("tools") else label
        question = next(one for one in self.asked if one.text in text)
        return "root", reply_of(question, self.world, body["messages"], text)

    def of_rows(self, body: Mapping[str, Any]) -> str:
        """Rows of ours, alone or in a pack."""
        schema = body["response_format"]["json_schema"]["schema"]
        told = text_of(body["messages"][0])
        pack = several(row_shown(body["messages"]), told, schema)
        if pack is None:
            (label,) = self.labels([row_shown(body["messages"])])
            return json.dumps({next(iter(schema["properties"])): label})
        labels = self.labels(pack.texts)
        code_of = {value: code for code, value in pack.codes.items()}
        (name,) = pack.schema["properties"]
        return json.dumps({name: " ".join(f"{n}{code_of[one]}" for n, one in enumerate(labels, 1) if one)})

    def labels(self, texts: Sequence[str]) -> list[str]:
        """A label for each text; "" for one that is left out."""
        draw = random.Random(f"{self.seed} {len(texts)} {texts[0]}")
        wrong = self.errors * (1 + len(texts) / 50)
        found = []
        for text in texts:
            label = self.label_of[text]
            if random.Random(f"{self.seed} {text} {len(texts) > 1}").random() < wrong:
                label = draw.choice([other for other in self.world.labels if other != label])
            found.append(label)
        if len(texts) > 1:
            for place in range(len(texts)):
                if draw.random() < self.slips:
                    if draw.random() < 0.5:
                        found[place] = ""
                    else:
                        found[place + 1 :] = found[place:-1]
        return found

    async def told(self, request: web.Request) -> web.Response:
        """What was counted since the last time."""
        counts, self.counts, self.prompts = self.counts, {}, []
        return web.json_response(counts)


def called(function: str, arguments: str) -> dict[str, Any]:
    """An answer by way of a tool."""
    call = {"id": "1", "type": "function", "function": {"name": function, "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


def common(one: str, other: str) -> int:
    length = min(len(one), len(other))
    low, high = 0, length
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def main() -> None:
    given = json.loads(sys.argv[1])
    world = read_world(Path(given["world"])) if given.get("world") else made_world(given["rows"], given["seed"])
    played = Played(world, given["errors"], given["slips"], given["seed"])
    app = web.Application(client_max_size=2**28)
    app.router.add_post("/v1/chat/completions", played.chat)
    app.router.add_get("/told", played.told)
    runner = web.AppRunner(app, access_log=None)

    async def start(app: Any) -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        print(f"http://{host}:{port}", flush=True)

    import asyncio

    async def serve() -> None:
        await start(app)
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
