"""Writes the example in OOLONG's form: `python examples/oolong/generate.py [FOLDER]`.

In: the texts of `texts/`, one file a label, and one seed. Out: context.txt, rows.jsonl, gold.jsonl, questions.jsonl.
Law: the same bytes on every machine and Python (only `Random.random()` is used); a text never has two labels.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import TypeVar

from questions import MONTHS, questions

HERE = Path(__file__).parent
SEED = 4110
COUNT = 3000
SHARES = {"home": 27, "music": 22, "weather": 18, "alarm": 14, "calendar": 12, "shopping": 7}
"""Of a hundred requests."""

REGULARS, PASSERS_BY = 250, 50
REGULAR_ROWS = 96
"""Of a hundred rows, those by regulars."""

FIRST_DAY, LAST_DAY = date(2023, 3, 1), date(2024, 6, 30)
Item = TypeVar("Item")

SLOTS: dict[str, tuple[str, ...]] = {
    "time": (
        "six", "half past six", "7:15", "quarter to eight", "5 am", "8", "6:45", "noon", "ten past nine",
        "7 pm", "4:30",
    ),
    "minutes": ("five", "ten", "12", "15", "20", "twenty-five", "40", "forty five", "90", "seven", "3"),
    "seconds": ("30", "45", "sixty", "90"),
    "dish": (
        "pasta", "rice", "lasagne", "bread", "pizza", "soup", "pancakes", "potato salad", "curry", "apple pie",
        "stew",
    ),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "artist": (
        "Nina Simone", "Miles Davis", "Mozart", "Bach", "Ella Fitzgerald", "Django Reinhardt", "Clara Schumann",
        "Édith Piaf", "Robert Johnson", "Erik Satie", "Cesária Évora", "Buddy Holly",
    ),
    "genre": (
        "jazz", "techno", "bossa nova", "country", "piano music", "punk", "salsa", "soul", "film music",
        "reggae", "folk",
    ),
    "activity": (
        "cooking", "the gym", "homework", "the drive", "cleaning", "yoga", "running", "the bath",
        "dinner with friends",
    ),
    "topic": (
        "history", "football", "space", "money", "gardening", "true crime", "cooking", "chess",
        "language learning",
    ),
    "decade": ("sixties", "seventies", "eighties", "nineties", "2000s"),
    "room": (
        "kitchen", "bedroom", "bathroom", "living room", "hall", "study", "nursery", "attic", "cellar",
        "guest room",
    ),
    "lamp": ("ceiling light", "floor lamp", "desk lamp", "fairy lights", "bedside lamp", "porch light", "chandelier"),
    "appliance": ("dishwasher", "washing machine", "dryer", "oven", "coffee machine", "air purifier", "rice cooker"),
    "colour": ("red", "blue", "warm orange", "green", "purple", "pink"),
    "percent": ("10", "20", "thirty", "50", "70", "eighty"),
    "temperature": ("18", "19", "twenty", "21", "22", "23"),
    "hot": ("160", "180", "200", "220"),
    "number": ("two", "three", "four", "5", "six", "8"),
    "tens": ("20", "30", "fifty"),
    "city": (
        "Lisbon", "Oslo", "Leeds", "Kraków", "Vienna", "Boston", "Nairobi", "Seville", "Cork", "Zürich", "Hanoi",
        "Quito",
    ),
    "month": ("January", "February", "March", "April", "May", "July", "August", "October", "November"),
    "item": (
        "oat milk", "eggs", "flour", "coffee", "toilet paper", "bananas", "washing powder", "olive oil", "light bulbs",
        "rye bread", "cat litter", "lemons", "batteries", "crème fraîche", "tea", "bin bags",
    ),
    "shop": ("supermarket", "bakery", "chemist's", "garden centre", "market", "hardware shop", "butcher's"),
    "person": (
        "Mum", "Anna", "Uncle Bob", "Dr Lee", "José", "the plumber", "my sister", "Grandpa", "Ling", "Tomasz",
        "my boss",
    ),
    "event": (
        "dentist", "haircut", "team meeting", "parents' evening", "yoga class", "choir rehearsal", "eye test",
        "book club",
        "car inspection", "job interview", "piano lesson", "blood test",
    ),
    "date": (
        "March 3", "the 4th of May", "June 21", "12 September", "the 30th", "October 9", "the first of August",
        "July 14",
    ),
    "chore": (
        "pay the rent", "call the bank", "take my pills", "water the ferns", "feed the neighbour's cat",
        "hand in the form",
        "renew my passport", "return the library books", "write to the school", "charge the car", "sign the contract",
    ),
}  # fmt: skip


ENOUGH = re.compile(r"^(I|it|there|the|we|who|did)\b|\bplease\b|(\?|bitte|plaît)$")
"""Requests to which no word of courtesy is added."""


@dataclass(frozen=True, slots=True)
class Row:
    idx: int
    date: str
    user: int
    text: str
    label: str


def pick(rng: Random, items: Sequence[Item]) -> Item:
    return items[int(rng.random() * len(items))]


def weighted(rng: Random, weights: Mapping[Item, int]) -> Item:
    """An item, as often as its weight says; weights are whole numbers."""
    left = int(rng.random() * sum(weights.values()))
    for item, weight in weights.items():
        left -= weight
        if left < 0:
            return item
    raise AssertionError("weights sum to what was drawn from")


def templates(label: str) -> list[str]:
    lines = (HERE / "texts" / f"{label}.txt").read_text(encoding="utf-8").split("\n")
    return [line for line in lines if line and not line.startswith("# ")]


def filled(rng: Random, template: str) -> str:
    """A template with its alternatives chosen and its slots filled: `{item2}` is another item than `{item}`."""
    used: dict[str, str] = {}

    def phrase(found: re.Match[str]) -> str:
        choices = [each for each in SLOTS[found[1]] if each not in used.values()]
        return used.setdefault(found[0], pick(rng, choices))

    chosen = re.sub(r"\[([^\[\]]*)\]", lambda found: pick(rng, found[1].split("|")), template)
    return re.sub(r"\{([a-z]+)\d?\}", phrase, chosen)


def said(rng: Random, template: str) -> str:
    """A request as it was heard: with a name called or a word of courtesy, a capital or a mark at times."""
    text = filled(rng, template)
    before = weighted(rng, {"": 84, "hey ": 4, "ok, ": 4, "um, ": 2, "right, ": 2, "listen, ": 2})
    after = weighted(rng, {"": 92, " please": 5, ", thanks": 3})
    text = before + text + ("" if ENOUGH.search(text) else after)
    return text[0].upper() + text[1:] + ("" if text.endswith("?") else ".") if int(rng.random() * 100) < 18 else text


def users(rng: Random) -> tuple[dict[int, int], dict[int, int]]:
    """Regulars and passers-by, each with a weight; five digits each, all different."""
    numbers: list[int] = []
    while len(numbers) < REGULARS + PASSERS_BY:
        number = 10000 + int(rng.random() * 90000)
        if number not in numbers:
            numbers.append(number)
    regulars = {number: 4 + int(rng.random() * 17) for number in numbers[:REGULARS]}
    return regulars, dict.fromkeys(numbers[REGULARS:], 1)


def rows(seed: int = SEED) -> list[Row]:
    rng = Random(seed)
    pools = {label: templates(label) for label in SHARES}
    regulars, passers_by = users(rng)
    known: dict[str, str] = {}
    made: list[Row] = []
    while len(made) < COUNT:
        label = weighted(rng, SHARES)
        text = said(rng, pick(rng, pools[label]))
        user = weighted(rng, regulars if int(rng.random() * 100) < REGULAR_ROWS else passers_by)
        day = FIRST_DAY + timedelta(days=int(rng.random() * ((LAST_DAY - FIRST_DAY).days + 1)))
        if known.setdefault(text, label) == label:
            made.append(Row(len(made), day.isoformat(), user, text, label))
    return made


def line(row: Row) -> str:
    year, month, day = row.date.split("-")
    return f"Date: {MONTHS[int(month) - 1][:3]} {day}, {year} || User: {row.user} || Instance: {row.text}\n"


def json_lines(values: Iterable[object]) -> str:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def files(made: list[Row]) -> dict[str, str]:
    """Each file's name and text."""
    labels = {row.text: row.label for row in made}
    return {
        "context.txt": "".join(line(row) for row in made),
        "rows.jsonl": json_lines(asdict(row) for row in made),
        "gold.jsonl": json_lines({"text": text, "label": label} for text, label in labels.items()),
        "questions.jsonl": json_lines(questions([(row.date, row.user, row.label) for row in made])),
    }


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files(rows()).items():
        (folder / name).write_bytes(content.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
