"""The grammar of one reply: statements over what is bound, and nothing else.

In: a vocabulary. Out: the grammar's text in Lark's notation. Law: no rule leads to itself and nothing repeats without
end, so that each reply is of bounded length; what it takes, the parser takes; names stand in it that are known alone.

Where a step makes new columns, those of all tables may be named behind it, for a grammar has no memory of which it
made. What the reply binds itself is any of the vocabulary's `new` names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rlm_dsl.language.reply_grammar.expressions import Expressions, atoms, expressions, function_rules
from rlm_dsl.language.reply_grammar.notation import HERE, Rules, body, choice, lark, literal, written
from rlm_dsl.language.reply_grammar.steps import DEPTH, IN_GROUP, grouped, lists, steps
from rlm_dsl.language.reply_grammar.vocabulary import KINDS, MADE, MOST_TABLES, Vocabulary, kind_of, own_texts, paths
from rlm_dsl.language.types import SCALARS, Field, Type, quoted_name

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
IN_VALUES = 'fresh | value_call | OPEN to_value END_GROUP ("." FIELD_NAME){0,2}'
"""What an expression over values may hold whose kind is not known."""
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
    values = list(paths(Field(name, type_) for name, type_ in vocabulary.values.items()))
    rules = function_rules() | name_rules(vocabulary, values, every) | type_rules()
    rules |= scope_rules(
        "j", [*told(paths(every), "left."), *told(paths(every), "right.")], side_names(vocabulary), IN_JOIN
    )
    rules["condition"] = Expressions("j", IN_JOIN)["b"]
    for scope, (columns, names) in [*rows.items(), (FREE, (every, shared))]:
        rules |= row_rules(scope, columns, names, told(values), vocabulary.models)
    rules |= pipe_rules([*rows, FREE])
    rules |= scope_rules("v", told(values), IN_VALUES, OF_VALUES)
    rules |= result_rules()
    rules["statement"] = body(statements(vocabulary))
    rules["start"] = f"NEXT? statement (NEXT statement){{0,{most - 1}}} NEXT?"
    return lark(rules)


def statements(vocabulary: Vocabulary) -> Iterator[str]:
    yield "SHOW result"
    yield "ANSWER result"
    yield "new EQUAL result"
    yield from (f"PARAM new COLON {type_} (EQUAL {value}){{0,1}}" for type_, value in PARAMS.items())
    for name in sorted(vocabulary.contexts):
        columns = (
            f"{each} COLON {literal(str(c.type))}" for c in vocabulary.tables[name].columns for each in named([c.name])
        )
        yield f'CONTEXT {literal(quoted_name(name))} COLON "table" OPEN {" COMMA ".join(columns)} CLOSE'


def result_rules() -> Rules:
    """What is shown, bound or answered: a pipe, an expression over values, or records and lists of them."""
    value = choice("to_value", Expressions("v", OF_VALUES)[KINDS])
    rules: Rules = {"result0": body(["pipe", value, f"LIST {value} (COMMA {value}){{0,{ITEMS}}} END_LIST"])}
    for level in range(1, RECORDS + 1):
        inner = f"result{level - 1}"
        record = f"RECORD FIELD COLON {inner} (COMMA FIELD COLON {inner}){{0,{ITEMS}}} END_RECORD"
        rules[f"result{level}"] = body(["result0", record])
    return rules | {"result": f"result{RECORDS}"}


# ---- names and types ----


def named(names: Iterable[str]) -> list[str]:
    return [literal(quoted_name(name)) for name in dict.fromkeys(names)]


def side_names(vocabulary: Vocabulary) -> str:
    """Columns of either side of a join whose kind is not known, each with its side: a word that begins as another does
    is read as the longer one."""
    names = (f"{side}.{quoted_name(name)}" for side in ("left", "right") for name in (*MADE, *vocabulary.new))
    return body([*map(literal, names), "fresh"])


def told(found: Iterable[Path], before: str = "") -> list[tuple[str, str]]:
    """Names and the fields within them as they are written, each with its kind."""
    return [(kind_of(type_), literal(before + ".".join(map(quoted_name, path)))) for path, type_ in found]


def tables_by_columns(vocabulary: Vocabulary) -> dict[tuple[Field, ...], list[str]]:
    """The names of tables by their columns, in the order in which they were bound."""
    found: dict[tuple[Field, ...], list[str]] = {}
    for name, table in vocabulary.tables.items():
        found[table.columns] = [*found.pop(table.columns, []), name]
    return found


def all_columns(vocabulary: Vocabulary) -> list[Field]:
    """The columns of all tables, and what joins and pairs call them."""
    columns = [column for table in vocabulary.tables.values() for column in table.columns]
    sides = [Field(f"{side}_{each.name}", each.type) for side in ("a", "b", "other") for each in columns]
    return list({(each.name, str(each.type)): each for each in (*columns, *sides)}.values())


def name_rules(vocabulary: Vocabulary, values: Sequence[Path], every: Sequence[Field]) -> Rules:
    """Names that may be bound, and those that are, where it does not matter of which table."""
    spelled = told(values)
    by_kind = {kind: [name for each, name in spelled if each == kind] for kind in "tnl"}
    meaning = "FIELD COLON TEXT"
    return {
        "new": body(named(vocabulary.new)),
        "fresh": body(['new ("." new){0,2}', *(name for kind, name in spelled if not kind)]),
        "known_table": body(named(vocabulary.tables)) or "new",
        "table": "known_table | new",
        "column": body([*named([*(each.name for each in every), *MADE]), "new"]),
        "made": "column | table",
        "t_name": body([*by_kind["t"], "new"]),
        "n_name": body([*by_kind["n"], "new"]),
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
    return atoms(scope, by_kind, others) | written(expressions(depth), scope)


def row_rules(
    scope: str, columns: Sequence[Field], names: Sequence[str], values: Sequence[tuple[str, str]], models: bool
) -> Rules:
    """What a step over a table with these columns is made of. Those in the free scope may have others too."""
    free = scope == FREE
    others = body(["fresh", *([*named(MADE), "known_table"] if free else ())])
    group = {kind: [each.replace(HERE, scope) for each in calls] for kind, calls in grouped().items()}
    own = {
        f"{scope}_column": "column" if free else body(named(each.name for each in columns)),
        f"{scope}_table": body([*named(names), "new" if free else ""]),
    }
    rows = scope_rules(scope, [*told(paths(columns)), *values], others, DEPTH)
    groups = atoms(f"{scope}h", group, "fresh") | written(expressions(IN_GROUP), f"{scope}h")
    return own | rows | groups | written(steps(free or own_texts(columns) == 1, models), scope)


def pipe_rules(scopes: Sequence[str]) -> Rules:
    """Pipes that give a table, those of few steps that stand in an argument, and those that give a value."""
    later = f"({FREE}_same | {FREE}_others)"
    more = f"({FREE}_same | {FREE}_others | {FREE}_joined)"
    inner: list[str] = []
    tables: list[str] = []
    values: list[str] = []
    for each in scopes:
        own, others = f"(PIPE {each}_same)", f"({each}_others | {each}_joined)"
        turn = f"{others} (PIPE {more}){{0,{STEPS}}}"
        called = f"({each}_others_of | {each}_joined_of) (PIPE {more}){{0,{STEPS}}}"
        head = f"({each}_table | {each}_same_of) {own}{{0,{STEPS}}}"
        inner.append(
            f"{each}_table {own}{{0,{INNER_STEPS}}} (PIPE {each}_others (PIPE {later}){{0,{INNER_STEPS}}}){{0,1}}"
        )
        tables += [f"{head} (PIPE {turn}){{0,1}}", called]
        values += [f"{head} PIPE {each}_value", f"{head} PIPE {turn} PIPE {FREE}_value", f"{called} PIPE {FREE}_value"]
    calls = body(f"{each}_value_of" for each in scopes)
    return {"inner_table": body(inner), "pipe": body(tables), "to_value": body(values), "value_call": calls}
