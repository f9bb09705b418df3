"""The manual of one entry of the registry.

In: an operator, aggregate or function. Out: its manual as a value, and as Markdown or plain text.
Law: everything said here stands in the registry; an entry that is added has its manual at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import assert_never

from rlm_dsl.language.operators.core import kinds
from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.function import Function
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.parameters import Parameter
from rlm_dsl.language.operators.core.registry import aggregates, functions, table_operators


@dataclass(frozen=True, slots=True)
class Manual:
    """A call's form, what it does, what else is to know, and an example."""

    form: str
    summary: str
    notes: tuple[str, ...] = ()
    example: str = ""

    def markdown(self) -> str:
        example = [f"```rlm\n{self.example}\n```"] if self.example else []
        return "\n\n".join([f"```rlm\n{self.form}\n```", self.summary, *self.notes, *example])

    def plain(self) -> str:
        example = ["example:\n" + "\n".join(f"    {line}" for line in self.example.split("\n"))] if self.example else []
        return "\n".join([self.form, *(f"  {part}" for part in [self.summary, *self.notes, *example])])


def manual_of(entry: Operator | AggregateFunction | Function) -> Manual:
    match entry:
        case Operator():
            asks = ("It asks a model: each call costs, so narrow the rows first.",) if entry.asks else ()
            more = (entry.manual,) if entry.manual else ()
            known = (f"Order of rows: {entry.order}. Origin: {entry.origin}.",)
            example = entry.examples[0].program if entry.examples else ""
            return Manual(entry.signature, sentence(entry.summary), (*more, *asks, *known), example)
        case AggregateFunction():
            example = entry.examples[0].program if entry.examples else ""
            return Manual(entry.signature, sentence(f"aggregate: {entry.summary}"), (), example)
        case Function():
            example = ""
            if entry.examples:
                expression, gives = entry.examples[0]
                example = f"{expression}  # {json.dumps(gives, ensure_ascii=False, default=str)}"
            return Manual(entry.signature, sentence(entry.summary), (), example)


def sentence(summary: str) -> str:
    return f"{summary[:1].upper()}{summary[1:]}{'' if summary.endswith('.') else '.'}"


def entry_called(name: str) -> Operator | AggregateFunction | Function | None:
    """The operator of that name, else the function."""
    return table_operators().get(name) or functions().get(name) or aggregates().get(name)


def parameter_words(parameter: Parameter) -> str:
    """What may stand for a parameter."""
    match parameter.kind:
        case kinds.Rows():
            return "another table"
        case kinds.Each(of):
            return {"text": "a text of each row", "bool": "a condition on each row"}.get(of, "a value of each row")
        case kinds.Shown():
            return "what the model is shown: one text of each row, or a list of columns, which are shown by name"
        case kinds.Columns(named):
            return "columns" + (", or new=expression" if named else "")
        case kinds.Keys():
            return "a column, or a list of columns and of name=expression"
        case kinds.SortKeys():
            return "what to sort by; `-x` goes downwards"
        case kinds.Constant(of_type):
            return f"one value of type {of_type}, the same for all rows"
        case kinds.Flag():
            return "`true` or `false`"
        case kinds.Plain():
            return "a text, written out"
        case kinds.Pattern():
            return "an RE2 pattern, written out or bound to a name"
        case kinds.Choice(values, pattern):
            return "one of " + ", ".join(f'"{value}"' for value in values) + (", or an RE2 pattern" if pattern else "")
        case kinds.ResultType(record):
            return "the type of the answers" + (": {name: type, ...}" if record else "")
        case kinds.ColumnTypes():
            return "types of columns: {column: type, ...}"
        case kinds.Words():
            return "words for the model; `{name}` inserts an earlier value"
        case kinds.Labels():
            return "at least two different texts: a list, a param or an earlier list; or a record of what each means"
        case kinds.Numbers():
            return "a positive number for each of some labels: {label: number}"
        case kinds.Demonstrations():
            return "texts as they are shown, each with the fields of its right answer: [{text: ..., ...}]"
        case kinds.NewName():
            return "the name of a new column"
        case kinds.JoinCondition():
            return "a column, a list of columns, or a condition over `left.` and `right.` columns"
        case kinds.Derived():
            return "name=expression, any number of them"
        case kinds.Aggregates():
            return "name=aggregate(...), any number of them"
        case kinds.OfBoth():
            return "text columns of both tables; a name that both have means both"
        case _ as unreachable:
            assert_never(unreachable)
