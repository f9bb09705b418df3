"""The data of the examples: made anew to the same bytes, true to what their READMEs say, and counted again by SQL."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import EXAMPLES

MADE = {
    "tickets": ("tickets.csv", "gold.csv", "gold.jsonl", "questions.jsonl"),
    "oolong": ("context.txt", "rows.jsonl", "gold.jsonl", "questions.jsonl"),
}

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


@pytest.mark.parametrize("example", MADE)
def test_made_anew_the_files_have_the_same_bytes(example: str, tmp_path: Path) -> None:
    generator = EXAMPLES / example / "generate.py"
    subprocess.run([sys.executable, "-B", str(generator), str(tmp_path)], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(MADE[example])
    for name in MADE[example]:
        assert (tmp_path / name).read_bytes() == (EXAMPLES / example / name).read_bytes(), name


@pytest.mark.parametrize("example", MADE)
def test_gold_knows_every_text_and_gives_it_one_label(example: str) -> None:
    labels = {(text, label) for _, _, text, label in rows(example)}
    gold = [(row["text"], row["label"]) for row in json_lines(example, "gold.jsonl")]
    assert len(gold) == len({text for text, _ in gold})
    assert set(gold) == labels


def test_tickets_are_numbered_in_the_order_of_their_days() -> None:
    tickets = table("tickets.csv")
    assert [row["id"] for row in tickets] == [str(number) for number in range(1, 5001)]
    days = [row["sent"] for row in tickets]
    assert days == sorted(days)
    assert days[0] >= "2025-01-01" and days[-1] <= "2025-12-31"
    assert {row["user"] for row in tickets} == {f"u{number}" for number in range(1, 301)}


def test_the_tickets_file_has_what_real_ones_have() -> None:
    raw = (EXAMPLES / "tickets" / "tickets.csv").read_bytes()
    bodies = [row["body"] for row in table("tickets.csv")]
    assert b"\r" not in raw and raw.endswith(b"\n")
    assert 0.6e6 < len(raw) < 1e6
    assert all(sum(mark in body for body in bodies) > 40 for mark in '\n",€’')
    assert all(body == body.strip() and not re.search(r"[{}\[\]]", body) for body in bodies)


def test_a_line_of_context_is_a_row_without_its_label() -> None:
    months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
    lines = []
    for row in json_lines("oolong", "rows.jsonl"):
        year, month, day = row["date"].split("-")
        date = f"{months[int(month) - 1]} {day}, {year}"
        lines.append(f"Date: {date} || User: {row['user']} || Instance: {row['text']}\n")
    assert "".join(lines) == (EXAMPLES / "oolong" / "context.txt").read_text(encoding="utf-8")
    assert all(line.count("||") == 2 for line in lines)


@pytest.mark.parametrize("example", MADE)
def test_the_shares_in_the_readme_hold(example: str) -> None:
    labels = Counter(label for _, _, _, label in rows(example))
    said = re.findall(r"(\w+) (\d+\.\d) %", next(line for line in readme(example) if re.match("Topics|Labels", line)))
    assert dict(said) == {label: f"{100 * count / labels.total():.1f}" for label, count in labels.items()}


def test_the_other_numbers_in_the_readmes_hold() -> None:
    tickets, requests = rows("tickets"), rows("oolong")
    bodies = [body for _, _, body, _ in tickets]
    theirs = [label for _, user, _, label in tickets if user in ("u17", "u42", "u88")]
    users = Counter(user for _, user, _, _ in requests)
    regular = sum(count for _, count in users.most_common(250))
    broken = sum("\n" in body for body in bodies)
    said = "\n".join(readme("tickets"))
    assert f"{text_count('tickets')} texts" in said
    assert f"sent {len(theirs)} tickets, {theirs.count('billing')} of them about billing" in said
    assert f"{100 - 100 * len(set(bodies)) / len(bodies):.1f} % of the bodies repeat" in said
    assert f"{100 * broken / len(bodies):.1f} % have line breaks" in said
    said = "\n".join(readme("oolong"))
    assert f"{text_count('oolong')} texts" in said
    assert f"make {len({text for _, _, text, _ in requests}):,} distinct" in said
    assert f"{100 * regular / len(requests):.0f} % of the rows are by 250 of the {len(users)} users" in said


@pytest.mark.parametrize("asked", TICKETS_SQL)
def test_answers_about_tickets_are_those_of_sql(asked: str) -> None:
    found = database("tickets").execute(TICKETS_SQL[asked]).fetchall()
    expected = answers("tickets")[asked]["answer"]
    assert (dict(found) if isinstance(expected, dict) else found[0][0]) == expected


@pytest.mark.parametrize("asked", OOLONG_SQL)
def test_answers_about_requests_are_those_of_sql(asked: str) -> None:
    question = answers("oolong")[asked]
    users = ", ".join(re.findall(r"\b\d{5}\b", question["question"]))
    found = database("oolong").execute(OOLONG_SQL[asked].replace("USERS", users)).fetchall()
    several = question["answer_type"] == "PAIRS"
    assert [list(row) if several else row[0] for row in found] == question["answer"]


@pytest.mark.parametrize(("example", "queries"), [("tickets", TICKETS_SQL), ("oolong", OOLONG_SQL)])
def test_every_question_is_counted_again(example: str, queries: dict[str, str]) -> None:
    assert list(answers(example)) == list(queries)


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


def answers(example: str) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in json_lines(example, "questions.jsonl")}


def readme(example: str) -> list[str]:
    return (EXAMPLES / example / "README.md").read_text(encoding="utf-8").split("\n")


def text_count(example: str) -> int:
    texts = [path.read_text(encoding="utf-8").split("\n") for path in (EXAMPLES / example / "texts").glob("*.txt")]
    return sum(bool(line) and not line.startswith("# ") for lines in texts for line in lines)


def database(example: str) -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    made.execute("CREATE TABLE rows (day TEXT, user, text TEXT, label TEXT)")
    made.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", rows(example))
    return made
