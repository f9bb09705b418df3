"""A grammar's rules as text: Lark's notation, and EBNF for servers that know no other.

In: rules by name, and the terminals of `grammar/reply.lark`. Out: the whole grammar in either notation. Law: both take
the same texts.

A body is written in Lark's notation, of which it uses names, literals in double quotes, groups, choices, `?` and
`{from,to}`, as LLGuidance has it, which reads Lark's grammars for most servers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache

from rlm_dsl.language.syntax.grammar import grammar_file

PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|/(?:[^/\\\[]|\\.|\[(?:[^\]\\]|\\.)*\])+/|\{\d+,\d+\}|[A-Za-z_]\w*|[()|?]')
NAME = re.compile(r"[a-z_]\w*")
IN_REGEX = re.compile(r"\[(?:[^\]\\]|\\.)*\]|\\.|\{\d+(?:,\d+)?\}|[()|?]|.", re.DOTALL)


Rules = dict[str, str]
"""Bodies by the names of their rules."""
HERE = "@"
"""Stands in a template for the name of the scope that it is written for."""


def lark(rules: Rules) -> str:
    """The grammar in Lark's notation: what the start leads to, each rule once."""
    seen, ahead = {"start"}, ["start"]
    while ahead:
        for name in names_in(rules[ahead.pop()]):
            if name in rules and name not in seen:
                seen.add(name)
                ahead.append(name)
    order = ["start", *(name for name in rules if name in seen and name != "start")]
    return "\n".join([*(f"{name}: {rules[name]}" for name in order), "", *terminal_lines()]) + "\n"


@lru_cache(maxsize=20_000)
def names_in(body: str) -> frozenset[str]:
    """The names of rules that a body may lead to."""
    return frozenset(NAME.findall(body))


def written(template: Rules, scope: str) -> Rules:
    """A template's rules for one scope."""
    return {name.replace(HERE, scope): body.replace(HERE, scope) for name, body in template.items()}


def body(alternatives: Iterable[str]) -> str:
    """The body that takes each of these, once; "" where there are none."""
    return " | ".join(dict.fromkeys(filter(None, alternatives)))


def literal(text: str) -> str:
    """A text as the notations write it."""
    return json.dumps(text, ensure_ascii=False)


def choice(*alternatives: str) -> str:
    """One of several, as a part of a body."""
    found = list(dict.fromkeys(filter(None, alternatives)))
    return "".join(found) if len(found) < 2 else f"({' | '.join(found)})"


@cache
def terminal_lines() -> tuple[str, ...]:
    """The terminals as they stand in the file, without its comments."""
    lines = grammar_file("reply.lark").splitlines()
    return tuple(line for line in lines if line and not line.startswith("//"))


def ebnf(lark: str) -> str:
    """A grammar of ours in EBNF as xgrammar and llama.cpp have it: rules in small letters, `root` the first. Its first
    line says what it leaves out."""
    lines = dict(definition(line) for line in lark.splitlines() if line)
    rules = (f"{rule_name(name)} ::= {ebnf_body(body)}" for name, body in (lines | IN_EBNF).items())
    return "\n".join([LEFT_OUT, *rules]) + "\n"


IN_EBNF = {"PIPE": '/ {0,2}/ "|" BLANK?'}
"""Terminals that are others in EBNF."""
LEFT_OUT = (
    "# left out: a line that begins with `|`; where texts are read sign by sign, its end would be a statement's too"
)


def definition(line: str) -> tuple[str, str]:
    name, _, body = line.partition(": ")
    return name, body


def rule_name(name: str) -> str:
    """A rule's name where there are no underscores and no terminals apart."""
    if name == "start":
        return "root"
    return f"t-{name.lower()}".replace("_", "-") if name[0].isupper() else name.replace("_", "-")


def ebnf_body(body: str) -> str:
    pieces: list[str] = []
    for piece in PIECE.findall(body):
        if piece.startswith("/"):
            pieces.append(f"({' '.join(ebnf_regex(piece[1:-1]))})")
        elif piece == "?" or piece.startswith("{"):
            pieces[-1] += piece
        else:
            pieces.append(rule_name(piece) if piece[0].isalpha() or piece[0] == "_" else piece)
    return " ".join(pieces)


def ebnf_regex(pattern: str) -> Iterator[str]:
    """A regular expression's parts as EBNF has them."""
    held = ""
    for part in IN_REGEX.findall(pattern):
        if part in ("?",) or part.startswith("{"):
            held += part if "," in part or part == "?" else f"{{{part[1:-1]},{part[1:-1]}}}"
            continue
        if held:
            yield held
        held = part if part in ("(", ")", "|") or part.startswith("[") else literal({"\\n": "\n"}.get(part, part[-1]))
    if held:
        yield held
