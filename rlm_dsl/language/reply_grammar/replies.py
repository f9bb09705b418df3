"""The grammar of one reply: statements over what is bound, and nothing else.

In: a vocabulary. Out: the grammar's text in Lark's notation. Law: no rule leads to itself and nothing repeats without
end, so that each reply is of bounded length; what it takes, the parser takes; names stand in it that are known alone.

Where a step makes new columns, those of all tables may be named behind it, for a grammar has no memory of which it
made. What the reply binds itself is any of the vocabulary's `new` names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache

from rlm_dsl.language.reply_grammar.expressions import Expressions, atoms, expressions, function_rules
from rlm_dsl.language.reply_grammar.notation import HERE, Rules, body, choice, lark, literal, written
from rlm_dsl.language.reply_grammar.steps import DEPTH, IN_GROUP, grouped, lists, steps
from rlm_dsl.language.reply_grammar.vocabulary import KINDS, MADE, MOST_TABLES, Vocabulary, kind_of, own_texts, paths
from rlm_dsl.language.types import INT, SCALARS, TIMESTAMP, Field, ListOf, Type, bare, is_numeric, is_text, quoted_name

IN_JOIN, OF_VALUES = 1, 3
"""How deep expressions go in a join's condition, and over values."""
STEPS, INNER_STEPS = 8, 4
STATEMENTS = 16
ITEMS = 12
RECORDS = 2
"""How deep the records of an answer go."""
PARAMS = {
    '"text"': "TEXT", '"int"': '"-"? INT', '"float"': '"-"? NUMBER', '"bool"': "flag", '"date"': "MOMENT",
    '"list" LIST "text" END_LIST': "LIST TEXT (COMMA TEXT){0,24} END_LIST",
    '"list" LIST "int" END_LIST': "LIST INT (COMMA INT){0,24} END_LIST",
}  # fmt: skip
"""What a reply may make a param of, and its value."""
NUMBERS = ["number_call", "OPEN to_number END_GROUP"]
"""Numbers among values."""
IN_VALUES = 'fresh | value_call | OPEN to_value END_GROUP | (record_call | OPEN to_record END_GROUP) "." field'
"""What an expression over values may hold whose kind is not known."""
MOST_KEPT = 32
"""Rules of tables that are kept from turn to turn."""
FREE = "a"
"""The scope of tables that may have any column."""
Path = tuple[tuple[str, ...], Type]


def reply_grammar(vocabulary: Vocabulary, most: int = STATEMENTS) -> str:
    """The grammar of a reply that may name so much, of so many statements at most."""
    tables = tables_by_columns(vocabulary)
    kept = dict(list(tables.items())[-MOST_TABLES:])
    shared = [name for columns, names in tables.items() if columns not in kept for name in names]
    rows = {f"r{at}": (columns, names) for at, (columns, names) in enumerate(kept.items())}
    every = all_columns(vocabulary)
    values = told(paths(Field(name, type_) for name, type_ in vocabulary.values.items()))
    known = "".join(kind for kind in (*KINDS, "i") if any(kind == each for each, _ in values))
    rules = function_rules() | name_rules(vocabulary, values, every) | type_rules() | value_rules(known)
    rules |= join_rules(columns_of(vocabulary), vocabulary.new)
    only = any(own_texts(columns) == 1 for columns in tables) or not tables
    for scope, (columns, names) in [*rows.items(), (FREE, (every, shared))]:
        rules |= row_rules(scope, columns, only if scope == FREE else own_texts(columns) == 1, known, vocabulary.models)
        rules |= {f"{scope}_table": body([*named(names), "new" if scope == FREE else ""])}
    rules |= pipe_rules((*rows, FREE)) | result_rules()
    rules["statement"] = body(statements(vocabulary))
    rules["start"] = f"(statement NEXT){{0,{most - 1}}} (statement | ANSWER result) NEXT?"
    return lark(rules)


def statements(vocabulary: Vocabulary) -> Iterator[str]:
    yield "SHOW result"
    yield "new EQUAL result"
    yield from (f"PARAM new COLON {type_} (EQUAL {value}){{0,1}}" for type_, value in PARAMS.items())
    for name in sorted(vocabulary.contexts):
        columns = (
            f"{each} COLON {literal(str(c.type))}" for c in vocabulary.tables[name].columns for each in named([c.name])
        )
        yield f'CONTEXT {literal(quoted_name(name))} COLON "table" OPEN {" COMMA ".join(columns)} CLOSE'


@cache
def result_rules() -> Rules:
    """What is shown, bound or answered: a pipe, an expression over values, or records and lists of them."""
    each = Expressions("v", OF_VALUES)
    value = choice("to_value", "to_number", "to_record", each[KINDS])
    number = choice("to_number", each["n"])
    lists = f"LIST {number} (COMMA {number}){{0,{ITEMS}}} END_LIST", "LIST (to_value | to_record) END_LIST"
    rules: Rules = {"result0": body(["pipe", value, *lists])}
    for level in range(1, RECORDS + 1):
        inner = f"result{level - 1}"
        record = f"RECORD FIELD COLON {inner} (COMMA FIELD COLON {inner}){{0,{ITEMS}}} END_RECORD"
        rules[f"result{level}"] = body(["result0", record])
    return rules | {"result": f"result{RECORDS}"}


# ---- names and types ----


def named(names: Iterable[str]) -> list[str]:
    return [literal(quoted_name(name)) for name in dict.fromkeys(names)]


def text_names(columns: Iterable[Field]) -> list[str]:
    return named(each.name for each in columns if is_text(bare(each.type)))


def shared_texts(vocabulary: Vocabulary) -> list[str]:
    """Text columns that two tables have; of a single table all."""
    found = Counter(name for table in vocabulary.tables.values() for name in text_names(table.columns))
    return [name for name, count in found.items() if count > 1 or len(vocabulary.tables) == 1]


def side_names(new: Iterable[str]) -> str:
    """Columns of either side of a join whose kind is not known, each with its side: a word that begins as another does
    is read as the longer one."""
    names = (f"{side}.{quoted_name(name)}" for side in ("left", "right") for name in (*MADE, *new))
    return body([*map(literal, names), "fresh"])


def told(found: Iterable[Path], before: str = "") -> list[tuple[str, str]]:
    """Names and the fields within them as they are written, each with its kinds."""
    named = ((type_, literal(before + ".".join(map(quoted_name, path)))) for path, type_ in found)
    return [(kind, name) for type_, name in named for kind in kinds_of(type_)]


def kinds_of(type_: Type) -> tuple[str, ...]:
    """The letters of a type's kinds: whole numbers, lists of numbers and moments with a time have one more: i, u, s."""
    match bare(type_):
        case ListOf(of) if is_numeric(bare(of)):
            return "l", "u"
        case plain if plain in (INT, TIMESTAMP):
            return kind_of(plain), "i" if plain == INT else "s"
        case _:
            return (kind_of(type_),)


def tables_by_columns(vocabulary: Vocabulary) -> dict[tuple[Field, ...], list[str]]:
    """The names of tables by their columns, in the order in which they were bound."""
    found: dict[tuple[Field, ...], list[str]] = {}
    for name, table in vocabulary.tables.items():
        found[table.columns] = [*found.pop(table.columns, []), name]
    return found


def columns_of(vocabulary: Vocabulary) -> tuple[Field, ...]:
    """The columns of all tables, each name and type once."""
    return tuple(dict.fromkeys(column for table in vocabulary.tables.values() for column in table.columns))


def all_columns(vocabulary: Vocabulary) -> tuple[Field, ...]:
    """The columns of all tables, and what joins and pairs call them."""
    columns = columns_of(vocabulary)
    sides = [Field(f"{side}_{each.name}", each.type) for side in ("a", "b", "other") for each in columns]
    return tuple({(each.name, each.type): each for each in (*columns, *sides)}.values())


def name_rules(vocabulary: Vocabulary, values: Sequence[tuple[str, str]], every: Sequence[Field]) -> Rules:
    """Names that may be bound, and those that are, where it does not matter of which table."""
    by_kind = {kind: [name for each, name in values if each == kind] for kind in (*KINDS, "i", "")}
    meaning = "FIELD COLON TEXT"
    return {
        "new": body(named(vocabulary.new)),
        **{f"value_{kind}": body(names) for kind, names in by_kind.items() if kind and names},
        "fresh": body(['new ("." new){0,2}', *by_kind[""]]),
        "known_table": body(named(vocabulary.tables)) or "new",
        "table": "known_table | new",
        "column": body([*named([*(each.name for each in every), *MADE]), "new"]),
        "field": body([*named(c.name for t in vocabulary.tables.values() for c in t.columns), "new"]),
        "shared": body([*shared_texts(vocabulary), "new"]),
        "side": body([*(name for t in vocabulary.tables.values() for name in text_names(t.columns)), "new"]),
        "made": "column | known_table",
        "t_name": body([*by_kind["t"], "new"]),
        "i_name": body([*by_kind["i"], "new"]),
        "labels": body(
            [
                "LIST TEXT (COMMA TEXT){1,24} END_LIST",
                f"RECORD {meaning} (COMMA {meaning}){{1,24}} END_RECORD",
                *by_kind["l"],
                "new",
                lists(),
            ]
        ),
    }


@cache
def type_rules() -> Rules:
    """Types, and records of them, three deep."""
    enumerated = '"enum" LIST TEXT (COMMA TEXT){0,24} END_LIST'
    plain = body([*map(literal, SCALARS), '"decimal"', '"decimal" OPEN INT CLOSE', enumerated])
    rules: Rules = {"type0": plain}
    for level in (1, 2):
        part = f'(new | FIELD) COLON type{level - 1} "?"?'
        rules[f"record{level}"] = f"RECORD {part} (COMMA {part}){{0,{ITEMS}}} END_RECORD"
        rules[f"type{level}"] = body(["type0", f'"list" LIST type{level - 1} "?"? END_LIST', f"record{level}"])
    return rules | {"type": 'type2 "?"?', "record": "record2"}


# ---- pipes ----


def scope_rules(scope: str, names: Iterable[tuple[str, str]], others: str, depth: int) -> Rules:
    """A scope's expressions over names of known kinds and others."""
    by_kind: dict[str, list[str]] = {}
    for kind, name in names:
        by_kind.setdefault(kind, []).append(name)
    if "s" in by_kind or scope == FREE:
        by_kind.setdefault("m", []).append("MOMENT")
    return atoms(scope, by_kind, others) | written(expressions(depth), scope)


@lru_cache(maxsize=MOST_KEPT)
def row_rules(scope: str, columns: tuple[Field, ...], only: bool, known: str, models: bool) -> Rules:
    """What a step over a table with these columns is made of. Those in the free scope may have others too. `only` says
    that one text column goes without saying; values of the `known` kinds are bound."""
    free = scope == FREE
    others = body(["fresh", *([*named(name for name in MADE if not MADE[name]), "known_table"] if free else ())])
    group = {kind: [each.replace(HERE, scope) for each in calls] for kind, calls in grouped().items()}
    own = {f"{scope}_column": "column" if free else body(named(each.name for each in columns))}
    own |= (
        {f"{scope}_side": "column", f"{scope}_text": "column"}
        if free
        else {
            f"{scope}_side": "side",
            f"{scope}_text": body([*text_names(columns), "fresh"]),
        }
    )
    own[f"{scope}_inner"] = (
        "inner_table" if free else f"{scope}_table {few(f'{scope}_same')} | new {few(f'{FREE}_same | {FREE}_others')}"
    )
    made = [(kind, name) for each, kinds in MADE.items() for kind in kinds for name in named([each]) if free]
    rows = scope_rules(scope, [*told(paths(columns)), *made, *value_names(known)], others, DEPTH)
    groups = atoms(f"{scope}h", group, "fresh") | written(expressions(IN_GROUP), f"{scope}h")
    return own | rows | groups | written(steps(only, models), scope)


def few(step: str) -> str:
    """Some steps, as they stand within an argument."""
    return f"(PIPE ({step})){{0,{INNER_STEPS}}}"


@lru_cache(maxsize=MOST_KEPT)
def join_rules(every: tuple[Field, ...], new: tuple[str, ...]) -> Rules:
    """A join's condition, over columns of both sides."""
    sides = [*told(paths(every), "left."), *told(paths(every), "right.")]
    return scope_rules("j", sides, side_names(new), IN_JOIN) | {"condition": Expressions("j", IN_JOIN)["b"]}


@cache
def value_rules(known: str) -> Rules:
    """Expressions over values, of which some of the `known` kinds are bound."""
    more = [("t", "PATTERN"), *(("n", each) for each in NUMBERS)]
    return scope_rules("v", [*value_names(known), *more], IN_VALUES, OF_VALUES)


def value_names(known: str) -> list[tuple[str, str]]:
    return [(kind, f"value_{kind}") for kind in known]


@cache
def pipe_rules(scopes: tuple[str, ...]) -> Rules:
    """Pipes that give a table, those of few steps that stand in an argument, and those that give a value."""
    later = f"({FREE}_same | {FREE}_others)"
    more = f"({FREE}_same | {FREE}_others | {FREE}_joined)"
    inner: list[str] = []
    tables: list[str] = []
    values: dict[str, list[str]] = {"value": [], "number": [], "record": []}
    for each in scopes:
        own, others = f"(PIPE {each}_same)", f"({each}_others | {each}_joined)"
        turn = f"{others} (PIPE {more}){{0,{STEPS}}}"
        called = f"({each}_others_of | {each}_joined_of) (PIPE {more}){{0,{STEPS}}}"
        head = f"({each}_table | {each}_same_of) {own}{{0,{STEPS}}}"
        inner.append(
            f"{each}_table {own}{{0,{INNER_STEPS}}} (PIPE {each}_others (PIPE {later}){{0,{INNER_STEPS}}}){{0,1}}"
        )
        tables += [f"{head} (PIPE {turn}){{0,1}}", called]
        for sort, found in values.items():
            last = f"PIPE {FREE}_{sort}"
            found += [f"{head} PIPE {each}_{sort}", f"{head} PIPE {turn} {last}", f"{called} {last}"]
    calls = {f"{sort}_call": body(f"{each}_{sort}_of" for each in scopes) for sort in values}
    given = {f"to_{sort}": body(found) for sort, found in values.items()}
    return {"inner_table": body(inner), "pipe": body(tables), **given, **calls}
