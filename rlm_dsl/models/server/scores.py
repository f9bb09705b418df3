"""How probable a model held each value of a closed set, read from the probabilities of a reply's tokens.

In: a reply's choice with `logprobs`, the schema of its answer. Out: a score for each of the schema's values in order:
the natural logarithm of its probability among them, in thousandths. Law: a function of the reply and the schema; what
the server listed of other tokens counts for no value.

The answer is JSON of one property, `{"label":"refund"}`. Where its value begins, each listed token counts for the
values that it can begin; where it can begin several, the tokens after it tell them apart on the way that the answer
took, and on other ways they count alike. A value that no listed token begins has the least probability listed, or its
share of what those leave.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlm_dsl.models.request import Answer, Request

SEEN = 20
"""How many tokens are asked for at each place: the most that servers take."""
ASKED: Mapping[str, Any] = {"logprobs": True, "top_logprobs": SEEN}
UNIT = 1_000
LEAST = -60.0
"""The logarithm of the least probability that is told apart from none."""


def closed_values(schema: Mapping[str, Any] | None) -> tuple[str, tuple[Any, ...]] | None:
    """The one property of a schema, and its values in order; None for a schema that has more, or other values."""
    properties = (schema or {}).get("properties", {})
    if len(properties) != 1:
        return None
    ((name, only),) = properties.items()
    if only.get("type") == "boolean":
        return name, (True, False)
    values = tuple(only.get("enum", ()))
    return (name, values) if len(values) > 1 else None


def begun(request: Request) -> str:
    """How the answer of a request that asks for probabilities begins, up to where its values differ; "" for others."""
    found = closed_values(request.schema) if request.settings.parameters.get("logprobs") else None
    if found is None:
        return ""
    name, values = found
    quote = '"' if all(isinstance(value, str) for value in values) else ""
    return f"{{{json.dumps(name, ensure_ascii=False)}:{quote}"


def taken_scores(value: Any, schema: Mapping[str, Any] | None) -> tuple[Any, tuple[int, ...]]:
    """A reply's value without what it tells of its tokens, and the scores read from that."""
    choices = value.get("choices") if isinstance(value, Mapping) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        return value, ()
    if not choices[0].get("logprobs"):
        return value, ()
    kept = {name: each for name, each in choices[0].items() if name != "logprobs"}
    return {**value, "choices": [kept, *choices[1:]]}, scores_of(choices[0], schema)


def whole_answer(answer: Answer, scores: tuple[int, ...], body: Mapping[str, Any]) -> Answer:
    """An answer with its scores, and with the beginning that was sent for it where its server leaves that out."""
    last = body["messages"][-1]
    beginning = last["content"] if last["role"] == "assistant" else ""
    rest = answer.text.lstrip()
    text = f"{beginning}{answer.text}" if beginning and rest and not rest.startswith("{") else answer.text
    return replace(answer, text=text, scores=scores)


@dataclass(frozen=True, slots=True)
class Place:
    """One token of a reply: its text, and those listed in its stead with the logarithms of their probabilities."""

    text: str
    listed: Mapping[str, float]


def scores_of(choice: Mapping[str, Any], schema: Mapping[str, Any] | None) -> tuple[int, ...]:
    """The scores of a reply; none where it does not tell them."""
    found = closed_values(schema)
    if found is None or not choice.get("logprobs"):
        return ()
    name, values = found
    try:
        places = places_of(choice["logprobs"])
    except (KeyError, TypeError, AttributeError, ValueError):
        return ()
    said = "".join(place.text for place in places)
    targets = [json.dumps(value, ensure_ascii=False) + "}" for value in values]
    start = re.search(rf"{re.escape(json.dumps(name, ensure_ascii=False))}\s*:\s*", said)
    at = start.end() if start else 0
    if start is None and all(isinstance(value, str) for value in values) and not said.startswith('"'):
        targets = [target[1:] for target in targets]  # the answer was begun for it
    number, passed = 0, 0
    while number < len(places) and passed + len(places[number].text) <= at:
        passed += len(places[number].text)
        number += 1
    if number == len(places):
        return ()
    shares = spread(places[number:], said[passed:at], "", dict(enumerate(targets)))
    if not any(shares.values()):
        return ()
    total = sum(shares.values())
    told = (shares[at] / total for at in range(len(values)))
    return tuple(round(UNIT * (max(LEAST, math.log(share)) if share else LEAST)) for share in told)


def spread(places: Sequence[Place], before: str, path: str, targets: Mapping[int, str]) -> dict[int, float]:
    """The probability of each target, by its number, from here on: `path` was said of it already, and `before` is
    what the first token holds beside it."""
    found = dict.fromkeys(targets, 0.0)
    if not places:
        return {number: 1 / len(targets) for number in targets}
    here = places[0]
    for text, logarithm in here.listed.items():
        if not text.startswith(before) or len(text) == len(before):
            continue
        said = path + text[len(before) :]
        some = {n: t for n, t in targets.items() if t.startswith(said) or said.rstrip().startswith(t)}
        if not some:
            continue
        inside = {n: 1 / len(some) for n in some}
        if len(some) > 1 and text == here.text:
            further = spread(places[1:], "", said, some)
            total = sum(further.values())
            inside = {n: share / total for n, share in further.items()} if total else inside
        for n, share in inside.items():
            found[n] += math.exp(logarithm) * share
    missing = [n for n, share in found.items() if not share]
    if missing and len(missing) < len(found):
        listed = [math.exp(logarithm) for logarithm in here.listed.values()]
        bound = min(min(listed), max(0.0, 1 - sum(listed)) / len(missing))
        found |= dict.fromkeys(missing, bound)
    return found


def places_of(told: Mapping[str, Any]) -> list[Place]:
    """A reply's tokens, in OpenAI's form of chats or its older one. Raises KeyError and the like for others."""
    if isinstance(content := told.get("content"), list):
        return [
            Place(
                each["token"],
                {
                    **{other["token"]: finite(other["logprob"]) for other in each.get("top_logprobs") or ()},
                    each["token"]: finite(each["logprob"]),
                },
            )
            for each in content
            if each["token"]
        ]
    listed = told.get("top_logprobs") or [{}] * len(told["tokens"])
    return [
        Place(token, {**{other: finite(value) for other, value in (more or {}).items()}, token: finite(own)})
        for token, own, more in zip(told["tokens"], told["token_logprobs"], listed, strict=True)
        if token
    ]


def finite(value: float) -> float:
    """A logarithm of a probability, as servers write those of what cannot be too (-9999, -inf)."""
    return max(LEAST, min(0.0, float(value)))
