"""How long a turn's grammar takes to write, and how large it is: `python benchmarks/reply_grammar.py`.

In: nothing; three tables of ten columns, and turns that bind a table or a value each. Out: processor time and signs of
the first turn, of the later ones in the middle and at most. Law: time is of this process alone, so that what else the
machine does is not measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.operators.core.registry import functions, table_operators
from rlm_dsl.language.reply_grammar.replies import reply_grammar
from rlm_dsl.language.reply_grammar.vocabulary import vocabulary_of
from rlm_dsl.language.syntax.parse import parse

TURNS, TABLES, STATEMENTS = 20, 3, 6
QUESTION = "Which customers paid late most often, and how many orders did each of them send back?"
TYPES = ("int", "text", "text", "date", "float", "bool", "timestamp", "text?", "int?", "list[text]")
BOUND = (
    "late_{at} = table_{of} | where(first_{of} > {at})",
    "per_{at} = table_{of} | group(by=second_{of}, n=count()) | sort(-n)",
    "count_{at} = table_{of} | count()",
    "wide_{at} = table_{of} | derive(more_{at}=first_{of} + 1)",
)
NAMES = ("first", "second", "third", "sent", "price", "paid", "at", "note", "age", "tags")


@dataclass(frozen=True, slots=True)
class Written:
    """A turn's grammar: seconds of the processor, and its signs."""

    seconds: float
    signs: int


def environment() -> Environment:
    """Three tables of ten columns each. Operators are read, as they are before a root model is asked anything."""
    table_operators(), functions()
    tables = {}
    for of in range(TABLES):
        columns = ", ".join(f"{name}_{of}: {type_}" for name, type_ in zip(NAMES, TYPES, strict=True))
        tables[f"table_{of}"] = parse_table_type(f"table({columns})")
    return Environment(tables)


def turns() -> Iterator[Written]:
    """The grammars of a run's turns, one after the other; each turn binds one more name."""
    bound = environment()
    for at in range(TURNS):
        begun = time.process_time()
        text = reply_grammar(vocabulary_of(bound, QUESTION), STATEMENTS)
        yield Written(time.process_time() - begun, len(text))
        statement = BOUND[at % len(BOUND)].format(at=at, of=at % TABLES)
        bound = check(parse(Source("turn", statement)), bound).environment


def main() -> None:
    found = list(turns())
    later = [1000 * each.seconds for each in found[1:]]
    print(f"{TURNS} turns over {TABLES} tables of {len(TYPES)} columns, processor time of one process")
    print(
        f"first turn {1000 * found[0].seconds:.1f} ms; later ones {median(later):.1f} ms, at most {max(later):.1f} ms"
    )
    print(f"signs of the grammar: {found[0].signs:,} in the first turn, {max(each.signs for each in found):,} at most")


if __name__ == "__main__":
    main()
