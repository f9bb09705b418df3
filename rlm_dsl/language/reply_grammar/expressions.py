"""Expressions over a scope, by kind and depth.

In: a scope's names by kind. Out: rules for its texts, numbers, conditions, moments and lists, as a template. Law: a
rule leads to rules of a smaller depth alone, so that no expression is deeper than was said; functions stand where their
signatures put them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from rlm_dsl.language.check.function_rules import NORMAL_FORMS
from rlm_dsl.language.operators.core.function import Function, Input
from rlm_dsl.language.operators.core.registry import functions
from rlm_dsl.language.operators.functions.calendar import UNITS
from rlm_dsl.language.reply_grammar.notation import HERE, Rules, body, choice, literal
from rlm_dsl.language.reply_grammar.vocabulary import KINDS

ARGUMENTS: Mapping[str, str] = {
    "text": "t", "int": "i", "float": "n", "number": "n", "bool": "b", "date": "m", "moment": "m", "timestamp": "m",
    "list": "l", "scalar": "tnbm", "countable": "tnb", "any": "tnbml", "sized": "tl",
    "pattern": "(PATTERN | PLAIN_PATTERN)", "fixed": "TEXT",
}  # fmt: skip
"""The kinds that a function's parameter takes, or what is written out for it."""
FIXED: Mapping[tuple[str, str], str] = {
    ("date_trunc", "unit"): choice(*(literal(literal(unit)) for unit in UNITS)),
    ("normalize", "form"): choice(*(literal(literal(form)) for form in NORMAL_FORMS)),
    ("format_date", "format"): "DATE_FORM",
    ("to_date", "format"): "READ_FORM",
    ("to_timestamp", "format"): "READ_FORM",
    ("json", "path"): "JSON_PATH",
    ("regex_extract", "group"): "INT",
    ("regex_replace", "new"): "REPLACEMENT",
}
"""What is written out where a function takes nothing but such a text or number."""
TEMPLATES = ("TEMPLATE1", "TEMPLATE2", "TEMPLATE3")
"""Texts with so many places for values."""
RESULTS: Mapping[str, str] = {
    "text": "t", "int": "w", "float": "n", "number": "n", "decimal": "n", "bool": "b", "date": "m", "timestamp": "m",
    "moment": "m", "list[text]": "l", "any": "t",
}  # fmt: skip
"""The kind of a function's result; w for a whole number, which is a number too. An element of a list is a text, but
for those of columns that hold numbers: what else a list holds, no kind says."""
OF_ANY = ("coalesce", "if", "least", "greatest")
"""Functions whose result has their arguments' kind."""
LITERALS: Mapping[str, str] = {
    "t": "TEXT", "n": "NUMBER", "b": '"true" | "false"', "m": "DAY",
    "l": "LIST TEXT (COMMA TEXT){0,24} END_LIST", "i": "INT",
}  # fmt: skip
LISTED = 24
REST = 8
"""Arguments at most where a function takes any number."""


@dataclass(frozen=True, slots=True)
class Expressions:
    """The names of a scope's rules at some depth."""

    scope: str
    level: int

    def __getitem__(self, kinds: str) -> str:
        """The rule of expressions of any of these kinds."""
        return f"{self.scope}_{SETS.get(kinds, kinds)}{self.level}"


SETS: Mapping[str, str] = {"tnbml": "any", "tnbm": "s", "tnb": "c", "tl": "z", "nm": "d", "tnm": "r"}
"""Kinds that are wanted together, by what their rule is called."""


def atoms(scope: str, names: Mapping[str, Iterable[str]], others: str) -> Rules:
    """What has no parts: names by kind, `others` that may be of any, and literals."""
    rules = {f"{scope}_{kind}0": body([*names.get(kind, ()), LITERALS[kind], others]) for kind in LITERALS}
    rules[f"{scope}_u0"] = body([*names.get("u", ()), others])
    if numbers := choice(*names.get("u", ())):
        rules[f"{scope}_n0"] += f' | "item" OPEN {numbers} COMMA "-"? INT CLOSE'
    return rules | united(scope, 0) | {f"{scope}_other": others}


def united(scope: str, level: int) -> Rules:
    """The rules of kinds that are wanted together."""
    more = {"tnbml": '"null"'}
    return {
        f"{scope}_{name}{level}": body([*(f"{scope}_{kind}{level}" for kind in kinds), more.get(kinds, "")])
        for kinds, name in SETS.items()
    }


@cache
def expressions(depth: int) -> Rules:
    """A template: the rules of a scope's expressions down to a depth, over its atoms."""
    rules: Rules = {}
    for level in range(1, depth + 1):
        rules |= deeper(HERE, Expressions(HERE, level - 1), level) | united(HERE, level)
    return rules


def deeper(scope: str, inner: Expressions, level: int) -> Rules:
    """Expressions whose parts are those of `inner`."""
    names = {name: f"{scope}_{name}" for name in ("t0", "n0", "b0", "m0", "l0", "i0", "u0", "other")}
    own = Expressions(scope, level)
    calls = {kind: list(function_calls(kind, inner)) for kind in (*KINDS, "w", "i")}
    ordered = [own[kind] for kind in "tnm"]
    members = {"t": own["l"], "n": names["u0"], "m": names["other"]}
    group = f"OPEN {inner['b']} END_GROUP"
    tests = [
        names["b0"],
        *(f"{each} COMPARE {each}" for each in (*ordered, choice(names["b0"], group))),
        *(f"{each} BETWEEN {each} AND {each}" for each in ordered),
        *(f"{own[kind]} (IN | NOT_IN) {choice(own[f'l{kind}'], more)}" for kind, more in members.items()),
        f"{own['t']} MATCHES {choice('PATTERN', 'PLAIN_PATTERN', names['other'])}",
        f"{choice(*ordered, inner['l'])} IS_NULL",
        group,
        *calls["b"],
    ]
    lists = {own[f"l{kind}"]: f"LIST {inner[kind]} (COMMA {inner[kind]}){{0,{LISTED}}} END_LIST" for kind in "tnm"}
    return lists | {
        own["t"]: body([names["t0"], *calls["t"]]),
        own["m"]: body([names["m0"], *calls["m"]]),
        own["l"]: body([names["l0"], own["lt"], *calls["l"]]),
        own["w"]: body(calls["w"]),
        own["j"]: body([names["i0"], own["w"], f"OPEN {inner['i']} END_GROUP", *calls["i"]]),
        own["i"]: f'"-"? {own["j"]} ((PLUS | MINUS | WHOLE_TIMES) {own["j"]}){{0,2}}',
        own["o"]: body([names["n0"], own["w"], f"OPEN {inner['n']} END_GROUP", *calls["n"]]),
        own["f"]: f"{own['o']} (TIMES {own['o']}){{0,3}}",
        own["n"]: f'"-"? {own["f"]} ((PLUS | MINUS) {own["f"]}){{0,4}}',
        own["p"]: body(tests),
        own["q"]: f"NOT? {own['p']} (AND NOT? {own['p']}){{0,5}}",
        own["b"]: f"{own['q']} (OR {own['q']}){{0,5}}",
    }


def function_calls(kind: str, inner: Expressions) -> Iterator[str]:
    """The calls of functions that give a kind, those with arguments alike together."""
    for shape, names in shapes(kind).items():
        yield f"{function_rule(names)} OPEN {arguments(shape, inner)} CLOSE"


def function_rule(names: tuple[str, ...]) -> str:
    return literal(names[0]) if len(names) == 1 else "f_" + "_".join(names)


@cache
def function_rules() -> Rules:
    """The names of functions with arguments alike."""
    together = {names for kind in (*KINDS, "w", "i") for names in shapes(kind).values() if len(names) > 1}
    return {function_rule(names): body(map(literal, names)) for names in sorted(together)}


Shape = tuple[tuple[str, int, int], ...]
"""Of each parameter the kinds that it takes, and how often it stands at least and at most."""


@cache
def shapes(kind: str) -> Mapping[Shape, tuple[str, ...]]:
    """The functions that give a kind, by the shape of their arguments."""
    found: dict[Shape, tuple[str, ...]] = {}
    for function in functions().values():
        for shape in [] if function.symbol else shapes_of(function, kind):
            found[shape] = (*found.get(shape, ()), function.name)
    return found


def shapes_of(function: Function, kind: str) -> Iterator[Shape]:
    result = function.result.rstrip("?")
    if function.name in OF_ANY:
        first = (("b", 1, 1),) if function.name == "if" else ()
        if kind != "w":
            yield (*first, *(((kind, 1, 1),) * 2 if first else ((kind, 2, REST),)))
    elif RESULTS[result] == kind and function.inputs[-1].rest and function.inputs[0].kind == "fixed":
        of = ARGUMENTS[function.inputs[-1].kind]
        yield from (((template, 1, 1), (of, at, at)) for at, template in enumerate(TEMPLATES, 1))
    elif RESULTS[result] == kind:
        yield tuple(parameter(function, each) for each in function.inputs)


def parameter(function: Function, given: Input) -> tuple[str, int, int]:
    kinds = FIXED.get((function.name, given.name), ARGUMENTS[given.kind])
    return kinds, 0 if given.default is not ... else 1, REST if given.rest else 1


def arguments(shape: Shape, inner: Expressions) -> str:
    """The arguments of a function, in their places."""
    parts: list[str] = []
    for at, (kinds, least, most) in enumerate(shape):
        each = inner[kinds] if kinds.isalpha() and kinds.islower() else kinds
        if at:
            parts.append(f"COMMA {each}" if (least, most) == (1, 1) else f"(COMMA {each}){{{least},{most}}}")
        else:
            parts.append(each + (f" (COMMA {each}){{{least - 1},{most - 1}}}" if most > 1 else ""))
    return " ".join(parts)
