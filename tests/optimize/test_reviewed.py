"""Reviews as examples: the same labels that give a number its interval make a program better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rlm_dsl import api
from rlm_dsl.review.labels.parts import example_identity, part_of
from rlm_dsl.review.session import open_session, read_reviews
from rlm_dsl.testing import serve
from rlm_dsl.testing.server import Server
from tests.support.commands import Ran, command
from tests.support.intents import laid_out, own
from tests.support.optional import needs

pytestmark = needs("dspy", "optuna", "sklearn")
LABELS = "p.labels.jsonl"


def recorded(folder: Path, server: Server, name: str = "run.trace", tuned: str | None = None) -> Path:
    more: dict[str, Any] = {"base_url": server.base_url, "trace": folder / name, "store": str(folder / "s.sqlite")}
    program = (folder / "p.rlm").read_text()
    api.run(program, {"tickets": str(folder / "t.csv")}, model="m", tuned=tuned, **more)
    return folder / name


def reviewed(trace: Path, said: dict[str, str], rows: int, **more: Any) -> None:
    with open_session(trace, labels=trace.parent / LABELS, rows=rows, **more) as held:
        while (item := held.next()) is not None:
            held.answer(item, said[item.text])


def optimize(folder: Path, server: Server, *more: str) -> Ran:
    told = ["--optimizer", "bootstrap", "--words-only", "--unproved", "--json", "--model", "m", "--force"]
    where = ["--context", "tickets=t.csv", "--base-url", server.base_url]
    return command(folder, "optimize", "p.rlm", "--labels", LABELS, *where, *told, *more, OPENAI_API_KEY="k")


def test_sixty_reviews_give_intervals_and_a_better_program(tmp_path: Path) -> None:
    rows = own(160)
    laid_out(tmp_path, rows)
    with serve(fallback="learn") as server:
        trace = recorded(tmp_path, server)
        reviewed(trace, dict(rows), 60)
        numbers, (before,) = read_reviews(trace, tmp_path / LABELS)
        assert len(numbers) == 4 and all(number.estimate.reviewed == 60 for number in numbers)
        ran = optimize(tmp_path, server)
        assert ran.code == 0, ran.err
        found = json.loads(ran.out)
        assert found["test"]["after"] > found["test"]["before"] + 0.2, found["test"]
        assert sum(found["examples"].values()) == 60
        held_out = {text for text, _ in rows if part_of(example_identity("kinds", text)) == "test"}
        learned = (tmp_path / "p.tuned.yaml").read_text()
        assert not any(text in learned for text in held_out)
        # numbers of the tuned program rest on rows for the score alone, the others being known
        again = recorded(tmp_path, server, "tuned.trace", str(tmp_path / "p.tuned.yaml"))
        numbers, (after,) = read_reviews(again, tmp_path / LABELS)
        assert (after.agreement.value or 0) > (before.agreement.value or 1) + 0.2
        assert all(number.estimate.known for number in numbers)
        assert any("learned from" in note for note in after.notes)
