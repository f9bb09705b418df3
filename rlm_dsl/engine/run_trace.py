"""A run's trace: its parts written, and read back for a run on the same answers.

In: an execution, its contexts, calls and settings. Out: the files of a trace, all but its events and seal.
Law: everything but the header's id and time is the same for the same run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from rlm_dsl.context.context import Context
from rlm_dsl.engine.execution import Execution
from rlm_dsl.engine.redaction import places_of
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.models.recording import Call
from rlm_dsl.models.request import Answer, ModelSettings
from rlm_dsl.plan.stages import Plan, QueryStage, physical_name
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.secrets import Redaction
from rlm_dsl.trace.writer import TraceWriter

SCHEMA = "rlm-trace/1"
CALLS = "calls"
COLUMNS = ("key", "step", "request", "answer", "origin")


def header_contexts(contexts: Mapping[str, Context]) -> list[dict[str, Any]]:
    """What the run read: names, schemas, digests of files."""
    return [
        {
            "name": name,
            "format": context.format,
            "given": context.given,
            "schema": str(context.schema),
            "rows": context.count,
            "digest": context.digest,
            "notes": list(context.notes),
            **({} if context.options.earlier else {"options": context.options.said}),
            "sources": [{"path": s.name, "size": s.size, "sha256": s.sha256} for s in context.sources],
        }
        for name, context in contexts.items()
    ]


def served_models(calls: Iterable[Call]) -> list[dict[str, str]]:
    """Who answered: each model name and fingerprint that servers gave, once."""
    found = sorted({(call.answer.model, call.answer.fingerprint) for call in calls})
    return [{"model": model, "fingerprint": fingerprint} for model, fingerprint in found]


def program_digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def write_execution(
    writer: TraceWriter,
    execution: Execution,
    warehouse: Warehouse,
    calls: list[dict[str, str]],
    header: Mapping[str, Any],
    redaction: Redaction,
) -> None:
    """Program, SQL, steps, answer, payload, and last the header, which names what was taken out of all of them."""
    writer.write_text("program.rlm", execution.text)
    writer.write_text("plan.sql", execution.sql)
    writer.write_lines("steps.jsonl", [record.as_json() for record in execution.records])
    writer.write_json("answer.json", execution.answer_json())
    for number, (name, stage) in enumerate(tables(execution.plan), 1):
        assert stage.relation is not None
        rows = warehouse.tables(warehouse.ordered(stage.relation, hidden=True))
        writer.write_table(payload_name(number, name), (redacted_table(table, redaction) for table in rows))
    write_calls(writer, calls)
    taken = places_of(redaction.found, warehouse)
    writer.write_json("trace.json", {**header, "taken_out": taken, "program_sha256": program_digest(execution.text)})


def write_calls(writer: TraceWriter, calls: list[dict[str, str]]) -> None:
    """Every request with its answer."""
    import pyarrow as pa

    schema = pa.schema([(column, pa.string()) for column in COLUMNS])
    writer.write_table(CALLS, [pa.Table.from_pylist(calls, schema=schema)])


def redacted_table(table: Any, redaction: Redaction) -> Any:
    """An Arrow table whose texts hold no secrets."""
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            texts = table.column(index).to_pylist()
            cleaned = [text if text is None else redaction.redact(text) for text in texts]
            if cleaned != texts:
                table = table.set_column(index, field, pa.array(cleaned, field.type))
    return table


def tables(plan: Plan) -> list[tuple[str, QueryStage]]:
    """The stages that made tables, in order."""
    return [(physical_name(s.relation), s) for s in plan.stages if isinstance(s, QueryStage) and s.relation is not None]


def payload_name(number: int, name: str) -> str:
    """The name of the payload's table of the step with this number, from 1, among those that are tables."""
    return f"step-{number:03d}-{file_name(name)}"


def file_name(name: str) -> str:
    """A step's name as part of a file's: the name is text of a program and may not become a path."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", name)[:40]


class RecordedCalls(Mapping[str, Call]):
    """The calls of a trace by the keys under which they were recorded; of each only what is looked at is parsed."""

    def __init__(self, rows: Mapping[str, list[str]]) -> None:
        self.rows = rows
        self.places = {key: place for place, key in enumerate(rows["key"])}
        self.answers: dict[str, Answer] = {}

    def __getitem__(self, key: str) -> Call:
        place = self.places[key]
        return Call.from_json({name: values[place] for name, values in self.rows.items()})

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def answer(self, key: str) -> Answer | None:
        return self.parsed(key) if key in self.places else None

    def parsed(self, key: str) -> Answer:
        """A call's answer; parsed once."""
        held = self.answers.get(key)
        if held is None:
            held = self.answers[key] = Answer.from_json(json.loads(self.rows["answer"][self.places[key]]))
        return held

    def request_text(self, key: str) -> str:
        """The request as it was written."""
        return self.rows["request"][self.places[key]]

    @cached_property
    def held_packs(self) -> tuple[Call, ...]:
        marked = (self[key] for key in self if PACK_MARK in self.request_text(key))
        return tuple(call for call in marked if call.request.rows)

    def packs(self) -> tuple[Call, ...]:
        """The calls that ask for several rows."""
        return self.held_packs

    def of_step(self, step: str) -> Iterator[str]:
        """The keys of a step's calls."""
        return (key for key, own in zip(self.rows["key"], self.rows["step"], strict=True) if own == step)


PACK_MARK = '"rows": ["'
"""Stands in the text of every pack's request, and seldom in another's."""


def recorded_packs(trace: Trace) -> list[Call]:
    """The packs among a trace's calls. Raises UserError as `recorded_calls` does."""
    import pyarrow.compute as pc

    table = trace.table(CALLS)
    held = table.filter(pc.match_substring(table.column("request"), PACK_MARK)).to_pylist()
    return [call for call in map(Call.from_json, held) if call.request.rows]


def recorded_calls(trace: Trace) -> RecordedCalls:
    """The calls of a trace. Raises UserError for a table that is missing, damaged or of another form."""
    table = trace.table(CALLS)
    return RecordedCalls({name: table.column(name).to_pylist() for name in COLUMNS})


def recorded_settings(trace: Trace) -> dict[str, ModelSettings]:
    """The models by role, as the trace's header has them."""
    return {alias: ModelSettings.from_json(value) for alias, value in trace.header["models"].items()}
