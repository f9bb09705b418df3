"""Words of a question that ask for a computation, beside what its program computes.

In: an answer beside its question. Out: what speaks against it. Law: words are English, and few: those that ask for one
kind of operator and hardly mean anything else; where a model was asked in words, nothing is said.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from decimal import Decimal

from rlm_dsl.explore.doubts.asked import Asked, digits, numbers_of
from rlm_dsl.language.types import DATE, TIMESTAMP, bare, is_numeric

LONG = 60
"""Words of a question from which on its numbers and months may be about anything."""
ORDERED = frozenset(
    "sort max min mode first last quantile median greatest least search values list describe number".split()
)
NEEDED: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("average", r"\b(?:average|mean|avg)\b", frozenset({"avg", "median", "/", "describe", "mode"})),
    ("median", r"\bmedian\b", frozenset({"median", "quantile", "describe"})),
    ("share", r"\b(?:percent(?:age)?|share|fraction|proportion|ratio)\b|%", frozenset({"/", "avg", "%"})),
    ("different", r"\b(?:distinct|different|unique)\b",
     frozenset({"distinct", "count_distinct", "group", "categories", "except", "!=", "values", "pairs"})),
    ("the most or least",
     r"(?<!at )\b(?:most|highest|largest|biggest|greatest|maximum|longest|latest|newest|priciest|top|"
     r"lowest|smallest|fewest|minimum|shortest|earliest|oldest|cheapest)\b(?! of\b)|(?<!at )\bleast\b", ORDERED),
)  # fmt: skip
"""What a word asks for, the word, and the operators of which one does it."""
HOW_MANY = re.compile(r"\b(?:how many|number of|count of)\s+\w", re.IGNORECASE)
MONTHS = "January February March April May June July August September October November December".split()
MONTH = re.compile(
    rf"\b(?:{'|'.join(month for month in MONTHS if month != 'May')})\b"
    r"|\b(?:in|of|since|until|from|to|through|and) May\b"
)
OF_TIME = frozenset(
    "month month_name format_date quarter year day weekday weekday_name date date_trunc week iso_week second hour "
    "add_months days_between add_days to_date to_timestamp".split()
)
LACKS = "The question asks for {what}, and the program computes none ({instead})."
INSTEAD = {
    "average": "avg(column)",
    "median": "median(column)",
    "share": "a / b",
    "different": "count_distinct(column), distinct(column)",
    "the most or least": "sort(-column), max(column), mode(column)",
}
ONE = re.compile(
    r"^\W*(?:which|what|who)(?: (?:one |single )?[\w-]+){0,2}? "
    r"(?:has|is|was|had|does|did|spent|made|got|paid|sent|gave)\b",
    re.IGNORECASE,
)
SEVERAL = re.compile(r"\b(?:each|every|per|by|all|list|top|and|different|\w+ \d+|between|compare|those|these)\b", re.I)
SINGULAR = "The question asks for one, and the answer has {rows} rows."
NO_NUMBER = "The question asks how many, and the answer holds no number."
NUMBERS = "The question names {numbers}, and nothing in the program does."
TIME = "The question names {month}, and the program looks at no date."
UNUSED = "The question names `{column}`, and the program does not use it."


def computations(asked: Asked) -> Iterator[str]:
    """Words that ask for an operator which the program does not have."""
    if asked.asks:
        return
    for what, words, operators in NEEDED:
        if (
            re.search(words, asked.question, re.IGNORECASE)
            and not operators & asked.calls
            and not in_a_column(asked, words)
        ):
            yield LACKS.format(what=what, instead=INSTEAD[what])
    if HOW_MANY.search(asked.question) and asked.leaves and not any(map(has_number, asked.leaves)):
        yield NO_NUMBER


def one_of_them(asked: Asked) -> Iterator[str]:
    """Several rows where one is asked for."""
    rows = asked.value if isinstance(asked.value, list) else []
    if len(rows) > 1 and ONE.search(asked.question) and not SEVERAL.search(asked.question):
        yield SINGULAR.format(rows=len(rows))


def in_a_column(asked: Asked, words: str) -> bool:
    """Whether the word is the name of a column that the program uses, or stands in a text of it."""
    return any(re.search(words, held.replace("_", " "), re.IGNORECASE) for held in [*asked.names, *asked.texts])


def has_number(leaf: object) -> bool:
    if isinstance(leaf, int | float | Decimal) and not isinstance(leaf, bool):
        return True
    return leaf is None or (isinstance(leaf, str) and any(map(str.isdigit, leaf)))


def numbers(asked: Asked) -> Iterator[str]:
    """Numbers of a short question of which the program holds none; not how many rows there are."""
    if len(asked.question.split()) > LONG or asked.asks:
        return
    warehouse = asked.session.runner.warehouse
    rows = {str(warehouse.count(name)) for name in warehouse.contexts}
    named = numbers_of(asked.question) - rows
    whole = {part for number in named for part in digits(number)}
    in_answer = {each for leaf in asked.leaves if isinstance(leaf, str | datetime.date) for each in digits(str(leaf))}
    if named and not (named | whole) & (asked.numbers | in_answer):
        yield NUMBERS.format(numbers=", ".join(sorted(named)))


def times(asked: Asked) -> Iterator[str]:
    """A month that is named, where there are dates and the program looks at none."""
    found = MONTH.search(asked.question)
    if found is None or len(asked.question.split()) > LONG or asked.asks:
        return
    dated = any(
        bare(column.type) in (DATE, TIMESTAMP)
        for table in asked.session.environment.contexts.values()
        for column in table.columns
    )
    month = found[0].split()[-1]
    in_texts = any(month[:3].lower() in text.lower() or re.search(r"\d{4}-\d\d", text) for text in asked.texts)
    in_answer = any(isinstance(leaf, str) and re.search(r"\d{4}-\d\d|[A-Z][a-z]{2}", leaf) for leaf in asked.leaves)
    if dated and not in_texts and not in_answer and not asked.calls & OF_TIME:
        yield TIME.format(month=month)


def columns(asked: Asked) -> Iterator[str]:
    """Columns of numbers that the question names and the program does not use."""
    if asked.asks:
        return
    tables = asked.session.environment.contexts
    for name, table in tables.items():
        for column in table.columns:
            words = column.name.replace("_", " ").strip()
            told = re.search(rf"\b{re.escape(words)}s?\b", asked.question, re.IGNORECASE) if len(words) > 2 else None
            plain = words.lower() not in SAID and words.lower().rstrip("s") != name.lower().rstrip("s")
            counted = told and COUNTED.search(asked.question[: told.start()])
            if told and plain and not counted and is_numeric(column.type) and column.name not in asked.names:
                yield UNUSED.format(column=column.name)


COUNTED = re.compile(r"\b(?:how many|number of|count of|count)(?: \w+){0,2} ?$", re.IGNORECASE)
"""What stands before the name of what is counted: rows are often called by a column of theirs, as lines are."""
SAID = frozenset("number count total sum amount rank row line year month day week hour minute id the value".split())
"""Names of columns that are words of questions about anything."""
