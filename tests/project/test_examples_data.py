"""The data of the examples: made anew to the same bytes, true to what their READMEs say, and counted again by SQL."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.examples import OOLONG_SQL, TICKETS_SQL, database, json_lines, rows, table
from tests.support.paths import EXAMPLES

MADE = {
    "tickets": ("tickets.csv", "gold.csv", "gold.jsonl", "questions.jsonl"),
    "oolong": ("context.txt", "rows.jsonl", "gold.jsonl", "questions.jsonl"),
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


def answers(example: str) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in json_lines(example, "questions.jsonl")}


def readme(example: str) -> list[str]:
    return (EXAMPLES / example / "README.md").read_text(encoding="utf-8").split("\n")


def text_count(example: str) -> int:
    texts = [path.read_text(encoding="utf-8").split("\n") for path in (EXAMPLES / example / "texts").glob("*.txt")]
    return sum(bool(line) and not line.startswith("# ") for lines in texts for line in lines)
