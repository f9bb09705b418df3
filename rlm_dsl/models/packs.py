"""Several rows' requests as one, a pack, and its answer as theirs.

In: requests that differ in their last message alone. Out: one request, whose rows stand on numbered lines; of its
answer, the text that each row's own request would have been answered with. Law: an answer counts only if it has every
row once, in order and by its number; what a row's answer is then, follows from the pack alone, for whoever runs the
program and for whoever verifies it.

A result of one closed set (a label, yes or no) is answered in codes, `1b 2a 3b`: two or three tokens a row. Any other
result is a list of objects, each with its row's number. A text with line breaks is written as JSON, so that no row can
begin another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase
from typing import Any

from rlm_dsl.language.lenient_json import Unreadable
from rlm_dsl.language.said_json import said_values
from rlm_dsl.models.request import Answer, Message, Request, canonical_text

ROWS, ROW = "rows", "row"
SEVERAL = (
    "Here it holds several texts, each on a line after its number; one in quotes is JSON. Judge each by itself alone. "
)
CODED = "Answer with the number and code of every text, in order, as in: 1{b} 2{a}"
LISTED = "Answer for every text, in order, with its number as `row`."
CODE = re.compile(r"(\d+)\W*?([a-z]+)", re.IGNORECASE)
ODD = re.compile(r'[\x00-\x1f\x7f\x85\u2028\u2029]|^["\s\d]|\s$|^$')
"""Texts that a line cannot hold as they are: those with line breaks, and those that would run into the number."""
BREAKS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x7f\x85\u2028\u2029"}
"""What JSON leaves as it is and some take for the end of a line."""
SHARED: dict[int, tuple[object, Form]] = {}
MOST_SHARED = 64


@dataclass(frozen=True, slots=True)
class Form:
    """How answers of one schema are packed: in `codes` of the `values` of its one property, `name`; or, where there are
    no codes, as objects."""

    name: str
    values: tuple[Any, ...] = ()
    codes: tuple[str, ...] = ()

    def schema(self, single: Mapping[str, Any], rows: int) -> dict[str, Any]:
        """The schema of a pack's answer."""
        if self.codes:
            return closed({self.name: {"type": "string", "pattern": self.pattern(rows)}})
        item = closed({ROW: {"type": "integer"}, **single["properties"]})
        return closed({ROWS: {"type": "array", "items": item}})

    def pattern(self, rows: int) -> str:
        """Exactly so many codes."""
        one = f"[0-9]+{self.sign}"
        return f"^({one} ){{{rows - 1}}}{one}$" if rows > 1 else f"^{one}$"

    @property
    def sign(self) -> str:
        """A code as a pattern."""
        length = len(self.codes[0])
        return f"[{''.join(self.codes)}]" if length == 1 else f"[a-z]{{{length}}}"

    def head(self, said: str) -> str:
        """The single request's instruction, for several rows: a list of labels in it is told by their codes."""
        if not self.codes:
            return f"{said}\n{SEVERAL}{LISTED}"
        coded = CODED.format(b=self.codes[-1], a=self.codes[0])
        table = json.dumps(dict(zip(self.codes, self.values, strict=True)), ensure_ascii=False)
        if self.values == (True, False):
            return f"{said}\n{SEVERAL}Codes: y for true, n for false. {coded}"
        listed = json.dumps(list(self.values), ensure_ascii=False)
        if listed in said:
            return f"{said.replace(listed, table, 1)}\n{SEVERAL}{coded}"
        return f"{said}\n{SEVERAL}Codes: {table} {coded}"

    def answers(self, text: str, rows: int) -> list[str] | None:
        """The answer of each row, as the JSON that its own request asks for; None for an answer that does not count."""
        try:
            found = said_values(text, [self.name if self.codes else ROWS])
        except (Unreadable, RecursionError):
            found = []
        if len(found) > 1:
            return None  # drafts: none says that it counts
        said = found[0] if found else text if self.codes else None
        if isinstance(said, Mapping):
            said = said.get(self.name if self.codes else ROWS)
        return self.decoded(said, rows) if self.codes else listed(said, rows)

    def decoded(self, said: Any, rows: int) -> list[str] | None:
        """Codes as answers."""
        if isinstance(said, list):
            said = " ".join(map(str, said))
        if not isinstance(said, str) or CODE.sub("", said).strip(" \n,;"):
            return None
        pairs = CODE.findall(said)
        value_of = dict(zip(self.codes, self.values, strict=True))
        if [int(number) for number, _ in pairs] != list(range(1, rows + 1)):
            return None
        if any(code.lower() not in value_of for _, code in pairs):
            return None
        return [as_text({self.name: value_of[code.lower()]}) for _, code in pairs]


def listed(said: Any, rows: int) -> list[str] | None:
    """Objects as answers."""
    if not isinstance(said, list) or not all(isinstance(each, Mapping) for each in said):
        return None
    numbers = [each.get(ROW) for each in said]
    if numbers != list(range(1, rows + 1)) or any(isinstance(number, bool) for number in numbers):
        return None
    return [as_text({name: value for name, value in each.items() if name != ROW}) for each in said]


def as_text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def form_of(schema: Mapping[str, Any]) -> Form:
    """How answers of a single request's schema are packed."""
    held = SHARED.get(id(schema))
    if held is None or held[0] is not schema:
        if len(SHARED) >= MOST_SHARED:
            SHARED.clear()
        held = SHARED[id(schema)] = (schema, made_form(schema))
    return held[1]


def made_form(schema: Mapping[str, Any]) -> Form:
    (name, only), *more = schema["properties"].items()
    if not more and only.get("type") == "boolean":
        return Form(name, (True, False), ("y", "n"))
    if not more and len(values := tuple(only.get("enum", ()))) > 1:
        return Form(name, values, codes_for(len(values)))
    return Form(ROWS)


def codes_for(count: int) -> tuple[str, ...]:
    """So many codes of equal length."""
    length = 1 if count <= len(ascii_lowercase) else 2 if count <= len(ascii_lowercase) ** 2 else 3
    return tuple(letters(number, length) for number in range(count))


def letters(number: int, length: int) -> str:
    found = ""
    for _ in range(length):
        number, place = divmod(number, len(ascii_lowercase))
        found = ascii_lowercase[place] + found
    return found


def packable(request: Request) -> bool:
    """Whether a request can go with others: an instruction, a text, a typed answer."""
    return request.schema is not None and len(request.messages) == 2 and not request.explore and not request.rows


def asking(request: Request) -> str:
    """What requests must have in common to go together: everything but their texts."""
    settings = json.dumps(request.settings.as_json(), sort_keys=True)
    assert request.schema is not None
    return f"{settings}\n{request.messages[0].content}\n{canonical_text(request.schema)}\n{request.sample}"


def line(number: int, text: str) -> str:
    """A row as a pack shows it."""
    return f"{number} {json.dumps(text, ensure_ascii=False).translate(BREAKS) if ODD.search(text) else text}"


def pack_of(requests: Sequence[Request]) -> Request:
    """One request for rows that are asked the same. Its rows are named by the keys of their own requests."""
    shown = "\n".join(line(number, request.messages[-1].content) for number, request in enumerate(requests, 1))
    return replace(
        empty_pack(requests[0], len(requests)),
        messages=(Message("system", head_of(requests[0])), Message("user", shown)),
        rows=tuple(request.key for request in requests),
    )


def empty_pack(request: Request, rows: int) -> Request:
    """A pack of so many rows like this one, without their texts."""
    assert request.schema is not None
    schema = form_of(request.schema).schema(request.schema, rows)
    return replace(request, messages=(Message("system", head_of(request)),), schema=schema)


def head_of(request: Request) -> str:
    assert request.schema is not None
    return form_of(request.schema).head(request.messages[0].content)


def answers_of(pack: Request, single: Request, text: str) -> list[str] | None:
    """The answer of each of a pack's rows, of which `single` is one; None for an answer that does not count."""
    assert single.schema is not None
    return form_of(single.schema).answers(text, len(pack.rows))


def row_answers(pack: Request, answer: Answer, single: Request) -> list[tuple[str, Answer]]:
    """The answer of each of a pack's rows by its key, of which `single` is one; none where it does not count."""
    texts = answers_of(pack, single, answer.text) if answer.keepable else None
    taken = (Answer(text, model=answer.model, fingerprint=answer.fingerprint, pack=pack.key) for text in texts or ())
    return list(zip(pack.rows, taken, strict=texts is not None))


def pack_problem(pack: Request, row: Request) -> str:
    """What is wrong with a recorded pack, looked at from one of its rows; "" if it holds the row as it would today."""
    if row.key not in pack.rows:
        return "the pack does not name the row"
    shown = pack.messages[-1].content.split("\n")
    if len(shown) != len(pack.rows):
        return "the pack's lines are not its rows"
    place = pack.rows.index(row.key)
    if shown[place] != line(place + 1, row.messages[-1].content):
        return "the pack shows another text for the row"
    now = empty_pack(row, len(pack.rows))
    same = (now.settings, now.messages, now.schema, now.sample) == (
        pack.settings,
        pack.messages[:-1],
        pack.schema,
        pack.sample,
    )
    return "" if same else "the pack asks something else"
