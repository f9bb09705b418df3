"""Calls of operators over a table: each argument as its parameter's kind wants it.

In: the registry. Out: rules for the steps of a pipe by what they lead to, as a template over a table's own rules. Law:
no operator is named here: one that is added stands in the grammar by its parameters alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import permutations

from rlm_dsl.language.operators.core import kinds
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, REQUIRED, Parameter
from rlm_dsl.language.operators.core.registry import aggregates, table_operators
from rlm_dsl.language.reply_grammar.expressions import Expressions
from rlm_dsl.language.reply_grammar.notation import HERE, Rules, body, choice, literal
from rlm_dsl.language.reply_grammar.vocabulary import KINDS, kind_of
from rlm_dsl.language.types import BOOL, FLOAT, INT, TEXT, TIMESTAMP, ListOf, Type

AGGREGATED: Mapping[str, str] = {
    "number": "n", "measure": "nm", "ordered": "tnm", "any": KINDS, "bool": "b", "text": "t"
}  # fmt: skip
"""The kinds that an aggregate's parameter takes; of others the literal is written out."""
BY_NAME = frozenset({"on", "by", "labels", "returns", "into", "types", "max", "to", "where"})
"""Parameters that are given by name, as the card writes them."""
SIGNED = frozenset({"offset"})
"""Whole numbers that may be negative."""
BY_HAND = frozenset({"correct"})
"""Operators that no root model may use."""
DEPTH, IN_GROUP = 3, 1
"""How deep expressions over a row go, and over a group of rows."""
COLUMNS = 12


def listing(item: str, most: int = COLUMNS) -> str:
    """Items between brackets."""
    one = f"({item})" if "|" in item else item
    return f"LIST {one} (COMMA {one}){{0,{most}}} END_LIST"


SHARED: Rules = {
    "whole": "INT | i_name",
    "signed": '"-"? INT | i_name',
    "words": "FILLED | t_name",
    "pattern": "PATTERN | PLAIN_PATTERN | t_name",
    "flag": '"true" | "false"',
    "example": "RECORD FIELD COLON (TEXT | NUMBER | flag) (COMMA FIELD COLON (TEXT | NUMBER | flag)){1,12} END_RECORD",
    "examples": "LIST example (COMMA example){0,24} END_LIST",
}
"""Arguments that are the same for all tables, over names by kind: `t_name`, `n_name`."""
EACH = Expressions(HERE, DEPTH)
COLUMN, SIDE, NEW = f"{HERE}_column", f"{HERE}_side", "made"


@cache
def steps(only: bool, models: bool) -> Rules:
    """A template: piped calls over a table, by what they give: the `same` columns, `others`, those of another table
    `joined`, a `number`, a `record` or another `value`; and such calls with the table as their first argument. `only`
    says that one text column goes without saying."""
    found: dict[str, list[str]] = {}
    rules: Rules = {}
    for operator in operators(models):
        inside = f"{HERE}_in_{operator.name}"
        if operator.parameters:
            rules[inside] = body(given(operator, rules, only))
        for sort, one in calls(operator, gives(operator), only):
            found.setdefault(sort, []).append(one)
    items = {
        f"{HERE}_listed": listing(COLUMN),
        f"{HERE}_both": f"LIST {HERE}_text (COMMA {SIDE}){{1,{COLUMNS}}} END_LIST",
        f"{HERE}_shown": listing(f"{COLUMN} | {NEW} EQUAL {EACH[KINDS]}"),
    }
    return SHARED | items | rules | {f"{HERE}_{sort}": body(calls) for sort, calls in found.items()}


def operators(models: bool) -> list[Operator]:
    return [each for each in table_operators().values() if each.name not in BY_HAND and (models or not each.asks)]


def gives(operator: Operator) -> str:
    """What a call of an operator leads to."""
    if operator.name in aggregates() or operator.order == "a value":
        return "number" if operator.name in aggregates() and set(given_kinds(operator.name)) <= {"n", "i"} else "value"
    if any(isinstance(each.kind, kinds.Rows) for each in operator.parameters):
        return "joined"
    return "same" if operator.keeps_columns else "others"


def calls(operator: Operator, sort: str, only: bool) -> Iterator[tuple[str, str]]:
    """The calls of an operator, each with what it gives: piped, and with its table as the first argument. One that
    gives a value gives a whole row where no column is named."""
    inside, head = f"{HERE}_in_{operator.name}", literal(operator.name)
    if operator.parameters:
        yield sort, f"{head} OPEN {inside} CLOSE"
        yield f"{sort}_of", f"{head} OPEN {HERE}_table COMMA {inside} CLOSE"
    if not any(is_needed(each, only) for each in operator.parameters):
        alone = "record" if sort == "value" and operator.parameters else sort
        yield alone, f"{head} EMPTY"
        yield f"{alone}_of", f"{head} OPEN {HERE}_table CLOSE"


def given(operator: Operator, rules: Rules, only: bool) -> Iterator[str]:
    """The arguments of a call: so many in their places, the others by name, those that are needed in any order."""
    parameters = operator.parameters
    if (variadic := next((each for each in parameters if each.variadic), None)) is not None:
        item = argument(variadic, operator)
        items = f"{item} (COMMA {item}){{0,{COLUMNS}}}"
        named = [keyword(each, operator) for each in parameters if each is not variadic]
        yield items + maybe(named)
        behind = [f" COMMA {items}", *([] if variadic.default is REQUIRED else [""])]
        yield from (f"{some}{more}" for some in some_of(named) for more in behind)
        return
    placed = next((at for at, each in enumerate(parameters) if not in_place(each)), len(parameters))
    for count in range(min(placed, 1), placed + 1):
        rest = parameters[count:]
        needed = [each for each in rest if is_needed(each, only)]
        if count == placed or not needed or not in_place(needed[0]):
            yield from by_name([argument(each, operator) for each in parameters[:count]], needed, rest, operator, rules)


def is_needed(parameter: Parameter, only: bool) -> bool:
    of_text = parameter.default is ONLY_TEXT or isinstance(parameter.kind, kinds.OfBoth)
    return parameter.default is REQUIRED or (of_text and not only)


def in_place(parameter: Parameter) -> bool:
    plain = isinstance(parameter.kind, kinds.Plain | kinds.Each)
    return parameter.name not in BY_NAME and (parameter.default is REQUIRED or (plain and parameter.name != "using"))


def by_name(
    first: Sequence[str], needed: Sequence[Parameter], rest: Sequence[Parameter], operator: Operator, rules: Rules
) -> Iterator[str]:
    """Arguments by name behind those in their places, what may be left out wherever there is room."""
    free = [keyword(each, operator) for each in rest if each not in needed]
    if not needed and not first:
        yield from some_of(free)
        return
    named = [keyword(each, operator) for each in needed]
    yield in_order(first, [(keyword(each, operator), each in needed) for each in rest])
    yield from (" COMMA ".join([*first, *order]) + maybe(free) for order in permutations(named))


def in_order(first: Sequence[str], named: Sequence[tuple[str, bool]]) -> str:
    """Arguments by name in the order of the signature, each with whether it is needed."""
    told, begun = " COMMA ".join(first), bool(first)
    for each, needed in named:
        told += f" COMMA {each}" if needed and begun else f" {each}" if needed else ""
        if not needed:
            told += f" (COMMA {each}){{0,1}}" if begun else f" ({each} COMMA){{0,1}}"
        begun = begun or needed
    return told.strip()


def maybe(named: Sequence[str]) -> str:
    """Each of these once at most, in their order, behind others."""
    return "".join(f" (COMMA {each}){{0,1}}" for each in named)


def some_of(named: Sequence[str]) -> Iterator[str]:
    """Each of these once at most, and one at least: any first, the others in their order."""
    yield from (f"{each}{maybe([*named[:at], *named[at + 1 :]])}" for at, each in enumerate(named))


def keyword(parameter: Parameter, operator: Operator) -> str:
    return f"{literal(parameter.name)} EQUAL {argument(parameter, operator)}"


def argument(parameter: Parameter, operator: Operator) -> str:
    """What may stand for a parameter."""
    match parameter.kind:
        case kinds.Rows():
            same = all(isinstance(each.kind, kinds.Rows) for each in operator.parameters)
            return f"{HERE}_inner" if same else "inner_table"
        case kinds.Each(of):
            return each_row(parameter, operator, of)
        case kinds.Shown():
            return choice(EACH["t"], f"{HERE}_shown")
        case kinds.Columns(named):
            return (
                choice(COLUMN, f"{HERE}_shown", f"{NEW} EQUAL {EACH[KINDS]}")
                if named
                else choice(COLUMN, f"{HERE}_listed")
            )
        case kinds.Keys():
            return choice(COLUMN, f"{HERE}_shown")
        case kinds.SortKeys():
            return choice(EACH[KINDS], f'"-" {COLUMN}')
        case kinds.Constant(of_type):
            if of_type == INT:
                return "signed" if parameter.name in SIGNED else "whole"
            return "NUMBER" if of_type == FLOAT else "words"
        case kinds.Flag():
            return "flag"
        case kinds.Plain():
            return "FILLED"
        case kinds.Pattern():
            return "pattern"
        case kinds.Choice(values, pattern):
            return choice(*(literal(literal(value)) for value in values), "PATTERN" if pattern else "")
        case kinds.ResultType(record):
            return "record" if record else "type"
        case kinds.ColumnTypes():
            return f"RECORD {NEW} COLON type (COMMA {NEW} COLON type){{0,{COLUMNS}}} END_RECORD"
        case kinds.Words():
            return "words"
        case kinds.Labels():
            return "labels"
        case kinds.Numbers():
            return f"RECORD {NEW} COLON NUMBER (COMMA {NEW} COLON NUMBER){{0,{COLUMNS}}} END_RECORD"
        case kinds.Demonstrations():
            return "examples"
        case kinds.NewName():
            return NEW
        case kinds.OfBoth():
            return choice("shared", f"{HERE}_both")
        case kinds.JoinCondition():
            return choice(COLUMN, f"{HERE}_listed", "condition")
        case kinds.Derived():
            return f"{NEW} EQUAL {EACH[KINDS]}"
        case kinds.Aggregates():
            return f"{NEW} EQUAL {Expressions(f'{HERE}h', IN_GROUP)[KINDS]}"


def each_row(parameter: Parameter, operator: Operator, of: str) -> str:
    """An expression for each row, of the kind that an operator or an aggregate wants."""
    if operator.name in aggregates():
        held = dict(aggregates()[operator.name].parameters).get(parameter.name, "any")
        return "NUMBER" if held == "fraction" else EACH[AGGREGATED.get(held, KINDS)]
    return EACH[{"text": "t", "bool": "b"}.get(of, KINDS)]


@cache
def grouped() -> Mapping[str, tuple[str, ...]]:
    """The aggregates over a group's rows, by the kind that they give."""
    inner = Expressions(HERE, DEPTH - 1)
    found: dict[str, list[str]] = {kind: [] for kind in (*KINDS, "i")}
    for entry in aggregates().values():
        literals = {"fraction": "NUMBER", "plain": "TEXT"}
        parts = [literals.get(kind) or inner[AGGREGATED[kind]] for _, kind in entry.parameters]
        last = len(parts) - entry.optional
        inside = " COMMA ".join(parts[:last]) + "".join(f" (COMMA {part}){{0,1}}" for part in parts[last:])
        for kind in given_kinds(entry.name):
            found[kind].append(
                f"{literal(entry.name)} OPEN {inside} CLOSE" if parts else f"{literal(entry.name)} EMPTY"
            )
    return {kind: tuple(calls) for kind, calls in found.items()}


def given_kinds(aggregate: str) -> str:
    """The kinds of an aggregate's values, by the types that it gives for each that it takes; i where they are whole."""
    entry = aggregates()[aggregate]
    samples: Mapping[str, Type] = {"n": FLOAT, "t": TEXT, "m": TIMESTAMP, "b": BOOL, "l": ListOf(TEXT)}
    if not entry.parameters:
        return kind_of(entry.result(())) + "i" * (entry.result(()) == INT)
    first = AGGREGATED.get(entry.parameters[0][1], KINDS)
    rest = tuple(TEXT if kind == "plain" else FLOAT for _, kind in entry.parameters[1:])
    return "".join(dict.fromkeys(kind_of(entry.result((samples[kind], *rest))) for kind in first))


@cache
def lists() -> str:
    """The calls that make a list of a table's column."""
    names = [each.name for each in aggregates().values() if len(each.parameters) == 1 and "l" in given_kinds(each.name)]
    return f"{choice(*map(literal, names))} OPEN table COMMA column CLOSE"
