"""What an operator is: parameters, manual, result type, lowering and examples in one value.

In: nothing. Out: the value that every file in `operators/` fills in; the registry collects them.
Law: the checker, the compiler, the card and the docs know an operator through this value alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.model_step import ModelStep
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.program import Node, Step
from rlm_dsl.language.sql import Sql
from rlm_dsl.language.types import Table, Type


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


OverParts = Literal["kept", "numbered", "again", "drawn", ""]


def same_table(arguments: Arguments) -> Type:
    """The result of operators that keep the columns."""
    return arguments.table


def as_many(arguments: Arguments, rows: list[int]) -> int | None:
    """As many rows as the piped table at most, which is so for most operators."""
    return rows[0]


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator on tables. `summary` is the manual's first line and what a model reads. `most_rows` says how many
    rows it makes at most of tables with so many, None if that shows only in the run. One that `keeps_columns` gives
    those of the piped table and no others, whatever its arguments are. `told` is what a root model reads of it at every
    turn: a signature may say it all, and of what is seldom wanted the name is enough, since whoever writes it wrongly
    is told how it is written."""

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
    keeps_columns: bool = False
    told: Literal["name", "signature", "summary"] = "summary"
    """Which column then holds the bytes of its source, where that is not the one that did before."""
    expand: Callable[[Arguments, Step], Node] | None = None
    """Instead of `lower` and `model`: what the operator means in terms of others."""
    most_rows: Callable[[Arguments, list[int]], int | None] = as_many
    as_many_always: bool = False
    """Whether it makes just as many rows as `most_rows` says, whatever they hold."""
    rewrites: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda arguments: ()
    """What its lowering makes of its arguments to be quicker, in words."""
    chooses: Callable[[Mapping[str, Any]], Literal["by row", "by place", ""]] = lambda arguments: ""
    """Whether it keeps some rows as they are, looking at nothing but the columns it names: each row by itself, or by
    its place among the others."""
    over_parts: Callable[[Mapping[str, Any]], OverParts] = lambda arguments: ""
    """What it makes of the parts of a table that is cut between rows, each by itself: `kept`, the rows that it makes of
    the whole; `numbered`, these with their places counted anew in each part; `again`, rows of which it makes, once they
    are put together, what it makes of the whole; `drawn`, the same where a row's place is the one in the whole; or
    nothing that would serve, since its rows have to meet."""
    reads_named: bool = False
    """Whether it looks at nothing of a row but the columns that its arguments name, and where the row comes from."""
    required_texts: Callable[[Mapping[str, Any]], tuple[str, tuple[Collection[str], ...]]] = lambda arguments: ("", ())
    """A column, and sets of texts one of each of which stands there in every row that is taken; none where rows without
    them are taken, or looked at, too."""
    words: str = ""
    """What it does to a table, as a phrase for `explain`: its form stands in `language/reference/in_words.py`."""
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
        return f"{self.name}({', '.join(['t', *(p.signature for p in self.parameters if not p.optional)])})"
