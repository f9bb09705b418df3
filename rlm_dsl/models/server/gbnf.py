"""A result's schema as a grammar without white space: in llama.cpp's own notation, and for LLGuidance.

In: a strict JSON Schema, of the kinds that the language's types have. Out: GBNF, llama.cpp's notation. Law: the grammar
takes exactly the compact JSON of the schema's values, each property once and in its order; there is no room in it for
white space, which small models write without end and which is paid for like words.

The first line is a comment with the schema, for whoever reads the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

BASIC: Mapping[str, str] = {
    "char": r'[^"\\\x7F\x00-\x1F] | [\\] (["\\bfnrt/] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F])',
    "string": r'"\"" char* "\""',
    "integer": r'"-"? ("0" | [1-9] [0-9]{0,17})',
    "number": r'integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,3})?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "date": r'"\"" [0-9] [0-9] [0-9] [0-9] "-" [0-1] [0-9] "-" [0-3] [0-9] "\""',
    "datetime": r'"\"" [0-9] [0-9] [0-9] [0-9] "-" [0-1] [0-9] "-" [0-3] [0-9] "T" [0-2] [0-9] ":" [0-5] [0-9]'
    r' ":" [0-5] [0-9] ("Z" | [-+] [0-1] [0-9] ":" [0-5] [0-9])? "\""',
}
"""Rules by name; those that a schema needs are written."""
NEEDS: Mapping[str, tuple[str, ...]] = {"string": ("char",), "number": ("integer",)}
FORMATS = {"date": "date", "date-time": "datetime"}
LARGEST = 10**18
MOMENT = r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](Z|[-+][01][0-9]:[0-5][0-9])?$"


CODES = re.compile(r"\^(?:\(\[0-9\]\+(?:.+) \)\{(\d+)\})?\[0-9\]\+(\[[a-z-]+\])(?:\{(\d)\})?\$")
"""The pattern of a pack's answer: so many numbered codes."""


def numbered(pattern: str) -> tuple[int, str] | None:
    """How many codes a pack's answer has, and one code in GBNF; None for a text that is no pack's."""
    found = CODES.fullmatch(pattern)
    if found is None:
        return None
    return int(found[1] or 0) + 1, " ".join([found[2]] * int(found[3] or 1))


def llguidance(schema: Mapping[str, Any]) -> str:
    """The same for llama.cpp with LLGuidance, which writes what is sure in the tokenizer's longest tokens."""
    told = {**exactly(schema), "x-guidance": {"whitespace_flexible": False}}
    return f"%llguidance {{}}\nstart: %json {json.dumps(told)}\n"


def exactly(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema that takes what the grammar does: whole numbers as long as there are, moments with a zone or without, a
    pack's codes by their numbers."""
    found = {name: exactly(inner) if name == "items" else inner for name, inner in schema.items()}
    if "anyOf" in schema:
        found["anyOf"] = [exactly(each) for each in schema["anyOf"]]
    if "properties" in schema:
        found["properties"] = {name: exactly(inner) for name, inner in schema["properties"].items()}
    if schema.get("format") == "date-time":  # whose zone may be left out here
        found = {"type": "string", "pattern": MOMENT}
    if schema.get("type") == "integer":
        found |= {"minimum": -LARGEST, "maximum": LARGEST}
    if (codes := numbered(schema.get("pattern", ""))) is not None:
        count, sign = codes
        found["pattern"] = f"^{' '.join(f'{number}{sign.replace(chr(32), str())}' for number in range(1, count + 1))}$"
    return found


def grammar(schema: Mapping[str, Any]) -> str:
    """The grammar of a schema. Raises KeyError for a schema of a kind that no type of the language has."""
    used: dict[str, None] = {}
    root = rule(schema, used)
    for name in list(used):
        used |= dict.fromkeys(NEEDS.get(name, ()))
    rules = [f"root ::= {root}", *(f"{name} ::= {BASIC[name]}" for name in used)]
    return "\n".join([f"# {json.dumps(schema, ensure_ascii=True)}", *rules]) + "\n"


def grammar_of_rest(schema: Mapping[str, Any], beginning: str, values: Sequence[Any]) -> str:
    """The grammar of an answer that was begun: how it goes on for each value of its one property."""
    name = next(iter(schema["properties"]))
    wholes = (json.dumps({name: value}, ensure_ascii=False, separators=(",", ":")) for value in values)
    rests = " | ".join(literal(whole.removeprefix(beginning)) for whole in wholes)
    return f"# {json.dumps(schema, ensure_ascii=True)}\nroot ::= {rests}\n"


def rule(schema: Mapping[str, Any], used: dict[str, None]) -> str:
    """The right side for one schema; `used` collects the basic rules that it names."""
    if "anyOf" in schema:
        return "(" + " | ".join(rule(each, used) for each in schema["anyOf"]) + ")"
    if "enum" in schema:
        return "(" + " | ".join(literal(json.dumps(value, ensure_ascii=False)) for value in schema["enum"]) + ")"
    match schema["type"]:
        case "object":
            members = [
                f"{literal(json.dumps(name, ensure_ascii=False) + ':')} {rule(inner, used)}"
                for name, inner in schema["properties"].items()
            ]
            inside = f" {literal(',')} ".join(members)
            return f"{literal('{')} {inside} {literal('}')}"
        case "array":
            item = rule(schema["items"], used)
            return f"{literal('[')} ({item} ({literal(',')} {item})*)? {literal(']')}"
        case "string" if (codes := numbered(schema.get("pattern", ""))) is not None:
            count, sign = codes
            each = f" {literal(' ')} ".join(f"{literal(str(number))} {sign}" for number in range(1, count + 1))
            return f"{literal(chr(34))} {each} {literal(chr(34))}"
        case kind:
            name = FORMATS.get(schema.get("format", ""), kind) if kind == "string" else kind
            used[name] = None
            BASIC[name]
            return str(name)


def literal(text: str) -> str:
    """A text as GBNF writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'
