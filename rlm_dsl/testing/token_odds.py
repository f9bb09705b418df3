"""Probabilities of tokens beside an answer from a closed set, as servers tell them where `logprobs` are asked for.

In: a reply, its request, the seed. Out: a choice's `logprobs` in OpenAI's form, or None. Law: a function of the row and
the seed: the value said is the most probable one; one that is wrong on purpose is less sure on the average.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlm_dsl.testing import seeded
from rlm_dsl.testing.answers import Answering, result_schema, row_shown
from rlm_dsl.testing.gold import is_wrong
from rlm_dsl.testing.schemas import allowed_values, kinds, properties
from rlm_dsl.testing.wire import Json, Reply

TOKEN = re.compile(r"\w{1,3}|[^\w]")
"""Words are cut into tokens of three characters, so that labels may begin alike."""
OTHER = ("The", 0.002)
"""A token that begins no value, with its share."""


def token_odds(reply: Reply, body: Json, known: Answering) -> dict[str, Any] | None:
    """None for a request that asks for none, and for an answer that is of no closed set."""
    schema = result_schema(body) if body.get("logprobs") else None
    parts = properties(schema) if schema else {}
    if len(parts) != 1 or not reply.content:
        return None
    ((name, part),) = parts.items()
    values = allowed_values(part) or ([True, False] if "boolean" in kinds(part) else [])
    try:
        said = json.loads(reply.content)[name]
    except (ValueError, KeyError, TypeError):
        return None
    if said not in values or len(values) < 2:
        return None
    row = row_shown(body["messages"])
    wrong = is_wrong(known.seed, row, name, known.error_rate)
    sure = 0.5 + seeded.fraction("sure", known.seed, row) * (0.2 if wrong else 0.49)
    shares = {written(value): sure if value == said else (1 - sure) / (len(values) - 1) for value in values}
    most = int(body.get("top_logprobs") or 0)
    return {"content": [*places(reply.content, written(said), shares, most)]}


def written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def places(content: str, said: str, shares: Mapping[str, float], most: int) -> Iterator[dict[str, Any]]:
    """Each token of the content, with what might have stood in its stead."""
    start = content.index(said, content.index(":"))
    at = 0
    for token in TOKEN.findall(content):
        inside = start <= at < start + len(said)
        odds = following(said[: at - start], shares) if inside else {token: 1.0}
        at += len(token)
        listed = sorted({**odds, OTHER[0]: OTHER[1]}.items(), key=lambda each: (-each[1], each[0]))
        yield told(token, odds.get(token, 0.5), listed[:most])


def following(path: str, shares: Mapping[str, float]) -> dict[str, float]:
    """The tokens that may follow what was said of a value, with their shares."""
    on_the_way = {value: share for value, share in shares.items() if value.startswith(path) and value != path}
    found: dict[str, float] = {}
    for value, share in on_the_way.items():
        token = TOKEN.findall(value[len(path) :])[0]
        found[token] = found.get(token, 0.0) + share / sum(on_the_way.values())
    return found


def told(token: str, share: float, listed: Sequence[tuple[str, float]]) -> dict[str, Any]:
    others = [{"token": other, "logprob": round(math.log(odds), 6), "bytes": None} for other, odds in listed]
    return {"token": token, "logprob": round(math.log(share), 6), "bytes": None, "top_logprobs": others}
