"""A trace as tables to be queried in SQL: steps, rows, calls, attempts, turns, evidence, events.

In: a trace, a query. Out: columns and rows. Law: only queries run, in an engine of their own that reads no file, no
network and nothing of Python; the trace is not changed by them. A run without an answer has the steps and calls that it
came to.

Beside these, each step's rows are a table of its name in the schema `step`: `select * from step.mine`; of a step that
was a part of another's query they are computed again, by the recorded answers, when a query names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from rlm_dsl.common.html import html_table
from rlm_dsl.common.well_formed import well_formed_name
from rlm_dsl.context.context import Context
from rlm_dsl.engine.run_trace import CALLS, file_name
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.replay.fused_steps import fused_tables, recorded_nowhere
from rlm_dsl.trace.events import parse_line, whole_lines
from rlm_dsl.trace.layout import EVENTS
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.unfinished import calls_so_far, steps_so_far

if TYPE_CHECKING:
    import pyarrow as pa

VIEWS: Mapping[str, str] = {
    "steps": """
        SELECT position, step, operator, key, inputs, type, line, "rows", digest, value,
               asked.requests AS requests, asked.ok AS ok, asked.invalid AS invalid, asked.refused AS refused,
               asked.error AS error, asked.packed AS packed, asked.packs AS packs FROM "#steps" ORDER BY position""",
    "calls": """
        SELECT key, step, origin, json_array_length(request, '$.rows') AS "rows", answer ->> '$.pack' AS pack,
               request ->> '$.model' AS model, answer ->> '$.model' AS served_model,
               request ->> '$.messages[0].content' AS instruction, request ->> '$.messages[#-1].content' AS shown,
               answer ->> '$.text' AS answer, answer ->> '$.finish' AS finish, answer ->> '$.refusal' AS refusal,
               CAST(answer ->> '$.prompt_tokens' AS BIGINT) AS prompt_tokens,
               CAST(answer ->> '$.completion_tokens' AS BIGINT) AS completion_tokens,
               CAST(answer ->> '$.cached_tokens' AS BIGINT) AS cached_tokens,
               request AS request_json, answer AS answer_json FROM "#calls" """,
    "events": """
        SELECT seq, CAST("time" AS TIMESTAMP) AS "time", type, "json" FROM "#events" ORDER BY seq""",
    "attempts": """
        SELECT seq, "json" ->> '$.key' AS key, "json" ->> '$.step' AS step, CAST("time" AS TIMESTAMP) AS started,
               CAST("end" ->> '$.seconds' AS DOUBLE) AS seconds, "end" ->> '$.outcome' AS outcome,
               "end" ->> '$.error' AS error,
               CAST("end" ->> '$."gen_ai.usage.input_tokens"' AS BIGINT) AS prompt_tokens,
               CAST("end" ->> '$."gen_ai.usage.output_tokens"' AS BIGINT) AS completion_tokens,
               CAST("end" ->> '$."gen_ai.usage.cache_read.input_tokens"' AS BIGINT) AS cached_tokens,
               coalesce(CAST("end" ->> '$.batch' AS BOOLEAN), false) AS batch
        FROM (SELECT *, CASE WHEN lead(type) OVER own = 'call.end' THEN lead("json") OVER own END AS "end"
              FROM "#events" WHERE type IN ('call.start', 'call.end')
              WINDOW own AS (PARTITION BY "json" ->> '$.key' ORDER BY seq))
        WHERE type = 'call.start' ORDER BY seq""",
    "turns": """
        SELECT CAST("json" ->> '$.turn' AS BIGINT) AS turn, "json" ->> '$.sub_run' AS sub_run,
               "json" ->> '$.program' AS program, "json" ->> '$.observation' AS observation,
               CAST("json" ->> '$.errors' AS BIGINT) AS errors, "json" ->> '$.reply' AS reply,
               "json" ->> '$.doubts' AS doubts
        FROM "#events"
        WHERE type = 'turn.end' AND seq > (SELECT coalesce(max(seq), 0) FROM "#events" WHERE type = 'run.resume')
        ORDER BY seq""",
    "evidence": """
        SELECT part, context, source, first_line, last_line, first_byte, past_byte, sha256 FROM "#evidence" """,
}
"""The views by name; docs/traces.md has their columns."""


@contextmanager
def open_tables(trace: Trace, fused: Mapping[str, pa.Table] | None = None) -> Iterator[Warehouse]:
    """An engine of its own with the trace's views and steps; `fused` are rows of steps that were not recorded. Raises
    UserError for a damaged file."""
    with Warehouse() as warehouse:
        warehouse.hold("#steps", steps_table(trace))
        warehouse.hold("#calls", calls_table(trace))
        warehouse.hold("#events", events_table(trace))
        warehouse.hold("#evidence", evidence_table(trace))
        for view, query in VIEWS.items():
            warehouse.run(Sql((f'CREATE VIEW "{view}" AS {query}',)))
        warehouse.run(sql("CREATE SCHEMA step"))
        held = list(payload_tables(trace))
        for number, (step, table) in enumerate(held):
            warehouse.hold(f"#payload {number}", table)
            warehouse.run(sql("CREATE VIEW step.{v} AS SELECT * FROM {t}", v=name(step), t=name(f"#payload {number}")))
        for step, table in (fused or {}).items():
            warehouse.hold(f"#fused {step}", table)
            warehouse.run(sql("CREATE VIEW step.{v} AS SELECT * FROM {t}", v=name(step), t=name(f"#fused {step}")))
        warehouse.run(Sql((rows_view([step for step, _ in held]),)))
        yield warehouse


def rows_view(steps: list[str]) -> str:
    """Every recorded row of every step, as JSON."""
    if not steps:
        return 'CREATE VIEW "rows" AS SELECT NULL::VARCHAR AS step, NULL::BIGINT AS "row", NULL::JSON AS "json" LIMIT 0'
    parts = [
        f'SELECT {literal(step)} AS step, row_number() OVER (ORDER BY t."#ord") AS "row", '
        f'to_json(t) AS "json" FROM "#payload {number}" t'
        for number, step in enumerate(steps)
    ]
    return 'CREATE VIEW "rows" AS ' + " UNION ALL ".join(parts)


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def named_steps(text: str, steps: Iterable[str]) -> set[str]:
    """The steps that a query names, as `step.NAME`; in its strings too, where that costs nothing but time."""
    lowered = text.lower()
    if not re.search(r'step"?\s*\.', lowered):
        return set()
    return {step for step in steps if step.lower() in lowered}


def payload_tables(trace: Trace) -> Iterator[tuple[str, pa.Table]]:
    """The recorded rows of each step that is a table of its own, by its name."""
    return ((step, trace.table(name)) for step, name in payload_names(trace))


def payload_names(trace: Trace) -> Iterator[tuple[str, str]]:
    """Each step that is a table of its own, with the name of its table in the payload."""
    steps = trace.steps if trace.finished else ()
    whole = {file_name(step["step"]): step["step"] for step in reversed(steps)}
    taken: set[str] = set()
    for path in sorted((trace.folder / "payload").glob("step-*.parquet")):
        short = path.stem.split("-", 2)[2]
        step = whole.get(short, short)
        step = step if step.lower() not in taken else path.stem
        taken.add(step.lower())
        yield step, path.stem


def calls_table(trace: Trace) -> pa.Table:
    """The recorded calls; of a run without an end, those that were answered."""
    import pyarrow as pa

    if trace.finished:
        return trace.table(CALLS)
    columns = ("key", "step", "request", "answer", "origin")
    rows = [{column: row.get(column, "") for column in columns} for row in calls_so_far(trace)]
    return pa.Table.from_pylist(rows, schema=pa.schema([(column, pa.string()) for column in columns]))


def steps_table(trace: Trace) -> pa.Table:
    import pyarrow as pa

    counts = pa.struct(
        [(count, pa.int64()) for count in ("requests", "ok", "invalid", "refused", "error", "packed", "packs")]
    )
    texts = [(column, pa.string()) for column in ("step", "operator", "key", "type", "digest", "value")]
    schema = pa.schema(
        [
            ("position", pa.int64()),
            *texts,
            ("inputs", pa.list_(pa.string())),
            ("line", pa.int64()),
            ("rows", pa.int64()),
            ("asked", counts),
        ]
    )
    rows = [
        {
            **step,
            "position": number,
            "value": json.dumps(step["value"], ensure_ascii=False) if "value" in step else None,
        }
        for number, step in enumerate(trace.steps if trace.finished else steps_so_far(trace), 1)
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def events_table(trace: Trace) -> pa.Table:
    """The log's lines as they are, beside what all of them have."""
    import pyarrow as pa

    schema = pa.schema([("seq", pa.int64()), ("time", pa.string()), ("type", pa.string()), ("json", pa.string())])
    rows = []
    for line in whole_lines(trace.folder / EVENTS):
        content = parse_line(line) or {}
        own = {key: content.get(key) for key in ("seq", "time", "type")}
        rows.append({**own, "json": line.decode("utf-8", "replace")})
    return pa.Table.from_pylist(rows, schema=schema)


def evidence_table(trace: Trace) -> pa.Table:
    """The recorded places, a row each."""
    import pyarrow as pa

    texts, numbers = ("part", "context", "source", "sha256"), ("first_line", "last_line", "first_byte", "past_byte")
    schema = pa.schema([*((t, pa.string()) for t in texts), *((n, pa.int64()) for n in numbers)])
    rows = [
        {
            "part": ".".join(one["part"]),
            **{key: well_formed_name(span.get(key) or "") or None for key in ("context", "source", "sha256")},
            **dict(zip(numbers, (*span["lines"], *span.get("bytes", (None, None))), strict=True)),
        }
        for one in (trace.answer["evidence"] if trace.finished else ())
        for span in one["spans"]
    ]
    return pa.Table.from_pylist(rows, schema=schema)


class Queried(NamedTuple):
    """What a query gave."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def _repr_html_(self) -> str:
        """For notebooks."""
        return f"<div>{html_table(self.columns, self.rows)}</div>"


def query(
    trace: Trace, text: str, limit: int | None = None, given: Mapping[str, str | Context] | None = None
) -> Queried:
    """A query's columns and its first rows. `given` is where the data lies that steps without recorded rows are
    computed from. Raises UserError for what is no query, or one that the engine refuses."""
    wanted = named_steps(text, recorded_nowhere(trace, [step for step, _ in payload_names(trace)]))
    with open_tables(trace, fused_tables(trace, given or {}, wanted) if wanted else {}) as warehouse:
        return Queried(*warehouse.query(text, limit))
