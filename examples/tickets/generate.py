"""Writes the example's tickets and their gold labels: `python examples/tickets/generate.py [FOLDER]`.

In: the texts of `texts/`, one file a topic, and one seed. Out: tickets.csv, gold.csv, gold.jsonl, questions.jsonl.
Law: the same bytes on every machine and Python; a body never has two topics; ids follow the days.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random

from chance import happens, pick, weighted
from people import TOPICS, Person, people
from questions import questions
from wording import body

HERE = Path(__file__).parent
SEED = 20250118
COUNT = 5000
FIRST_DAY = date(2025, 1, 1)
SHORT = 60
"""Characters below which two people may write the same."""

SHARES = {"billing": 27, "technical": 25, "account": 14, "shipping": 18, "feedback": 9, "other": 7}
"""Of a hundred tickets by somebody without a lean, in a month like any other."""

CONDITION = re.compile(r"\(([a-z]{2}|[\d,]+)\) (.*)")


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it stands in its file; `country` and `months` say who writes it and when, empty for all."""

    template: str
    country: str = ""
    months: tuple[int, ...] = ()

    def suits(self, writer: Person, sent: date) -> bool:
        jotted = self.template[0].islower() and writer.care == "tidy"
        here = self.country in ("", writer.country)
        return here and not jotted and (not self.months or sent.month in self.months)


@dataclass(frozen=True, slots=True)
class Ticket:
    number: int
    user: str
    sent: date
    body: str
    topic: str


def texts(topic: str) -> list[Text]:
    lines = (HERE / "texts" / f"{topic}.txt").read_text(encoding="utf-8").split("\n")
    return [text(line) for line in lines if line and not line.startswith("# ")]


def text(line: str) -> Text:
    found = CONDITION.fullmatch(line)
    if found is None:
        return Text(line)
    condition, template = found.groups()
    if condition.isalpha():
        return Text(template, country=condition)
    return Text(template, months=tuple(int(month) for month in condition.split(",")))


def tickets(seed: int = SEED) -> list[Ticket]:
    rng = Random(seed)
    pools = {topic: texts(topic) for topic in TOPICS}
    everyone = {person: person.activity for person in people(rng)}
    known: dict[str, str] = {}
    said: dict[str, list[Text]] = {}
    made = []
    for number, sent in enumerate(days(rng), 1):
        writer = weighted(rng, everyone)
        before = said.setdefault(writer.user, [])
        ticket = fresh_ticket(rng, number, sent, writer, pools, before, known)
        known[ticket.body] = ticket.topic
        made.append(ticket)
    return made


def days(rng: Random) -> list[date]:
    """The days on which tickets are sent, in order: fewer at weekends, more before Christmas."""
    year = [FIRST_DAY + timedelta(days=offset) for offset in range(365)]
    busy = {day: (5 if day.weekday() > 4 else 9) + (4 if day.month == 12 else 0) for day in year}
    return sorted(weighted(rng, busy) for _ in range(COUNT))


def fresh_ticket(
    rng: Random,
    number: int,
    sent: date,
    writer: Person,
    pools: dict[str, list[Text]],
    before: list[Text],
    known: dict[str, str],
) -> Ticket:
    """A ticket whose text its writer has not used yet (a jotted line may come again); its body has one topic."""
    topic = weighted(rng, shares(writer, sent))
    suitable = [each for each in pools[topic] if each.suits(writer, sent)]
    while True:
        chosen = pick(rng, suitable)
        if chosen in before and not (len(chosen.template) < 30 and happens(rng, 30)):
            continue
        written = body(rng, chosen.template, topic, writer, sent)
        if known.get(written, topic) == topic and (written not in known or len(written) < SHORT):
            before.append(chosen)
            return Ticket(number, writer.user, sent, written, topic)


def shares(writer: Person, sent: date) -> dict[str, int]:
    """What this writer writes about in this month: prices rose in March, parcels are late before Christmas."""
    parts = dict(SHARES)
    parts[writer.lean] += 12
    if sent.month == 3:
        parts["billing"] += 16
    if sent.month > 10:
        parts["shipping"] += 14
    return parts


def csv(header: str, rows: Iterable[Sequence[object]]) -> str:
    """RFC 4180, but for its line ends, which are LF."""
    return header + "\n" + "".join(",".join(quoted(str(value)) for value in row) + "\n" for row in rows)


def quoted(value: str) -> str:
    plain = value == value.strip() and not any(mark in value for mark in '",\r\n')
    return value if plain else '"' + value.replace('"', '""') + '"'


def json_lines(rows: Iterable[object]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def files(made: list[Ticket]) -> dict[str, str]:
    """Each file's name and text."""
    topics = {ticket.body: ticket.topic for ticket in made}
    return {
        "tickets.csv": csv("id,user,sent,body", [(each.number, each.user, each.sent, each.body) for each in made]),
        "gold.csv": csv("id,topic", [(each.number, each.topic) for each in made]),
        "gold.jsonl": json_lines({"text": written, "label": topic} for written, topic in topics.items()),
        "questions.jsonl": json_lines(questions([(each.user, each.sent, each.topic) for each in made])),
    }


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files(tickets()).items():
        (folder / name).write_bytes(content.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
