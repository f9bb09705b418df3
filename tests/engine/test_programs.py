"""Whole programs, written by people and by models, run on small contexts of their shape.

In: the corpus' programs and, where the real data is, those that a fresh model wrote from one page about the language.
Law: each checks, runs and gives what `corpus/runs.txt` says; a stand-in judges by plain rules where a model is asked.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from rlm_dsl.common.source import Source
from rlm_dsl.engine.execution import assemble_answer, part_of
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.check import Environment, check_program
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.plan.build import build
from tests.support.cases import accept, corpus_cases
from tests.support.paths import CORPUS
from tests.support.real import FOLDER, REAL
from tests.support.small import calls_of, loaded

RUNS = CORPUS / "runs.txt"
day, moment = datetime.date.fromisoformat, datetime.datetime.fromisoformat


class StandIn:
    """Judges by plain rules: the label that stands in the text (else the last), true where there is a digit, the number
    of words, the first sentence as text or quote, the words that begin with a capital as a list."""

    async def answer(self, request: Request) -> Answer:
        shown, schema = request.messages[-1].content, request.schema
        assert schema is not None
        return Answer(json.dumps(self.value(schema, shown)))

    def value(self, schema: Any, shown: str) -> Any:
        if "anyOf" in schema:
            return self.value(schema["anyOf"][0], shown) if len(shown) % 3 else None
        if "enum" in schema:
            return next((label for label in schema["enum"] if label.lower() in shown.lower()), schema["enum"][-1])
        match schema["type"]:
            case "object":
                return {name: self.value(inner, shown) for name, inner in schema["properties"].items()}
            case "array":
                words = [word.strip('."[],:') for word in shown.split()]
                return list(dict.fromkeys(word for word in words if word[:1].isupper()))[:3] or ["none"]
            case "boolean":
                return any(letter.isdigit() for letter in shown)
            case "integer" | "number":
                return len(shown.split())
            case _:
                return first_words(shown)


def first_words(shown: str) -> str:
    """What stands before the first full stop of the text, or of the first one in a JSON list or object."""
    try:
        inner = json.loads(shown)
        shown = str(next(iter(inner.values() if isinstance(inner, dict) else inner)))
    except (ValueError, StopIteration):
        pass
    return shown.split(".")[0][:60]


OOLONG = [
    "Date: Jul 07, 2023 || User: 83456 || Instance: Which location is the capital of Peru?",
    "Date: Aug 01, 2023 || User: 83456 || Instance: What numeric value is pi?",
    "Date: Aug 02, 2023 || User: 12045 || Instance: What entity barks?",
    "Date: Aug 03, 2023 || User: 12045 || Instance: Which human being was first on the moon?",
    "Date: Sep 09, 2022 || User: 99311 || Instance: Which entity and which human being?",
    "Date: Sep 09, 2023 || User: 99311 || Instance: Which location?",
    "Date: Sep 10, 2023 || User: 70000 || Instance: An entity of location?",
    "Date: Sep 10, 2023 || User: 70000 || Instance: A human being?",
    "no such line",
]
HDFS = [
    "081109 203615 148 INFO dfs.A: Received block blk_38865049 of size 91178 from /10.250.10.6",
    "081109 203807 222 WARN dfs.B: blk_-9 and blk_38865049 are late",
    "081109 204005 35 ERROR dfs.C: blk_-9 failed",
    "081109 204015 308 INFO dfs.B: blk_-9 is back",
    "081109 204105 329 ERROR dfs.A: disk is full",
]
EVENTS = [
    '{"svc": "pay", "level": "warn", "ms": 900, "error code": 0, "tags": ["a", "b"]}',
    '{"svc": "pay", "level": "error", "ms": 100.5, "error code": 7, "tags": ["b"]}',
    '{"svc": "web", "level": "error", "ms": 1200, "tags": []}',
    '{"svc": "web", "level": "info", "ms": 30, "error code": 204}',
    "oops",
]
BOOK = (
    "Front matter.\n"
    + "CHAPTER I\nAnna rows the boat. "
    + "The duel begins. " * 40
    + "\nCHAPTER II\n"
    + "He swam 3 miles. " * 40
    + "\nCHAPTER III\nshort\n"
)
CONTRACT = (
    "This agreement is governed by the laws of Ohio.\n\nThe Term is 12 months.\n\n"
    "Liability is limited.\n\nExclusive supply.\n"
)
DOCS = {"path": ["a.txt", "b.txt"], "text": [CONTRACT, "A sole supplier, uncapped liability for 2 years.\n\nNo end."]}

CONTEXTS: dict[str, dict[str, dict[str, list[Any]]]] = {
    "T1": {
        "tickets": {
            "line": [1, 2, 3],
            "text": [
                "2024-01-02 | user=u17 | billing: charged twice",
                "2024-01-03 | user=u99 | billing again",
                "2024-01-04 | user=u42 | it is broken",
            ],
        }
    },
    "T10": {
        "repo": {
            "path": ["src/a.py"] * 5 + ["doc/x.md"],
            "line": [1, 2, 3, 4, 5, 1],
            "text": [
                "def one():",
                "    # TODO mend",
                "def two():",
                "    pass",
                "    # FIXME this",
                "# TODO no code",
            ],
        }
    },
    "T11": {
        "chat": {
            "line": [1, 2, 3],
            "at": [moment("2024-01-01T10:00:00")] * 3,
            "author": ["ann", "bo", "ann"],
            "text": [
                "you are friendly",
                "hostile words",
                "neutral",
            ],
        }
    },
    "T12": {"book": {"text": [BOOK]}},
    "T14": {
        "complaints": {
            "id": [1, 2, 3],
            "product": ["card", "card", "loan"],
            "state": ["NY", "CA", "NY"],
            "received": [
                day("2024-02-01"),
                day("2024-05-05"),
                day("2023-12-31"),
            ],
            "text": ["Fee of 5 dollars. Again.", "Rude staff. No fee.", "Old."],
        }
    },
    "T15": {"events": {"line": [1, 2, 3, 4, 5], "text": EVENTS}},
    "T6": {"logs": {"file": ["x.log"] * 5, "line": [1, 2, 3, 4, 5], "text": HDFS}},
    "T8": {"docs": DOCS},
    **{f"T{n}": {"oolong": {"line": list(range(1, 10)), "text": OOLONG}} for n in (2, 3, 4, 5)},
    "contract_clauses": {"contracts": DOCS},
    "label_counts": {
        "questions": {
            "line": [1, 2, 3],
            "text": [
                "4 Mar | u12 | Which person wrote it?",
                "5 Mar | u13 | At what place?",
                "6 Mar | u12 | A person?",
            ],
        }
    },
    "mail_threads": {
        "mail": {
            "id": ["1", "2", "3", "4"],
            "from": ["bo@example.org", "ada@example.org", "bo@example.org", "cy@example.org"],
            "to": [["ada@example.org"], ["bo@example.org"], ["ada@example.org"], []],
            "sent": [moment(f"2024-01-0{n}T10:00:00") for n in (1, 2, 3, 4)],
            "subject": ["Budget", "Re: Budget", "Re: Budget", "Lunch"],
            "body": ["The budget review is due.", "budget review done in 2 days", "thanks", "lunch budget?"],
        }
    },
    "meeting_minutes": {
        "minutes": {
            "path": ["m1", "m2"],
            "held": [day("2024-05-01"), day("2024-06-01")],
            "text": [
                "- TODO Ann: write it\n- talk\n* ACTION Bo: call 3 people",
                "- TODO Ann: again",
            ],
        },
        "people": {
            "name": ["- TODO Ann: write it\n", "Bo"],
            "team": ["red", "blue"],
            "from": [day("2020-01-01")] * 2,
            "until": [None, day("2023-01-01")],
        },
    },
    "novel_scenes": {"book": {"text": [BOOK]}},
    "server_errors": {
        "logs": {
            "file": ["a", "a", "a", "b"],
            "line": [1, 2, 3, 1],
            "text": [
                "2024-05-01T10:00:00 INFO start",
                "2024-05-01T10:00:01 ERROR disk full",
                "2024-05-01T10:00:02 ERROR retrying",
                "2024-05-01T11:00:00 ERROR Net gone",
            ],
        }
    },
    "service_events": {"events": {"line": [1, 2, 3, 4, 5], "text": EVENTS}},
    "shop_complaints": {
        "letters": {
            "id": list(range(1, 8)),
            "product": ["p"] * 7,
            "country": ["NL"] * 6 + ["BE"],
            "received": [day("2024-03-01")] * 6 + [day("2023-01-01")],
            "body": [
                "Late delivery. I want 5 euro back.",
                "Bad quality. Shame.",
                "The price. 3 euro.",
                "delivery",
                "quality 2",
                None,
                "old",
            ],
        }
    },
}
CONTEXTS["T7"], CONTEXTS["T9"] = CONTEXTS["T6"], CONTEXTS["T8"]
PAPERS = {
    "papers": {
        "path": ["p1", "p2"],
        "title": ["One", "Two"],
        "year": [2020, 2021],
        "text": [
            "A learned index for range queries. It prunes a sampling tree.",
            "Nothing of it. Bread.",
        ],
    }
}
CONTEXTS["T13"] = CONTEXTS["paper_methods"] = PAPERS
PARAMS: dict[str, dict[str, Any]] = {"shop_complaints": {"limit": 100}}
GIVEN = REAL.parent / "programs"
PROGRAMS = {path.stem: path for path in sorted((CORPUS / "programs").glob("*.rlm"))}
PROGRAMS |= {path.stem: path for path in sorted(GIVEN.glob("*.rlm"))} if FOLDER else {}


def outcome(text: str, name: str, held: Warehouse | None = None) -> str:
    """The program's answer as JSON, a line a part of it."""
    source = Source(f"{name}.rlm", text)
    with held or Warehouse(threads=2) as warehouse:
        types = {context: loaded(warehouse, context, rows) for context, rows in CONTEXTS[name].items()}
        program = check_program(parse(source), source, Environment(types, {}, PARAMS.get(name, {})))
        plan = build(program.statements, warehouse.contexts, {})
        Runner(warehouse, calls_of(StandIn()), NoProgress()).run(plan)
        value = assemble_answer([part_of(leaf, plan, warehouse) for leaf in plan.targets[-1].leaves])
    return "\n".join(told(value))


def told(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}: {line}" for name, inner in value.items() for line in (told(inner) or ["(empty)"])]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [json.dumps(row, ensure_ascii=False) for row in value]
    return [json.dumps(value, ensure_ascii=False)]


@pytest.mark.parametrize("name", corpus_cases(RUNS) if RUNS.exists() else {})
def test_a_program_gives_what_it_should(name: str, request: pytest.FixtureRequest) -> None:
    if name not in PROGRAMS:
        pytest.skip("this program lies beside the real data")
    got = outcome(PROGRAMS[name].read_text(encoding="utf-8"), name)
    if request.config.getoption("--accept"):
        accept(RUNS, name, "answer", got)
    else:
        assert got == corpus_cases(RUNS)[name][1]


def test_every_program_is_run() -> None:
    assert set(PROGRAMS) <= set(corpus_cases(RUNS)) and set(PROGRAMS) <= set(CONTEXTS)
