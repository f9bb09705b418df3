"""Simple questions to a small root: how many are right, and how many wrong answers are sealed with a doubt and without.

`python benchmarks/small_roots.py --model local:PATH.gguf` asks the weights that are named, `--base-url` any server;
`--model right` plays a root that writes the right program at once, so that each doubt is a false one, `copying` one
that writes the same to all; nothing of these is a model's. The questions are of ten kinds over a table that is made
here; the right value of each is computed beside, in plain Python. With `--card small,medium` each is asked with worked
exchanges and without.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlm_dsl import api
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.explore.loop import Told
from rlm_dsl.testing import serve

ROWS, SEED = 300, 11
CITIES = ("Paris", "Berlin", "Rome", "Oslo", "Madrid", "Vienna")
STATES = ("open", "shipped", "returned", "cancelled")
NAMES = ("Ada", "Ben", "Carla", "Deniz", "Eva", "Finn", "Greta", "Hugo", "Ines", "Jonas")
MONTHS = "January February March April May June July August September October November December".split()
NEAR = 0.006
"""How far a number may be from the right one, relative to it: two digits behind the point are enough."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """A question of a kind, the values that answer it, and a program that does."""

    kind: str
    text: str
    right: tuple[Any, ...]
    program: str


def table(rows: int, seed: int) -> list[Row]:
    chance = random.Random(seed)
    weights = [chance.randint(2, 9) for _ in CITIES]
    first = datetime.date(2024, 1, 1)
    return [
        {
            "id": number,
            "city": chance.choices(CITIES, weights)[0],
            "status": chance.choice(STATES),
            "customer": chance.choice(NAMES),
            "price": chance.randint(300, 9_900) / 100,
            "pieces": chance.randint(1, 9),
            "ordered": first + datetime.timedelta(days=chance.randrange(366)),
        }
        for number in range(1, rows + 1)
    ]


def count_where(rows: list[Row], chance: random.Random) -> Question:
    city = chance.choice(CITIES)
    right = sum(r["city"] == city for r in rows)
    return Question("count where", f"How many orders are from {city}?", (right,), chosen(city=city) + "count()")


def count_other(rows: list[Row], chance: random.Random) -> Question:
    state = chance.choice(STATES)
    asked = "How many orders are still open?" if state == "open" else f"How many orders have been {state}?"
    return Question("count where", asked, (sum(r["status"] == state for r in rows),), chosen(status=state) + "count()")


def most_frequent(rows: list[Row], chance: random.Random) -> Question:
    column = chance.choice(["city", "customer"])
    program = f"orders | group(by={column}, n=count()) | sort(-n) | first({column})"
    return Question("group", f"Which {column} has the most orders?", tied(Counter(r[column] for r in rows)), program)


def tied(counts: Counter[Any]) -> tuple[Any, ...]:
    return tuple(value for value, n in counts.items() if n == max(counts.values()))


def chosen(**values: str) -> str:
    """The head of a program that chooses rows by values of columns."""
    return f"orders | where({' and '.join(f'{column} == {json.dumps(value)}' for column, value in values.items())}) | "


def highest(rows: list[Row], chance: random.Random) -> Question:
    city = chance.choice(CITIES)
    right = max(r["price"] for r in rows if r["city"] == city)
    asked = f"What is the highest price of an order from {city}?"
    return Question("max", asked, (right,), chosen(city=city) + "max(price)")


def lowest(rows: list[Row], chance: random.Random) -> Question:
    right = min(r["price"] for r in rows)
    return Question("max", "What is the lowest price of all orders?", (right,), "orders | min(price)")


def average(rows: list[Row], chance: random.Random) -> Question:
    state = chance.choice(STATES)
    mean = statistics.fmean(r["price"] for r in rows if r["status"] == state)
    asked = f"What is the average price of the orders whose status is {state}?"
    return Question("average", asked, (mean,), chosen(status=state) + "avg(price)")


def top(rows: list[Row], chance: random.Random) -> Question:
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row["customer"]] += round(row["price"] * 100)
    program = "orders | group(by=customer, total=sum(price)) | sort(-total) | first(customer)"
    return Question("top", "Which customer spent the most in total?", tied(sums), program)


def share(rows: list[Row], chance: random.Random) -> Question:
    state = chance.choice(STATES)
    part = sum(r["status"] == state for r in rows) / len(rows)
    program = f"({chosen(status=state)}count()) / count(orders)"
    return Question("share", f"What share of the orders is {state}?", (part, 100 * part), program)


def dates(rows: list[Row], chance: random.Random) -> Question:
    month = chance.randint(1, 12)
    asked = f"How many orders were made in {MONTHS[month - 1]} 2024?"
    program = f"orders | where(year(ordered) == 2024 and month(ordered) == {month}) | count()"
    return Question("dates", asked, (sum(r["ordered"].month == month for r in rows),), program)


def since(rows: list[Row], chance: random.Random) -> Question:
    day = datetime.date(2024, chance.randint(2, 11), 15)
    right = sum(r["ordered"] > day for r in rows)
    asked = f"How many orders were made after {day.isoformat()}?"
    return Question("dates", asked, (right,), f"orders | where(ordered > @{day.isoformat()}) | count()")


def two_conditions(rows: list[Row], chance: random.Random) -> Question:
    city, state = chance.choice(CITIES), chance.choice(STATES)
    right = sum(r["city"] == city and r["status"] == state for r in rows)
    asked = f"How many orders from {city} have the status {state}?"
    return Question("two conditions", asked, (right,), chosen(city=city, status=state) + "count()")


def above(rows: list[Row], chance: random.Random) -> Question:
    city, price = chance.choice(CITIES), chance.choice((20, 40, 60))
    right = sum(r["city"] == city and r["price"] > price for r in rows)
    asked = f"How many orders from {city} cost more than {price}?"
    return Question("two conditions", asked, (right,), chosen(city=city) + f"where(price > {price}) | count()")


def total(rows: list[Row], chance: random.Random) -> Question:
    city = chance.choice(CITIES)
    right = sum(r["pieces"] for r in rows if r["city"] == city)
    asked = f"How many pieces were ordered from {city} in all?"
    return Question("sum", asked, (right,), chosen(city=city) + "sum(pieces)")


def different(rows: list[Row], chance: random.Random) -> Question:
    city = chance.choice(CITIES)
    right = len({r["customer"] for r in rows if r["city"] == city})
    asked = f"How many different customers are there in {city}?"
    return Question("different", asked, (right,), chosen(city=city) + "count_distinct(customer)")


KINDS: tuple[Callable[[list[Row], random.Random], Question], ...] = (
    count_where, most_frequent, highest, average, top, share, dates, two_conditions, total, different, count_other,
    since, above, lowest,
)  # fmt: skip


def questions(rows: list[Row], count: int, seed: int) -> Iterator[Question]:
    """So many questions, the kinds by turns, none twice."""
    chance, asked = random.Random(seed), set[str]()
    number = 0
    while len(asked) < count and number < 50 * count:
        question = KINDS[number % len(KINDS)](rows, chance)
        number += 1
        if question.text not in asked:
            asked.add(question.text)
            yield question


def is_right(value: Any, question: Question) -> bool:
    """Whether an answer is one of the right values: alone, or as the one value of a record, a row or a list; a text
    that was wanted may stand beside its number in one row."""
    if isinstance(value, dict):
        held = list(value.values())
        return (len(held) == 1 and is_right(held[0], question)) or (
            isinstance(question.right[0], str) and sum(isinstance(each, str) for each in held) == 1
            and any(is_right(each, question) for each in held)
        )  # fmt: skip
    if isinstance(value, list):
        return len(value) == 1 and is_right(value[0], question)
    return any(same(value, right) for right in question.right)


def same(value: Any, right: Any) -> bool:
    if isinstance(right, str) or isinstance(value, bool) or value is None:
        return value == right
    try:
        number = float(str(value).removesuffix("%")) if isinstance(value, str | int | float) else float("nan")
    except ValueError:
        return False
    return number == right if isinstance(right, int) else abs(number - right) <= max(NEAR * abs(right), 0.0051)


@dataclass
class Tally:
    """What so many questions came to."""

    asked: int = 0
    right: int = 0
    doubted: int = 0
    undoubted: int = 0
    none: int = 0
    right_doubted: int = 0
    turns: int = 0
    valid: int = 0
    tokens: int = 0
    seconds: float = 0.0
    by_kind: dict[str, list[int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def ask_all(given: argparse.Namespace, path: Path, asked: Sequence[Question], card: str, base_url: str | None) -> Tally:
    tally = Tally()
    with tempfile.TemporaryDirectory() as held:
        for number, question in enumerate(asked):
            ask_one(given, path, question, card, base_url, tally, Path(held) / f"{number}.trace")
            if given.verbose:
                print(
                    f"  {number + 1}/{len(asked)} {tally.wrong[-1] if tally.wrong else ''}", file=sys.stderr, flush=True
                )
    return tally


def ask_one(
    given: argparse.Namespace,
    path: Path,
    question: Question,
    card: str,
    base_url: str | None,
    tally: Tally,
    trace: Path,
) -> None:
    turns: list[Told] = []
    kind = tally.by_kind.setdefault(question.kind, [0, 0])
    started = time.perf_counter()
    more = {} if base_url is None else {"base_url": base_url, "api_key": given.api_key}
    found = None
    try:
        found = api.ask(
            question.text, {"orders": str(path)}, model=given.model, depth=0, turns=given.turns, card=card, trace=trace,
            store=":memory:", shown=turns.append, parameters=dict(given.parameters), **more,
        )  # fmt: skip
    except UserError as failure:
        if failure.code != "turns":
            raise
    tally.seconds += time.perf_counter() - started
    tally.asked += 1
    kind[1] += 1
    tally.turns += len(turns)
    tally.valid += sum(not turn.errors and bool(turn.program.strip()) for turn in turns)
    tally.tokens += sum(tokens_of(trace))
    if found is None:
        tally.none += 1
    elif is_right(found.value, question):
        tally.right += 1
        kind[0] += 1
        tally.right_doubted += bool(found.doubts)
    else:
        on_record = bool(found.doubts) or bool(found.not_answered)
        tally.doubted += on_record
        tally.undoubted += not on_record
        last = " ".join(found.program.split("\n\n", 1)[-1].split())
        doubt = "doubted" if on_record else "NO DOUBT"
        tally.wrong.append(f"{doubt}: {question.text} -> {json.dumps(found.value, default=str)[:60]} by {last[:160]}")


def tokens_of(trace: Path) -> Iterator[int]:
    """The tokens that the server counted, of each call in a trace's log."""
    for line in (trace / "events.jsonl").read_text("utf-8").splitlines():
        event = json.loads(line)
        if event["type"] == "call.end":
            yield event.get("gen_ai.usage.input_tokens", 0) + event.get("gen_ai.usage.output_tokens", 0)


@contextmanager
def reached(given: argparse.Namespace, asked: Sequence[Question]) -> Iterator[str | None]:
    if given.model not in PLAYED:
        yield given.base_url
        return
    with serve(script=PLAYED[given.model](asked)) as server:
        yield server.base_url


PLAYED: dict[str, Callable[[Sequence[Question]], Any]] = {
    "right": lambda asked: {question.text: [f"answer {question.program}"] for question in asked},
    "copying": lambda asked: ['answer orders | where(city == "Berlin") | count()'],
}


def report(card: str, tally: Tally) -> str:
    wrong = tally.doubted + tally.undoubted
    rows = [
        ("right", f"{tally.right} of {tally.asked}, {tally.right_doubted} of them with a doubt on record"),
        ("wrong, sealed with a doubt on record", f"{tally.doubted} of {wrong}"),
        ("wrong, sealed without a doubt", f"{tally.undoubted} of {wrong}"),
        ("no answer", f"{tally.none}"),
        ("valid replies", f"{tally.valid} of {tally.turns}"),
        ("turns a question", f"{tally.turns / max(1, tally.asked):.1f}"),
        ("tokens a question", f"{tally.tokens / max(1, tally.asked):,.0f}"),
        ("seconds a question", f"{tally.seconds / max(1, tally.asked):.1f}"),
        ("right by kind", ", ".join(f"{kind} {right}/{n}" for kind, (right, n) in tally.by_kind.items())),
    ]
    lines = [f"| card {card} | |", "|---|---|", *(f"| {name} | {told} |" for name, told in rows)]
    return "\n".join([*lines, "", *tally.wrong])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", required=True, help="local:PATH.gguf, a server's name for it; right or copying: played"
    )
    parser.add_argument("--base-url")
    parser.add_argument("--api-key", default="none")
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--card", default="small,medium", help="sizes, each of which is asked with")
    parser.add_argument("--parameter", dest="parameters", action="append", default=[], type=pair, help="NAME=JSON")
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    rows = table(given.rows, given.seed)
    asked = list(questions(rows, given.questions, given.seed))
    with tempfile.TemporaryDirectory() as held, reached(given, asked) as base_url:
        path = Path(held) / "orders.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        for card in given.card.split(","):
            print(report(card, ask_all(given, path, asked, card, base_url)), flush=True)


def pair(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, json.loads(value)


if __name__ == "__main__":
    main()
