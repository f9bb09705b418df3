"""Questions in OOLONG's kinds about the rows: counting, users, time, pairs of users.

In: day (ISO), user and label of every row. Out: rows of `id`, `group`, `question`, `answer_type`, `answer`.
Law: an answer lists every accepted one, counted in plain Python from the labels; for pairs it is all the pairs, sorted.
Before and after are strict; what is asked of all of a user's instances of a label is asked of users who have one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

Row = tuple[str, int, str]
"""Day, user, label."""

Question = dict[str, object]
Requests = Sequence[tuple[str, str]]
"""One user's rows: day and label."""

MONTHS = "January February March April May June July August September October November December".split()
LABELS = ("alarm", "calendar", "home", "music", "shopping", "weather")
CUT, FROM, TO = "2023-11-15", "2023-06-01", "2023-08-31"
ONE_LABEL = f"Answer with one of the labels {', '.join(LABELS)}."
NUMBER = "Answer with a number."


def questions(rows: list[Row]) -> list[Question]:
    asked = [*counting(rows), *about_users(rows), *over_time(rows), *pairs(rows)]
    return [{"id": f"o{number:02}", **each} for number, each in enumerate(asked, 1)]


def question(group: str, asked: str, answer_type: str, answer: object) -> Question:
    return {"group": group, "question": asked, "answer_type": answer_type, "answer": answer}


def counting(rows: list[Row]) -> list[Question]:
    labels = Counter(label for _, _, label in rows)
    return [
        question("counting", f"Which label is the most frequent? {ONE_LABEL}", "LABEL", most(labels)),
        question("counting", f"Which label is the least frequent? {ONE_LABEL}", "LABEL", least(labels)),
        *(
            question("counting", f"How many instances have the label {label}? {NUMBER}", "NUMERIC", [labels[label]])
            for label in LABELS
        ),
        versus("counting", "", labels, "alarm", "calendar"),
        versus("counting", "", labels, "weather", "music"),
    ]


def about_users(rows: list[Row]) -> list[Question]:
    users = Counter(user for _, user, _ in rows)
    order = sorted(users, key=lambda user: (-users[user], user))
    return [
        question("user", "Which user has the most instances? Answer with a user ID.", "USER", most(users)),
        question("user", f"How many different users are there? {NUMBER}", "NUMERIC", [len(users)]),
        *(busiest_of_label(rows, label) for label in ("alarm", "shopping")),
        *of_some(rows, order[4:5]),
        *of_some(rows, order[20:23]),
        *of_some(rows, order[100:110]),
    ]


def busiest_of_label(rows: list[Row], label: str) -> Question:
    counts = Counter(user for _, user, each in rows if each == label)
    asked = f"Which user has the most instances with the label {label}? Answer with a user ID."
    return question("user", asked, "USER", most(counts))


def of_some(rows: list[Row], users: list[int]) -> list[Question]:
    """How many of a label, and which label most, among one or several users."""
    labels = Counter(label for _, user, label in rows if user in users)
    lead = f"Among the instances of {'user' if len(users) == 1 else 'users'} {', '.join(map(str, sorted(users)))},"
    return [
        question("user", f"{lead} how many have the label music? {NUMBER}", "NUMERIC", [labels["music"]]),
        question("user", f"{lead} which label is the most frequent? {ONE_LABEL}", "LABEL", most(labels)),
    ]


def over_time(rows: list[Row]) -> list[Question]:
    before = Counter(label for day, _, label in rows if day < CUT)
    after = Counter(label for day, _, label in rows if day > CUT)
    within = Counter(label for day, _, label in rows if FROM <= day <= TO)
    dates = Counter(day for day, _, _ in rows)
    span = f"Among the instances from {written(FROM)} to {written(TO)}, both included,"
    return [
        question("time", "Which date has the most instances? Answer as YYYY-MM-DD.", "DATE", most(dates)),
        question("time", f"How many alarm instances before {written(CUT)}? {NUMBER}", "NUMERIC", [before["alarm"]]),
        question("time", f"How many alarm instances after {written(CUT)}? {NUMBER}", "NUMERIC", [after["alarm"]]),
        share_before_and_after(before, after, "weather"),
        question("time", f"{span} how many have the label home? {NUMBER}", "NUMERIC", [within["home"]]),
        question("time", f"{span} which label is the least frequent? {ONE_LABEL}", "LABEL", least(within)),
        versus("time", f"{span} ", within, "calendar", "shopping"),
        months_with_more(rows, "music", "home"),
    ]


def share_before_and_after(before: Counter[str], after: Counter[str], label: str) -> Question:
    """Compared as fractions over whole numbers, so that nothing is rounded."""
    day = written(CUT)
    asked = (
        f"Is the label {label}, as a share of all instances, more common, less common or the same frequency before "
        f"{day} as after it? Answer with one of: more common, less common, same frequency."
    )
    difference = before[label] * after.total() - after[label] * before.total()
    return question("time", asked, "COMPARISON", [compared(difference, "more common", "less common")])


def months_with_more(rows: list[Row], one: str, other: str) -> Question:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for day, _, label in rows:
        counts[day[:7]][label] += 1
    more = sum(labels[one] > labels[other] for labels in counts.values())
    asked = f"In how many months of a year are there more instances of {one} than of {other}? {NUMBER}"
    return question("time", asked, "NUMERIC", [more])


def versus(group: str, lead: str, labels: Counter[str], one: str, other: str) -> Question:
    start = f"{lead}is" if lead else "Is"
    asked = (
        f"{start} the label {one} more common than, less common than or the same frequency as {other}? "
        f"Answer with one of: more common than, less common than, same frequency as."
    )
    answer = compared(labels[one] - labels[other], "more common than", "less common than", "same frequency as")
    return question(group, asked, "COMPARISON", [answer])


def compared(difference: int, more: str, less: str, same: str = "same frequency") -> str:
    return more if difference > 0 else less if difference < 0 else same


def pairs(rows: list[Row]) -> list[Question]:
    """Three questions whose answers are pairs of users."""
    lead = "List all pairs of user IDs, the lower one first, each pair once,"
    return [
        pair_question(
            rows, f"{lead} where both users have at least three instances of shopping.", many_shop, many_shop
        ),
        pair_question(
            rows,
            f"{lead} where both users have an instance of calendar, and all of their calendar instances are after "
            f"March 15, 2024.",
            plan_late,
            plan_late,
        ),
        pair_question(
            rows,
            f"{lead} where one user has exactly one instance of home and at least two of weather, and the other has at "
            f"least six of music and none of shopping.",
            one_home_some_weather,
            much_music_no_shopping,
        ),
    ]


def many_shop(requests: Requests) -> bool:
    return number(requests, "shopping") >= 3


def plan_late(requests: Requests) -> bool:
    days = [day for day, label in requests if label == "calendar"]
    return bool(days) and min(days) > "2024-03-15"


def one_home_some_weather(requests: Requests) -> bool:
    return number(requests, "home") == 1 and number(requests, "weather") >= 2


def much_music_no_shopping(requests: Requests) -> bool:
    return number(requests, "music") >= 6 and number(requests, "shopping") == 0


def number(requests: Requests, label: str) -> int:
    return sum(each == label for _, each in requests)


def pair_question(
    rows: list[Row], asked: str, one: Callable[[Requests], bool], other: Callable[[Requests], bool]
) -> Question:
    requests: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for day, user, label in rows:
        requests[user].append((day, label))
    first = {user for user, theirs in requests.items() if one(theirs)}
    second = {user for user, theirs in requests.items() if other(theirs)}
    found = [
        [low, high]
        for low, high in combinations(sorted(first | second), 2)
        if (low in first and high in second) or (low in second and high in first)
    ]
    return question("pairs", asked, "PAIRS", found)


def most(counts: Counter[Any]) -> list[Any]:
    """All values that are the most frequent, sorted."""
    return with_count(counts, max(counts.values()))


def least(counts: Counter[Any]) -> list[Any]:
    """All values that are the least frequent among those that occur, sorted."""
    return with_count(counts, min(counts.values()))


def with_count(counts: Counter[Any], wanted: int) -> list[Any]:
    return sorted(value for value, count in counts.items() if count == wanted)


def written(day: str) -> str:
    """`July 7, 2023` for 2023-07-07."""
    year, month, number_of_day = day.split("-")
    return f"{MONTHS[int(month) - 1]} {int(number_of_day)}, {year}"
