"""A label: what a person said of one row of a model step.

In: a line of JSON. Out: a value, and back. Law: it is known by what the row showed and what was asked, not by the run;
it names nobody unless a name was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.common.json_ready import json_ready

SCHEMA = "rlm-label/1"
LEARNING = "for learning"
"""How the reason begins of a row that was chosen to be learned from."""


@dataclass(frozen=True, slots=True)
class Label:
    """`question` and `row` are digests of what is asked, and of the text that is shown; `answer` has the fields of the
    step's answer, None where it cannot be told. `draw` says how the row was drawn: `by`, `seed`, `stratum`, how many
    `rows` that had, how many of them were `drawn` then, and the `probability`; empty where it was chosen otherwise, and
    then `reason` may say why. `model` is what the model had said, by the run of that time."""

    id: str
    step: str
    question: str
    row: str
    text: str
    answer: Mapping[str, Any] | None
    when: str
    blind: bool = True
    reviewer: str = ""
    place: str = ""
    draw: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    model: Mapping[str, Any] | None = None

    @property
    def for_learning(self) -> bool:
        """Whether its row was chosen to be learned from: no estimate rests on it."""
        return not self.draw and self.reason.startswith(LEARNING)

    @property
    def key(self) -> tuple[str, str]:
        return self.question, self.row

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "schema": SCHEMA,
            "id": self.id,
            "step": self.step,
            "question": self.question,
            "row": self.row,
            "text": self.text,
            "answer": None if self.answer is None else json_ready(dict(self.answer)),
            "when": self.when,
            "blind": self.blind,
        }
        more = {"place": self.place, "draw": dict(self.draw), "reason": self.reason, "reviewer": self.reviewer}
        told |= {name: value for name, value in more.items() if value}
        return told | ({} if self.model is None else {"model": json_ready(dict(self.model))})

    @staticmethod
    def from_json(value: Any) -> Label | None:
        """None for what is no label."""
        if not isinstance(value, Mapping) or value.get("schema") != SCHEMA:
            return None
        texts = {name: value.get(name, "") for name in ("id", "step", "question", "row", "text", "when")}
        more = {name: value.get(name, "") for name in ("reviewer", "place", "reason")}
        answer, drawn, model = value.get("answer"), value.get("draw", {}), value.get("model")
        if not all(isinstance(text, str) for text in (*texts.values(), *more.values())):
            return None
        if not isinstance(drawn, Mapping) or not isinstance(answer, Mapping | None) or "answer" not in value:
            return None
        if not texts["id"] or not texts["question"] or not texts["row"] or not isinstance(model, Mapping | None):
            return None
        return Label(**texts, answer=answer, blind=bool(value.get("blind", True)), **more, draw=drawn, model=model)


def drawn_by(label: Label, by: str, seed: int) -> bool:
    """Whether its row was drawn in this way."""
    return label.draw.get("by") == by and label.draw.get("seed") == seed
