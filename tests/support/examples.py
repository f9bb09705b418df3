"""The examples' data and questions, and each question as SQL over the rows and their labels.

In: an example's name. Out: its rows, a database of them, queries by question. Law: nothing here uses the language.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from typing import Any

from tests.support.paths import EXAMPLES

ONLY_THREE = "user IN ('u17', 'u42', 'u88')"
TICKETS_SQL = {
    "t01": f"SELECT count(*) FROM rows WHERE {ONLY_THREE} AND label = 'billing'",
    "t02": f"SELECT count(*) FROM rows WHERE {ONLY_THREE}",
    "t03": f"SELECT label FROM rows WHERE {ONLY_THREE} GROUP BY label ORDER BY count(*) DESC LIMIT 1",
    "t04": """
        SELECT label FROM rows WHERE user = (SELECT user FROM rows GROUP BY user ORDER BY count(*) DESC LIMIT 1)
        GROUP BY label ORDER BY count(*) DESC LIMIT 1""",
    "t05": "SELECT user FROM rows WHERE label = 'billing' GROUP BY user ORDER BY count(*) DESC LIMIT 1",
    "t06": """
        SELECT count(*) FROM (SELECT user FROM rows GROUP BY user
        HAVING sum(label = 'account') > 0 AND sum(label = 'billing') = 0)""",
    "t07": "SELECT label, count(*) FROM rows GROUP BY label ORDER BY label",
    "t08": "SELECT label FROM rows GROUP BY label ORDER BY count(*) LIMIT 1",
    "t09": "SELECT count(*) FROM rows WHERE label = 'billing' AND day BETWEEN '2025-03-01' AND '2025-04-30'",
    "t10": """
        SELECT substr(day, 1, 7) FROM rows WHERE label = 'shipping' GROUP BY substr(day, 1, 7)
        ORDER BY count(*) DESC LIMIT 1""",
    "t11": "SELECT count(DISTINCT user) FROM rows WHERE label = 'shipping' AND day LIKE '2025-12-%'",
    "t12": "SELECT substr(day, 1, 7), count(*) FROM rows WHERE label = 'billing' GROUP BY 1 ORDER BY 1",
}

SUMMER = "day BETWEEN '2023-06-01' AND '2023-08-31'"
CUT = "'2023-11-15'"


def ranked(value: str, where: str = "true", how: str = "max") -> str:
    """All values of a column that are the most (or the least) frequent, sorted."""
    counts = f"SELECT {value} AS value, count(*) AS n FROM rows WHERE {where} GROUP BY {value}"
    return f"WITH counts AS ({counts}) SELECT value FROM counts WHERE n = (SELECT {how}(n) FROM counts) ORDER BY value"


def number(where: str) -> str:
    return f"SELECT count(*) FROM rows WHERE {where}"


def versus(one: str, other: str, where: str = "true") -> str:
    return f"""
        SELECT CASE sign(sum(label = '{one}') - sum(label = '{other}'))
        WHEN 1 THEN 'more common than' WHEN -1 THEN 'less common than' ELSE 'same frequency as' END
        FROM rows WHERE {where}"""


def user_pairs(one: str, other: str) -> str:
    return f"""
        WITH known AS (SELECT user, ({one}) AS one, ({other}) AS other FROM rows GROUP BY user)
        SELECT a.user, b.user FROM known a JOIN known b ON a.user < b.user
        WHERE (a.one AND b.other) OR (a.other AND b.one) ORDER BY 1, 2"""


OOLONG_SQL = {
    "o01": ranked("label"),
    "o02": ranked("label", how="min"),
    "o03": number("label = 'alarm'"),
    "o04": number("label = 'calendar'"),
    "o05": number("label = 'home'"),
    "o06": number("label = 'music'"),
    "o07": number("label = 'shopping'"),
    "o08": number("label = 'weather'"),
    "o09": versus("alarm", "calendar"),
    "o10": versus("weather", "music"),
    "o11": ranked("user"),
    "o12": "SELECT count(DISTINCT user) FROM rows",
    "o13": ranked("user", "label = 'alarm'"),
    "o14": ranked("user", "label = 'shopping'"),
    "o15": number("user IN (USERS) AND label = 'music'"),
    "o16": ranked("label", "user IN (USERS)"),
    "o17": number("user IN (USERS) AND label = 'music'"),
    "o18": ranked("label", "user IN (USERS)"),
    "o19": number("user IN (USERS) AND label = 'music'"),
    "o20": ranked("label", "user IN (USERS)"),
    "o21": ranked("day"),
    "o22": number(f"label = 'alarm' AND day < {CUT}"),
    "o23": number(f"label = 'alarm' AND day > {CUT}"),
    "o24": f"""
        WITH shares AS (SELECT avg(label = 'weather') FILTER (WHERE day < {CUT}) AS before,
            avg(label = 'weather') FILTER (WHERE day > {CUT}) AS after FROM rows)
        SELECT CASE WHEN before > after THEN 'more common' WHEN before < after THEN 'less common'
        ELSE 'same frequency' END FROM shares""",
    "o25": number(f"label = 'home' AND {SUMMER}"),
    "o26": ranked("label", SUMMER, "min"),
    "o27": versus("calendar", "shopping", SUMMER),
    "o28": """
        SELECT count(*) FROM (SELECT substr(day, 1, 7) FROM rows GROUP BY 1
        HAVING sum(label = 'music') > sum(label = 'home'))""",
    "o29": user_pairs("sum(label = 'shopping') >= 3", "sum(label = 'shopping') >= 3"),
    "o30": user_pairs(*["min(CASE WHEN label = 'calendar' THEN day END) > '2024-03-15'"] * 2),
    "o31": user_pairs(
        "sum(label = 'home') = 1 AND sum(label = 'weather') >= 2",
        "sum(label = 'music') >= 6 AND sum(label = 'shopping') = 0",
    ),
}


def rows(example: str) -> list[tuple[str, Any, str, str]]:
    """Day, user, text, label."""
    if example == "oolong":
        return [(row["date"], row["user"], row["text"], row["label"]) for row in json_lines("oolong", "rows.jsonl")]
    gold = {row["id"]: row["topic"] for row in table("gold.csv")}
    return [(row["sent"], row["user"], row["body"], gold[row["id"]]) for row in table("tickets.csv")]


def table(name: str) -> list[dict[str, str]]:
    with (EXAMPLES / "tickets" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def json_lines(example: str, name: str) -> list[dict[str, Any]]:
    text = (EXAMPLES / example / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def database(example: str) -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    made.execute("CREATE TABLE rows (day TEXT, user, text TEXT, label TEXT)")
    made.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", rows(example))
    return made
