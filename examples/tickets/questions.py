"""Questions about the tickets, with answers by construction.

In: user, day and topic of every ticket. Out: rows of `id`, `question`, `answer`.
Law: an answer is counted in plain Python from labels known before the texts were written; none hangs on a tie.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date

Row = tuple[str, date, str]
"""User, day, topic."""

THREE = ("u17", "u42", "u88")
MARCH, MAY = date(2025, 3, 1), date(2025, 5, 1)


def questions(rows: list[Row]) -> list[dict[str, object]]:
    asked = [*about_users(rows), *about_topics(rows), *about_days(rows)]
    return [{"id": f"t{number:02}", "question": ask, "answer": told} for number, (ask, told) in enumerate(asked, 1)]


def about_users(rows: list[Row]) -> list[tuple[str, object]]:
    theirs = [topic for user, _, topic in rows if user in THREE]
    busiest = most(user for user, _, _ in rows)
    return [
        ("How many billing questions did u17, u42 and u88 send?", theirs.count("billing")),
        ("How many tickets did u17, u42 and u88 send in all?", len(theirs)),
        ("Which topic do u17, u42 and u88 together write about most?", most(theirs)),
        (f"Which topic does {busiest} write about most?", most(topic for user, _, topic in rows if user == busiest)),
        ("Which user sent the most billing tickets?", most(user for user, _, topic in rows if topic == "billing")),
        (
            "How many users sent an account ticket but no billing ticket?",
            len(users_of(rows, "account") - users_of(rows, "billing")),
        ),
    ]


def about_topics(rows: list[Row]) -> list[tuple[str, object]]:
    topics = Counter(topic for _, _, topic in rows)
    return [
        ("How many tickets are there of each topic?", dict(sorted(topics.items()))),
        ("Which topic do the fewest tickets have?", most(topics.elements(), fewest=True)),
    ]


def about_days(rows: list[Row]) -> list[tuple[str, object]]:
    spring = [topic for _, sent, topic in rows if MARCH <= sent < MAY]
    by_month = Counter(f"{sent:%Y-%m}" for _, sent, topic in rows if topic == "billing")
    december = {user for user, sent, topic in rows if topic == "shipping" and sent.month == 12}
    return [
        ("How many billing tickets were sent from 2025-03-01 to 2025-04-30?", spring.count("billing")),
        ("In which month were the most shipping tickets sent?", most(months(rows, "shipping"))),
        ("How many different users sent a shipping ticket in December 2025?", len(december)),
        ("How many billing tickets were sent in each month?", dict(sorted(by_month.items()))),
    ]


def months(rows: list[Row], topic: str) -> list[str]:
    return [f"{sent:%Y-%m}" for _, sent, each in rows if each == topic]


def users_of(rows: list[Row], topic: str) -> set[str]:
    return {user for user, _, each in rows if each == topic}


def most(values: Iterable[str], fewest: bool = False) -> str:
    """The most frequent value (or the least). Raises ValueError if several are."""
    counts = Counter(values)
    wanted = (min if fewest else max)(counts.values())
    found = [value for value, count in counts.items() if count == wanted]
    if len(found) > 1:
        raise ValueError(f"tied: {', '.join(found)}")
    return found[0]
