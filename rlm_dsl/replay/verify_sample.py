"""Some of a trace's files instead of all: checked against what is recorded, with what that proves of the others.

In: a finished trace, where its data lies, how many files and which draw. Out: one level of a report. Law: of the files
that are drawn every byte is digested, and every row that steps take of them without looking at other rows is held
against the stored ones, both ways; what a draw proves is said, and never more.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import SOURCE, Context
from rlm_dsl.context.files.find import Found, files_of, is_many
from rlm_dsl.context.files.read import size_of
from rlm_dsl.context.format_registry import own_of
from rlm_dsl.context.loading import number_rows
from rlm_dsl.context.options import recorded_options
from rlm_dsl.context.rows.declared_rows import casts_of
from rlm_dsl.context.rows.file_tables import no_rows
from rlm_dsl.context.stored_context import digest_of, is_stored
from rlm_dsl.engine.run_trace import payload_name, tables
from rlm_dsl.engine.shards.read_shard import as_declared, load
from rlm_dsl.engine.shards.shard import Reading, ShardFiles
from rlm_dsl.engine.shards.sharded_stage import with_chain
from rlm_dsl.engine.warehouse import Warehouse, context_rows
from rlm_dsl.language.check import Environment, check_program
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.operators.core.registry import recorded_versions, table_operators
from rlm_dsl.language.operators.core.relation import HI, LO, SOURCE_BITS, Relation
from rlm_dsl.language.operators.core.relation import ROW as ROW_ID
from rlm_dsl.language.sql import Sql, bound, name, names, sql
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.types import Table
from rlm_dsl.plan.build import build
from rlm_dsl.plan.cut import SentOn, cut
from rlm_dsl.plan.explain import plan_sql
from rlm_dsl.plan.stages import Plan, QueryStage
from rlm_dsl.replay.sources import place_of, source_of_stored
from rlm_dsl.trace.divergence import SAMPLE, Divergence
from rlm_dsl.trace.reader import Trace

if TYPE_CHECKING:
    import pyarrow as pa

SHARE = 0.05
"""The share of files of which it is told how likely a draw had missed them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """So many files, drawn by a seed, which nobody should know before."""

    count: int
    seed: int

    @staticmethod
    def read(text: str) -> Sample:
        """From `20`, with a seed drawn now, or `20:SEED` to draw the same again."""
        count, _, seed = text.partition(":")
        if not count.isdigit() or not int(count) or (seed and not seed.isdigit()):
            raise UserError(f"no sample: {text!r}", "write how many files: --sample 20, or 20:SEED to draw them again")
        return Sample(int(count), int(seed) if seed else random.SystemRandom().randrange(10**9))


@dataclass(frozen=True, slots=True)
class Drawn:
    """Files of one context that were drawn: their places among its sources, and where they lie now."""

    recorded: Mapping[str, Any]
    given: str
    files: Mapping[int, Found]


def sample_level(trace: Trace, given: Mapping[str, str | Context], sample: Sample) -> tuple[int, str, list[Divergence]]:
    """How many files were checked, what that proves, and what was found."""
    header = trace.header
    every = [(context, place) for context in header["contexts"] for place in range(len(context["sources"]))]
    chosen = random.Random(sample.seed).sample(every, min(sample.count, len(every)))
    found: list[Divergence] = []
    drawn: list[Drawn] = []
    for recorded in header["contexts"]:
        places = sorted(place for context, place in chosen if context is recorded)
        try:
            where = located(recorded, given, trace, places) if places else Drawn(recorded, "", {})
            changed = [*changes(where)]
        except UserError as failure:
            changed = [Divergence("D03", SAMPLE, f"{recorded['name']}: {failure.message}")]
            where = Drawn(recorded, "", {})
        found += changed
        drawn.append(where)
    checked: list[str] = []
    if not found:
        checked, differ = rows_of_drawn(trace, drawn)
        found += differ
    return len(chosen), told(sample, len(chosen), len(every), checked), found


def told(sample: Sample, drawn: int, every: int, steps: Sequence[str]) -> str:
    """What was checked, and how likely a draw had missed files that are otherwise."""
    rows = f", and all rows that {', '.join(steps)} take of them" if steps else ""
    if drawn == every:
        return f"files, all there are{rows}"
    missed = 1.0
    wrong = max(1, round(every * SHARE))
    for at in range(drawn):
        missed *= max(0, every - wrong - at) / (every - at)
    them = "it" if wrong == 1 else "them"
    missing = f"were {counted(wrong, 'file')} of all otherwise, such a draw would miss {them} {missed:.1%} of the time"
    return f"of {counted(every, 'file')}, drawn by seed {sample.seed}{rows}; {missing}"


def located(
    recorded: Mapping[str, Any], given: Mapping[str, str | Context], trace: Trace, places: Sequence[int]
) -> Drawn:
    """Where the drawn files of a context lie now. Raises UserError where they are not to be found."""
    where = place_of(recorded, given, trace.folder)
    if not isinstance(where, str):
        raise UserError("it was handed in as a table, and has no files to draw", "check all of it: rlm-dsl verify")
    where = source_of_stored(Path(where)) if is_stored(where) else where
    sources, now = recorded["sources"], files_of(where)
    by_path = {file.path: file for file in now}
    files: dict[int, Found] = {}
    for place in places:
        path = sources[place]["path"]
        file = by_path.get(path) or (now[place] if len(now) == len(sources) else None)
        if file is None:
            raise UserError(f"{path} is not there", f"say where it lies: --context {recorded['name']}=PATH")
        files[place] = file
    return Drawn(recorded, where, files)


def changes(drawn: Drawn) -> Iterator[Divergence]:
    """The drawn files that have other bytes than when they were read."""
    for place, file in drawn.files.items():
        source = drawn.recorded["sources"][place]
        then, size = source["sha256"], size_of([file])
        now = digest_of(file.path) if size == source["size"] else f"{counted(size, 'byte')}"
        if now != then:
            message = f"{drawn.recorded['name']}: {source['path']} is not as it was"
            yield Divergence("D03", SAMPLE, message, then, now)


def rows_of_drawn(trace: Trace, drawn: Sequence[Drawn]) -> tuple[list[str], list[Divergence]]:
    """The steps whose rows of the drawn files were held against the stored ones, and those that differ."""
    header = trace.header
    if header.get("taken_out"):
        return [], []  # stored rows have marks where the data has secrets
    try:
        plan = plan_again(trace, drawn)
    except ProgramError as failure:
        return [], [Divergence("D04", SAMPLE, failure.diagnostics[0].message)]
    if plan_sql(plan) != trace.plan_sql:
        return [], [Divergence("D05", SAMPLE, "plan.sql is not the program's plan")]
    contexts = [context_of(each) for each in drawn]
    parted = {context.name: context.count for context in contexts}
    checked: list[str] = []
    found: list[Divergence] = []
    with Warehouse(1, None, contexts) as warehouse:
        for number, (step, stage) in enumerate(tables(plan), 1):
            made = cut(stage, parted, plan.made, plan.stages)
            sent = None if made is None else made.sent.get(stage.name)
            if sent is None or not by_row(sent):
                continue
            each = next(each for each in drawn if each.recorded["name"] == sent.context)
            if not each.files:
                continue
            checked.append(step)
            stored = trace.table(payload_name(number, step))
            differ = differing(warehouse, stage, sent, stored, sorted(each.files))
            if differ:
                told = f"{counted(differ, 'row')} of the drawn files differ from the stored ones"
                found.append(Divergence("D06", SAMPLE, told, step=step))
    return checked, found


def by_row(sent: SentOn) -> bool:
    """Whether rows are made each of one row, of data alone."""
    return not sent.beside and all(table_operators()[step.operator].model is None for step in sent.chain)


def plan_again(trace: Trace, drawn: Sequence[Drawn]) -> Plan:
    """The plan of the recorded program over contexts of the recorded kinds."""
    header = trace.header
    schemas = {each.recorded["name"]: schema_of(each.recorded) for each in drawn}
    source = Source("program.rlm", trace.program)
    versions = recorded_versions(header)
    program = check_program(parse(source), source, Environment(schemas, {}, header.get("params", {}), versions))
    relations = {
        each.recorded["name"]: Relation(
            name(each.recorded["name"]),
            Table(schemas[each.recorded["name"]].columns),
            False,
            own_of(each.recorded["format"], schemas[each.recorded["name"]]),
            each.recorded["rows"] > context_rows.VAST,
        )
        for each in drawn
    }
    return build(program.statements, relations, {})


def schema_of(recorded: Mapping[str, Any]) -> Table:
    schema = parse_table_type(recorded["schema"])
    if schema is None:
        raise UserError(f"the type of {recorded['name']} cannot be read")
    return schema


def context_of(drawn: Drawn) -> Context:
    """The rows of the drawn files, typed as they were, each with the place that its file has among all."""
    import pyarrow as pa

    recorded, schema = drawn.recorded, schema_of(drawn.recorded)
    options = recorded_options(recorded)
    batches: list[pa.Table] = [no_rows(schema)]
    if drawn.files:
        many = is_many(drawn.given)
        reading = Reading(recorded["name"], drawn.given, recorded["format"], options, schema, many)
        loaded, _ = load(ShardFiles("", "", reading, tuple(drawn.files.values())))
        batches = [*as_declared(loaded.batches, casts_of(loaded.schema, schema))]
        batches = [with_places(batch, sorted(drawn.files)) for batch in batches]
    rows = number_rows(pa.concat_tables(batches))
    return Context(recorded["name"], recorded["format"], drawn.given, schema, rows, (), (), options)


def with_places(batch: pa.Table, places: Sequence[int]) -> pa.Table:
    """A batch whose files have the places that they have among all."""
    import numpy as np
    import pyarrow as pa

    of = np.array(places, np.int32)[batch[SOURCE].to_numpy()]
    return batch.set_column(batch.column_names.index(SOURCE), SOURCE, pa.array(of, pa.int32()))


def differing(warehouse: Warehouse, stage: QueryStage, sent: SentOn, stored: pa.Table, places: Sequence[int]) -> int:
    """How many rows of the drawn files are stored and not computed, or computed and not stored."""
    assert stage.relation is not None
    columns = stage.relation.type.names
    warehouse.hold("#stored", stored)
    try:
        now = with_chain(sent, stage, sql("SELECT * FROM {t}", t=name(sent.name)))
        then = sql(
            "SELECT * FROM {t} WHERE {source} IN (SELECT unnest({places}::BIGINT[]))",
            t=name("#stored"),
            source=source_place(),
            places=bound(list(places), "places"),
        )
        one, other = compared(columns, now), compared(columns, then)
        query = sql(
            "SELECT (SELECT count(*) FROM ({a} EXCEPT ALL {b})) + (SELECT count(*) FROM ({b} EXCEPT ALL {a}))",
            a=one,
            b=other,
        )
        return int(warehouse.rows(query)[0][0])
    finally:
        warehouse.connection.unregister("#stored")


def source_place() -> Sql:
    """A row's file, by its place among those of the context."""
    within = (1 << (context_rows.CONTEXT_BITS - SOURCE_BITS)) - 1
    return sql(f"(({{r}} >> {SOURCE_BITS}) & {within})", r=name(ROW_ID))


def compared(columns: Sequence[str], rows: Sql) -> Sql:
    """Rows by what they hold and which bytes of which file they came from."""
    return sql(
        "SELECT {columns}, {source} AS {file}, {lo}, {hi} FROM ({rows})",
        columns=names(columns),
        source=source_place(),
        file=name("#file"),
        lo=name(LO),
        hi=name(HI),
        rows=rows,
    )
