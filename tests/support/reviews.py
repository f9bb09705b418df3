"""Recorded runs whose steps ask in every way that a person can review: labels, few and many, yes and no, fields, pairs,
scores.

In: a folder, a kind. Out: a sealed trace. The answers are the testing endpoint's, from labels.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rlm_dsl import api
from rlm_dsl.testing import serve

COUNT = 80
MANY = [
    f"{verb}_{thing}" for verb in ("lost", "late", "wrong", "ask_for") for thing in (*"abcdefghijklmnopqrs", "card")
]
"""Eighty labels, as of banking77."""
PROGRAMS = {
    "labels": 't = tickets | classify(on=body, labels=["billing", "technical", "account", "shipping", "feedback", '
    '"other"], into=topic, guide="What does the writer want done first?")\n'
    'answer {billing: t | where(topic == "billing") | count(), by_topic: t | group(by=topic, n=count())}\n',
    "many": "t = tickets | classify(on=body, labels=[{}], into=intent)\n"
    'answer t | where(intent == "lost_card") | count()\n'.format(", ".join(f'"{label}"' for label in MANY)),
    "yes": 't = tickets | keep("The writer was charged twice.", on=body)\nanswer count(t)\n',
    "fields": 't = tickets | ask("What was paid, when, and how urgent is it?", on=[user, body], '
    'returns={amount: decimal(2)?, day: date?, urgent: bool, mood: enum["calm", "angry"], words: text})\n'
    'answer {sum: t | sum(amount), angry: t | where(mood == "angry") | count()}\n',
    "pairs": 't = tickets | match(users, "The ticket is by this user.", on=[body, user, name], top=2)\n'
    "answer count(t)\n",
    "scores": 't = tickets | ask("How angry is the writer, from 0 to 4?", on=body, returns={score: int})\n'
    "answer t | avg(score)\n",
}


def body(number: int) -> str:
    what = ("my card was charged twice", "how do I log in", "where is my parcel, it should have been here on Monday")
    return f"{what[number % 3]} ({number})"


def label(number: int) -> str:
    return ("billing", "account", "shipping")[number % 3]


def gold(shown: str, schema: Any) -> dict[str, Any]:
    """What the endpoint answers; of each ninth ticket it has the wrong label."""
    number = int([*re.findall(r"\((\d+)\)", shown), "0"][0])
    user = re.findall(r"\bu\d\b", shown)
    return {
        "label": label(number + (number % 9 == 0)),
        "holds": user[0] == user[1] if len(user) == 2 else number % 3 == 0,
        "score": number % 5,
        "amount": number + 0.5 if number % 2 else None,
        "day": f"2026-11-{number % 28 + 1:02}",
        "urgent": number % 2 == 0,
        "mood": "angry" if number % 5 == 0 else "calm",
        "words": "charged twice",
    }


def intent(shown: str, schema: Any) -> dict[str, Any]:
    return {"label": MANY[int(re.findall(r"\((\d+)\)", shown)[0]) % len(MANY)]}


def reviewed(folder: Path, kind: str, name: str = "run.trace") -> Path:
    """A sealed trace of a kind's program, over `tickets.csv` and `users.csv` in the folder."""
    rows = "".join(f'{n},u{n % 4},"{body(n)}"\n' for n in range(1, COUNT + 1))
    (folder / "tickets.csv").write_text("id,user,body\n" + rows)
    (folder / "users.csv").write_text("name,city\n" + "".join(f"u{n},Town {n}\n" for n in range(4)))
    contexts = {"tickets": str(folder / "tickets.csv")}
    if kind == "pairs":
        contexts["users"] = str(folder / "users.csv")
    with serve(gold=intent if kind == "many" else gold) as server:
        api.run(PROGRAMS[kind], contexts, model="m", base_url=server.base_url, trace=folder / name)
    return folder / name
