"""Worlds of the OOLONG form (Bertsch et al., arXiv 2511.02817): dated lines of users whose label is hidden, and six
questions about them with the one right answer of each.

A world is made here from a seed, or read from a folder with `context.txt` (what a program may see) and `rows.jsonl`
(date, user_id, text, label of each line).
"""

from __future__ import annotations

import datetime
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

KINDS = {
    "abbreviation": ("What does {} stand for?", "What is the full form of {}?", "Which words does {} shorten?"),
    "description": ("What is {} made for?", "How does {} work?", "Why do people care about {}?"),
    "entity": ("What colour is {} in spring?", "Which animal lives beside {}?", "What instrument plays {} best?"),
    "human": ("Who invented {} first?", "Which painter loved {} most?", "Who wrote about {} in the paper?"),
    "location": ("Where can one find {} today?", "In which country lies {} now?", "What city is known for {}?"),
    "numeric": ("How many {} are there?", "When was {} built?", "How long is {} from end to end?"),
}
FIRST = "amber birch cedar delta ember fern grove haven iris juniper kelp larch maple north ochre pine".split()
SECOND = "bridge castle engine garden harbour island lantern market orchard palace river station temple tower".split()
START, DAYS = datetime.date(2022, 2, 16), 1_220


@dataclass(frozen=True, slots=True)
class Line:
    date: datetime.date
    user: int
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class World:
    """`context` is what may be seen."""

    context: str
    lines: tuple[Line, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """`kind` says which of the six; `labels` and `dates` are what it speaks of; `answer` is the right one."""

    kind: str
    text: str
    answer: str
    labels: tuple[str, ...] = ()
    dates: tuple[datetime.date, ...] = ()


def made_world(rows: int, seed: int) -> World:
    draw = random.Random(seed)
    labels = tuple(KINDS)
    weights = [draw.uniform(1, 6) for _ in labels]
    users = draw.sample(range(10_000, 100_000), rows // 10)
    lines: list[Line] = []
    seen: set[str] = set()
    while len(lines) < rows:
        label = draw.choices(labels, weights)[0]
        thing = f"{draw.choice(FIRST)} {draw.choice(SECOND)} {draw.randint(2, 99)}"
        text = draw.choice(KINDS[label]).format(f"the {thing}")
        if text not in seen:
            seen.add(text)
            lines.append(Line(START + datetime.timedelta(draw.randrange(DAYS)), draw.choice(users), text, label))
    head = (
        f"The following lines contain {rows} general-knowledge questions, one per line. Each can be classified as one "
        f"of {len(labels)} categories: {', '.join(map(repr, labels))}.\n"
    )
    shown = [f"Date: {one.date:%b %d, %Y} || User: {one.user} || Instance: {one.text}" for one in lines]
    return World(head + "\n" + "\n".join(shown) + "\n", tuple(lines), labels)


def read_world(folder: Path) -> World:
    held = [json.loads(row) for row in (folder / "rows.jsonl").read_text("utf-8").splitlines()]
    lines = tuple(
        Line(datetime.date.fromisoformat(row["date"]), row["user_id"], row["text"], row["label"]) for row in held
    )
    return World((folder / "context.txt").read_text("utf-8"), lines, tuple(sorted({one.label for one in lines})))


def questions(world: World) -> list[Question]:
    """The six: a count, the most frequent, two compared, the user with most, a range of dates, pairs of users."""
    counts = Counter(one.label for one in world.lines)
    ordered = sorted(counts, key=lambda label: (-counts[label], label))
    common, second, rare = ordered[0], ordered[1], ordered[-1]
    users = Counter(one.user for one in world.lines if one.label == common)
    top = min(users, key=lambda user: (-users[user], user))
    dates = (START + datetime.timedelta(DAYS // 4), START + datetime.timedelta(DAYS * 2 // 3))
    within = Counter(one.label for one in world.lines if dates[0] <= one.date <= dates[1])
    either = sorted({one.user for one in world.lines if one.label == rare})
    said = ", ".join(world.labels)
    span = f"{dates[0]:%b %d, %Y} and {dates[1]:%b %d, %Y}"
    return [
        Question(
            "count",
            f"In the above data, how many data points should be classified as label '{second}'? Give your final answer "
            "in the form 'Answer: number'.",
            f"Answer: {counts[second]}",
            (second,),
        ),
        Question(
            "most frequent",
            "In the above data, which of the labels is the most common? Give your final answer in the form 'Label: "
            f"answer' where answer is one of the labels: {said}.",
            f"Label: {common}",
        ),
        Question(
            "two compared",
            f"In the above data, is label '{second}' more common, less common, or the same frequency as label "
            f"'{rare}'? Give your final answer in the form 'Answer: {second} is [X] {rare}'.",
            f"Answer: {second} is {compared(counts[second], counts[rare])} {rare}",
            (second, rare),
        ),
        Question(
            "top user",
            f"In the above data, which user has the most data points of label '{common}' (of equal ones the lowest "
            "ID)? Give your final answer in the form 'User: [X]'.",
            f"User: {top}",
            (common,),
        ),
        Question(
            "date range",
            f"Only consider the instances that occur between {span}, inclusive. Among these, how many data points "
            f"should be classified as label '{common}'? Give your final answer in the form 'Answer: number'.",
            f"Answer: {within[common]}",
            (common,),
            dates,
        ),
        Question(
            "pairs",
            f"In the above data, how many pairs of user IDs are there where both users have at least one instance of "
            f"label '{rare}'? Give your final answer in the form 'Answer: number'.",
            f"Answer: {sum(1 for _ in combinations(either, 2))}",
            (rare,),
        ),
    ]


def compared(one: int, other: int) -> str:
    return "more common than" if one > other else "less common than" if one < other else "same frequency as"


def right(answers: Sequence[str], asked: Sequence[Question]) -> int:
    return sum(given.strip() == question.answer for given, question in zip(answers, asked, strict=True))
