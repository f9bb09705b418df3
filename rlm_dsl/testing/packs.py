"""Several rows in one request, as a model reads them: numbered lines, answered in codes or as a list.

In: the messages of a request and its result schema. Out: the rows, what each alone would be asked for, and one answer
made of theirs, with a model's lapses on request. Law: it is read from what the request says, as a model does; a request
for one row is none of these. The same rows and seed give the same lapses, whenever they come.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.hashing import identity
from rlm_dsl.testing import seeded
from rlm_dsl.testing.schemas import Schema

LINE = re.compile(r"(\d+) (.*)")
TABLE = re.compile(r'\{"a+": ')
TRUTH = "Codes: y for true, n for false."
SAID = "each on a line after its number"


@dataclass(frozen=True, slots=True)
class Lapses:
    """How a model loses its place among several rows: the share of lines that it leaves out, the share from which on it
    answers for the next line, and how many rows at most it keeps apart; with more, each gets the next one's answer."""

    skip: float = 0.0
    shift: float = 0.0
    most: int | None = None
    seed: int = 0

    def said(self, values: Sequence[Any], texts: Sequence[str]) -> list[tuple[int, Any]]:
        """The answers as they are said, each with the number it is said to be of."""
        count, about = len(values), identity("rlm_dsl.testing/pack", list(texts)) if self.skip or self.shift else ""
        ahead = 1 if self.most is not None and count > self.most else 0
        found = []
        for number in range(1, count + 1):
            ahead += seeded.fraction("shift", self.seed, about, number) < self.shift if self.shift else 0
            if not self.skip or seeded.fraction("skip", self.seed, about, number) >= self.skip:
                found.append((number, values[min(number - 1 + ahead, count - 1)]))
        return found


STEADY = Lapses()


@dataclass(frozen=True, slots=True)
class Several:
    """The texts of several rows, the schema of one row's answer, and the codes of its values; none for a list."""

    texts: tuple[str, ...]
    schema: Schema
    codes: Mapping[str, Any]

    def answer(self, contents: Sequence[str], lapses: Lapses = STEADY) -> str:
        """One answer of those of the rows."""
        values = lapses.said([json.loads(content) for content in contents], self.texts)
        if not self.codes:
            rows = [{"row": number, **value} for number, value in values]
            return json.dumps({"rows": rows}, ensure_ascii=False, separators=(",", ":"))
        (name,) = self.schema["properties"]
        code_of = {json.dumps(value): code for code, value in self.codes.items()}
        said = [f"{n}{code_of[json.dumps(value[name])]}" for n, value in values]
        return json.dumps({name: " ".join(said)}, ensure_ascii=False, separators=(",", ":"))


def several(shown: str, told: str, schema: Schema) -> Several | None:
    """The rows of a request that holds several; None for a row alone. `told` is what the system says."""
    parts = schema.get("properties", {})
    if SAID not in told or len(parts) != 1:
        return None
    texts = tuple(texts_of(shown))
    (name, part), *_ = parts.items()
    if part.get("type") == "array":
        item = part["items"]
        own = {key: value for key, value in item["properties"].items() if key != "row"}
        return Several(texts, {**item, "properties": own, "required": list(own)}, {})
    codes = codes_in(told)
    values = list(codes.values())
    one: Schema = {"type": "boolean"} if values == [True, False] else {"type": "string", "enum": values}
    return Several(texts, {"type": "object", "properties": {name: one}, "required": [name]}, codes)


def texts_of(shown: str) -> list[str]:
    found = []
    for each in shown.split("\n"):
        if (line := LINE.fullmatch(each)) is not None:
            text = line[2]
            found.append(json.loads(text) if text.startswith('"') else text)
    return found


def codes_in(told: str) -> dict[str, Any]:
    if TRUTH in told:
        return {"y": True, "n": False}
    found = TABLE.search(told)
    codes: dict[str, Any] = json.JSONDecoder().raw_decode(told, found.start())[0] if found else {}
    return codes
