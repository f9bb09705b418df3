"""What an operator is: parameters, manual, result type, lowering and examples in one value.

In: nothing. Out: the forms that every file in `operators/` fills in; the registry collects them.
Law: the checker, the compiler, the card and the docs know an operator through this value alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from rlm_dsl.language.program import Column, Instruction, Node, SortKey, Step
from rlm_dsl.language.sql import Sql, joined, name, names, sql
from rlm_dsl.language.types import Record, Table, Type

ORD = "#ord"
"""The hidden column that holds a row's place in its table: unique in the table, rising in the table's order."""
KEY = "#key"
"""In a table of answers: the `#ord` of the row that was asked for, or of the first row of its group."""
ROW, LO, HI = "#row", "#lo", "#hi"
"""The context row that a row came from, and the byte range in its source, which extract and partition narrow."""
FROM = "#from"
"""Instead of the three: a list of {row, lo, hi}, for a row that unites several."""
SOURCE_BITS = 36
"""A row's number stands in the lower bits of its id (`#row`), its source and context above them."""
VALUE = "value"
"""The one column of a step whose result is a value and no table."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Another table."""


@dataclass(frozen=True, slots=True)
class Each:
    """An expression evaluated for each row. `of` is text, bool or any."""

    of: Literal["text", "bool", "any"] = "any"


@dataclass(frozen=True, slots=True)
class Shown:
    """The columns that a model is shown: one text expression, or a list of columns shown by name."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Any number of columns, and `new=expression` among them where `named` is true."""

    named: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """A column, or a list of columns and of `name=expression`, to make groups by."""


@dataclass(frozen=True, slots=True)
class SortKeys:
    """Any number of expressions to sort by, `-x` for descending."""


@dataclass(frozen=True, slots=True)
class Constant:
    """An expression over no row: a literal, param or earlier value, of type `of`."""

    of: Type


@dataclass(frozen=True, slots=True)
class Flag:
    """`true` or `false`, written out."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A text, written out."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """An RE2 pattern: a literal, or a name bound to one."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few texts, or, where `pattern` is true, an RE2 pattern."""

    values: tuple[str, ...]
    pattern: bool = False


@dataclass(frozen=True, slots=True)
class ResultType:
    """A type expression; where `record` is true, a record of column types."""

    record: bool = False


@dataclass(frozen=True, slots=True)
class ColumnTypes:
    """A record `{column: type}` for columns that a pattern names."""


@dataclass(frozen=True, slots=True)
class Words:
    """An instruction to a model; `{name}` inserts an earlier value."""


@dataclass(frozen=True, slots=True)
class Labels:
    """A closed set of at least two texts: a list literal, a param or an earlier list."""


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """A list of records, each a `text` as it is shown and its right answer's fields, written out."""


@dataclass(frozen=True, slots=True)
class NewName:
    """The name of a column to be made."""


@dataclass(frozen=True, slots=True)
class OfBoth:
    """Text columns of the piped table and of the other one, at least one of each; a name that both have means both."""


@dataclass(frozen=True, slots=True)
class JoinCondition:
    """A column, a list of columns, or a condition over `left.` and `right.` columns."""


@dataclass(frozen=True, slots=True)
class Derived:
    """Any number of `name=expression`; later ones may use earlier ones."""


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Any number of `name=aggregate(...)`."""


Kind: TypeAlias = (
    Rows
    | Each
    | Shown
    | Columns
    | Keys
    | SortKeys
    | Constant
    | Flag
    | Plain
    | Pattern
    | Choice
    | ResultType
    | ColumnTypes
    | Words
    | Labels
    | Demonstrations
    | NewName
    | JoinCondition
    | OfBoth
    | Derived
    | Aggregates
)

VARIADIC = Columns | SortKeys | Derived | Aggregates

REQUIRED: Any = object()
"""The default of a parameter that has none."""
ONLY_TEXT: Any = object()
"""The default of `on`: the table's only text column."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of an operator; `shown` is how the card writes it, if not by its name and default. One that is
    `optional` is no part of a step that does not name it: such a step is what it was before there was the argument."""

    name: str
    kind: Kind
    default: Any = REQUIRED
    shown: str = ""
    optional: bool = False

    @property
    def variadic(self) -> bool:
        return isinstance(self.kind, VARIADIC)


class Refused(Exception):
    """Arguments that fit one by one but not together: which argument, what is wrong, what to do instead."""

    def __init__(self, argument: str, message: str, *hints: str, code: str = "C20") -> None:
        self.argument, self.message, self.hints, self.code = argument, message, hints, code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The checked arguments of one use: `table` is the piped table's type, `values` the rest by name."""

    table: Table
    values: Mapping[str, Any]
    tables: Mapping[str, Table] = field(default_factory=dict)

    def __getitem__(self, argument: str) -> Any:
        return self.values[argument]


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as it stands in a query: its quoted name, its type, and whether its rows unite several. `own` is the
    column that holds the very bytes from `#lo` to `#hi` of a row's source, if one does. `vast` is true where it comes
    from a context of so many rows that their places may not fit into memory."""

    sql: Sql
    type: Table
    united: bool
    own: str = ""
    vast: bool = False

    @property
    def hidden(self) -> tuple[str, ...]:
        """The hidden columns beside the typed ones, the order's first."""
        return (ORD, *self.origin)

    @property
    def origin(self) -> tuple[str, ...]:
        return (FROM,) if self.united else (ROW, LO, HI)

    def columns(self, of: str = "") -> Sql:
        """The typed columns and the hidden ones, each as `of.column` if `of` is given."""
        return qualified((*self.type.names, *self.hidden), of)


def qualified(columns: tuple[str, ...], of: str) -> Sql:
    return joined(", ", (sql("{t}.{c}", t=name(of), c=name(c)) for c in columns)) if of else names(columns)


class Expressions(Protocol):
    """Writes values as SQL, their bound names headed by `prefix`; `over_rows` gives one whose aggregates are followed
    by a window."""

    @property
    def prefix(self) -> str: ...
    def __call__(self, node: Node, hint: str = "value") -> Sql: ...
    def over_rows(self, over: Sql) -> Expressions: ...


@dataclass(frozen=True, slots=True)
class Lowering:
    """What an operator's lowering works from: its step, its inputs, and how to write a value as SQL."""

    step: Step
    inputs: tuple[Relation, ...]
    expression: Expressions
    united: bool = False

    @property
    def t(self) -> Relation:
        return self.inputs[0]

    def __getitem__(self, argument: str) -> Any:
        return self.step.arguments[argument]

    def value(self, argument: str) -> Sql:
        """The SQL of an argument that is one value."""
        return self.expression(self.step.arguments[argument], hint=argument)

    def united_origin(self, of: str = "", *, grouped: bool) -> Sql:
        """`#from` for a row made of a whole group (`grouped`) or of one row."""
        return origin_list(self.t, of, grouped=grouped)


def origin_list(relation: Relation, of: str = "", *, grouped: bool) -> Sql:
    """A relation's provenance as a list of {row, lo, hi}: of all rows of a group, or of one row."""
    prefix = sql("{of}.", of=name(of)) if of else sql("")
    if grouped and relation.vast:
        return vast_origin(relation)
    if relation.united:
        whole = sql("{p}{c}", p=prefix, c=name(FROM))
        return sql("flatten(list({w} ORDER BY {p}{o}))", w=whole, p=prefix, o=name(ORD)) if grouped else whole
    one = sql(
        'struct_pack("row" := {p}{row}, lo := {p}{lo}, hi := {p}{hi})',
        p=prefix,
        row=name(ROW),
        lo=name(LO),
        hi=name(HI),
    )
    return sql("list({one} ORDER BY {p}{o})", one=one, p=prefix, o=name(ORD)) if grouped else sql("[{one}]", one=one)


MOST_PLACES = 1_000_000
"""Rows of a vast relation whose places a grouping of it keeps all."""


def vast_origin(relation: Relation) -> Sql:
    """The provenance of a group, where lists of all places might not fit into memory: all of them if the relation has
    few rows after all, else the first and, as a place without a row, how many more there are (in `lo`)."""
    few = sql(f"(SELECT count(*) <= {MOST_PLACES} FROM {{t}})", t=relation.sql)
    if relation.united:
        every = sql("flatten(list({f} ORDER BY {o}) FILTER (WHERE {few}))", f=name(FROM), o=name(ORD), few=few)
        first = sql("arg_min({f}, {o})[1]", f=name(FROM), o=name(ORD))
        counts = 'list_transform({f}, lambda p: CASE WHEN p."row" IS NULL THEN p.lo ELSE 1 END)'
        total = sql(f"sum(list_sum({counts}))", f=name(FROM))
    else:
        place = origin_list(relation, grouped=False)
        every = sql("flatten(list({p} ORDER BY {o}) FILTER (WHERE {few}))", p=place, o=name(ORD), few=few)
        first = sql("arg_min({p}, {o})[1]", p=place, o=name(ORD))
        total = sql("count(*)")
    rest = sql('struct_pack("row" := NULL, lo := ({n} - 1)::BIGINT, hi := NULL)', n=total)
    return sql("coalesce({every}, [{first}, {rest}])", every=every, first=first, rest=rest)


@dataclass(frozen=True, slots=True)
class Example:
    """A program's last line over a small table, and the rows (as JSON-ready lists) or value that it must give.

    `given` is the table by columns; `answers` are what the testing endpoint says, by the text shown.
    """

    program: str
    given: Mapping[str, list[Any]]
    gives: Any
    other: Mapping[str, list[Any]] | None = None
    answers: Mapping[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class ModelStep:
    """How a model operator asks: which columns it shows, in which words, for which type, and how answers come back.

    `question` makes the instruction's text and `result` the type of one answer's JSON (a record) from the step's
    arguments as plain values; `combine` joins the table of answers (`#key`, the record's fields) to the input. Where
    `tree` is true many texts become one answer (per key of `by`), else each row is asked for. Where `explores` is true
    the text is not shown to a model but explored, to the depth that the argument `depth` allows.

    `rows` makes the table that is asked about where that is not the piped one, of the type that `rows_type` gives, and
    `asked_rows` says how many rows it has at most; `combine` then finds it last among its lowering's inputs. `problem`
    says what is wrong with an answer that has its type. `filters` is true where rows are left out by the
    answers; `calls` is how many model calls one asking takes at most.
    """

    question: Callable[[Mapping[str, Any]], str]
    result: Callable[[Mapping[str, Any]], Record]
    combine: Callable[[Lowering, Sql], Sql]
    tree: bool = False
    explores: bool = False
    rows: Callable[[Lowering], Sql] | None = None
    rows_type: Callable[[Arguments], Table] | None = None
    asked_rows: Callable[[Arguments, list[int]], int | None] | None = None
    problem: Callable[[Mapping[str, Any], Mapping[str, Any]], str | None] | None = None
    filters: bool = False
    calls: Callable[[Mapping[str, Any]], int] = lambda arguments: 1


def as_many(arguments: Arguments, rows: list[int]) -> int | None:
    """As many rows as the piped table at most, which is so for most operators."""
    return rows[0]


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator on tables. `summary` is the manual's first line and what a model reads. `most_rows` says how many
    rows it makes at most of tables with so many, None if that shows only in the run."""

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    result: Callable[[Arguments], Type]
    lower: Callable[[Lowering], Sql] | None = None
    model: ModelStep | None = None
    order: str = "kept"
    origin: str = "kept"
    unites: bool | Callable[[Step, tuple[Relation, ...]], bool] = False
    own: Callable[[Step, tuple[Relation, ...]], str] | None = None
    """Which column then holds the bytes of its source, where that is not the one that did before."""
    expand: Callable[[Arguments, Step], Node] | None = None
    """Instead of `lower` and `model`: what the operator means in terms of others."""
    most_rows: Callable[[Arguments, list[int]], int | None] = as_many
    rewrites: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda arguments: ()
    """What its lowering makes of its arguments to be quicker, in words."""
    chooses: Callable[[Mapping[str, Any]], Literal["by row", "by place", ""]] = lambda arguments: ""
    """Whether it keeps some rows as they are, looking at nothing but the columns it names: each row by itself, or by
    its place among the others."""
    looks: Callable[[Mapping[str, Any]], tuple[str, tuple[Collection[str], ...]]] = lambda arguments: ("", ())
    """A column, and sets of texts one of each of which stands there in every row that is taken; none where rows without
    them are taken, or looked at, too."""
    manual: str = ""
    examples: tuple[Example, ...] = ()
    version: int = 1

    def united(self, step: Step, inputs: tuple[Relation, ...]) -> bool:
        """Whether the result's rows unite several context rows."""
        if callable(self.unites):
            return self.unites(step, inputs)
        return self.unites or any(relation.united for relation in inputs)

    def own_column(self, step: Step, inputs: tuple[Relation, ...]) -> str:
        """The result's column that holds its rows' own bytes, or ''."""
        if not isinstance(step.type, Table) or self.united(step, inputs):
            return ""
        held = self.own(step, inputs) if self.own is not None else inputs[0].own
        return held if held in step.type.names else ""

    @property
    def asks(self) -> bool:
        """Whether it asks a model."""
        return self.model is not None or self.expand is not None

    @property
    def signature(self) -> str:
        """How the card writes it: `grep(t, pattern, on=, invert=false)`."""
        return f"{self.name}({', '.join(['t', *map(written, (p for p in self.parameters if not p.optional))])})"


def written(parameter: Parameter) -> str:
    if parameter.shown:
        return parameter.shown
    if parameter.default is REQUIRED:
        return parameter.name
    if parameter.default in (ONLY_TEXT, None) or isinstance(parameter.default, tuple | Instruction):
        return f"{parameter.name}="
    shown = {True: "true", False: "false"}.get(parameter.default, parameter.default)
    return (
        f'{parameter.name}="{shown}"'
        if isinstance(shown, str) and shown not in ("true", "false")
        else (f"{parameter.name}={shown}")
    )


@dataclass(frozen=True, slots=True)
class AggregateFunction:
    """An aggregate: over a group's rows inside `group`, and over a whole table as an operator of the same name.

    `parameters` name its expressions (`any`, `number`, `bool`, `text`, `ordered`, or `fraction` for a constant from
    0 to 1); `result` gives the type over a group with at least one row; over a whole table, which may be empty, it is
    nullable unless `never_null`. `lower` writes it from its arguments' SQL, the argument types, and what follows each
    of the engine's aggregates in it: nothing in a group, ` OVER (...)` for the rows so far.
    """

    name: str
    summary: str
    parameters: tuple[tuple[str, str], ...]
    result: Callable[[tuple[Type, ...]], Type]
    lower: Callable[[tuple[Sql, ...], tuple[Type, ...], Sql], Sql]
    never_null: bool = False
    optional: int = 0
    examples: tuple[Example, ...] = ()
    version: int = 1

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(parameter for parameter, _ in self.parameters)})"


def same_table(arguments: Arguments) -> Type:
    """The result of operators that keep the columns."""
    return arguments.table


def key_list(keys: tuple[tuple[str, Node], ...], lowering: Lowering) -> Sql:
    """The SQL of grouping keys, without names."""
    return joined(", ", (lowering.expression(node, hint=key) for key, node in keys))


def is_own(lowering: Lowering) -> bool:
    """Whether `on` is the column that holds the rows' own bytes, so that places in it are places in the source."""
    on = lowering["on"]
    return isinstance(on, Column) and on.name == lowering.t.own != ""


def partition_by(lowering: Lowering) -> Sql:
    """The head of a window over each group of `by`, empty without one."""
    by = lowering["by"]
    return sql("PARTITION BY {by} ", by=key_list(by, lowering)) if by else sql("")


def source_of(relation: Relation) -> Sql:
    """The source that a row comes from (a file of a context); all rows of united tables count as one source."""
    return sql("1") if relation.united else sql(f"{{row}} >> {SOURCE_BITS}", row=name(ROW))


def sort_list(keys: tuple[SortKey, ...], lowering: Lowering) -> Sql:
    """An ORDER BY list that ends in the table's own order, so that it is total; nulls come last either way."""
    parts = [
        sql(
            "{e} DESC NULLS LAST" if key.descending else "{e} ASC NULLS LAST",
            e=lowering.expression(key.value, hint="sort"),
        )
        for key in keys
    ]
    return joined(", ", [*parts, name(ORD)])
