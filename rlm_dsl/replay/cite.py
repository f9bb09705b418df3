"""Citing: from a recorded answer, or one row of it, to the bytes of the sources that it rests on.

In: a finished trace, where its contexts lie. Out: citations: each place with its text, and whether it is as it was.
Law: what is shown was read from the sources now; of a place whose bytes are not the recorded ones nothing is shown.

Where the sources are as they were, the recorded tables are put back and looked through as the run itself did, so that
every place can be told. Where one changed, the recorded places alone are looked up, each against its own digest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.common.html import html_table
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context, SourceFile
from rlm_dsl.context.files.spans import read_spans
from rlm_dsl.context.files.text import shown_text
from rlm_dsl.engine.evidence import LISTED, Evidence, Span, evidence
from rlm_dsl.engine.execution import checked_program
from rlm_dsl.engine.redaction import recorded_redaction
from rlm_dsl.engine.run_trace import payload_name, tables
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.edit.corrections import corrections_told
from rlm_dsl.language.operators.core.registry import recorded_versions
from rlm_dsl.language.operators.core.relation import ORD, VALUE, Relation
from rlm_dsl.language.program import ContextRows, Node, RecordValue, Step, children, resolved
from rlm_dsl.language.sql import bound, name, sql
from rlm_dsl.language.types import Table
from rlm_dsl.plan.build import build
from rlm_dsl.plan.stages import Leaf, Plan, physical_name
from rlm_dsl.replay.sources import load_context, require_names
from rlm_dsl.replay.verify import differences
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.seal import changed_files
from rlm_dsl.trace.secrets import Redaction

Chosen = tuple[Mapping[str, Any], int | None]
"""A recorded part, and a row of it from 1, or None for the whole."""

ROW = "#cited"
"""The table of the one row that is cited."""


@dataclass(frozen=True, slots=True)
class Cited:
    """A place that an answer rests on. `holds` says whether its bytes are the recorded ones, and is None for a source
    without bytes; `problem` says what is wrong where they are not."""

    span: Span
    holds: bool | None
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        problem = {"problem": self.problem} if self.problem else {}
        return {**self.span.as_json(), "text": self.span.text, "holds": self.holds, **problem}


@dataclass(frozen=True, slots=True)
class Citation:
    """One part of an answer, or a row of it (from 1), with the places behind it: `count` is of all, `places` and
    `quotes` as many as were asked for."""

    path: tuple[str, ...]
    row: int | None
    value: Any
    count: int
    places: tuple[Cited, ...]
    quotes: tuple[tuple[str, Cited], ...] = ()
    corrected: tuple[str, ...] = ()
    """What the program corrects by hand on its way to the answer."""

    @property
    def name(self) -> str:
        """As it is asked for: `per_user[2]`."""
        return ".".join(self.path) + ("" if self.row is None else f"[{self.row}]")

    @property
    def holds(self) -> bool:
        return all(place.holds is not False for place in (*self.places, *(quote for _, quote in self.quotes)))

    def as_json(self) -> dict[str, Any]:
        return {
            "part": list(self.path),
            **({} if self.row is None else {"row": self.row}),
            "value": self.value,
            "count": self.count,
            "holds": self.holds,
            "places": [place.as_json() for place in self.places],
            "quotes": [{"at": at, **place.as_json()} for at, place in self.quotes],
            **({"corrected": list(self.corrected)} if self.corrected else {}),
        }


class Citations(tuple[Citation, ...]):
    """Citations, as a notebook shows them."""

    def _repr_html_(self) -> str:
        rows = [
            (each.name, f"{place.span.source}:{place.span.first_line}", place.span.text, told_of(place.holds))
            for each in self
            for place in each.places
        ]
        return f"<div>{html_table(('of', 'place', 'text', ''), rows)}</div>"


def told_of(holds: bool | None) -> str:
    return "not compared" if holds is None else "as recorded" if holds else "not as recorded"


def cite(
    trace: Trace, given: Mapping[str, str | Context], wanted: str = "", limit: int | None = LISTED
) -> tuple[Citation, ...]:
    """The places behind every part of the answer, or behind the part or row that is wanted; at most `limit` of each.

    Raises UserError where there is no such part or row, or a context is not there.
    """
    told = tuple(corrections_told(trace.program))
    found = cite_part(trace, given, chosen(fields_apart(trace.answer["parts"], wanted), wanted), limit)
    return tuple(replace(citation, corrected=told) for citation in found) if told else found


def cite_part(
    trace: Trace,
    given: Mapping[str, str | Context],
    parts: Sequence[Chosen],
    limit: int | None,
    more: Sequence[Chosen] = (),
) -> tuple[Citation, ...]:
    """The places behind parts; behind `more` of them too where every source is as it was."""
    require_names(given, (str(c["name"]) for c in trace.header["contexts"]))
    contexts = {c["name"]: load_context(c, given, trace.folder) for c in trace.header["contexts"]}
    changed = [d for c in trace.header["contexts"] for d in differences(c, contexts[c["name"]])]
    secrets, _, _ = recorded_redaction(trace.header, contexts)
    if not changed:
        return tuple(without_secrets(one, secrets) for one in from_tables(trace, contexts, (*parts, *more), limit))
    if any(row is not None for _, row in parts):
        raise UserError(
            f"{changed[0].message}: a row's own places can be told from the recorded data alone",
            "cite the whole part, or say where the data lies: --context NAME=PATH",
        )
    found = from_record(trace, contexts, [part for part, _ in parts], limit)
    return tuple(without_secrets(one, secrets) for one in found)


def cite_all(
    trace: Trace, given: Mapping[str, str | Context], rows: int, limit: int | None = LISTED
) -> tuple[Citation, ...]:
    """As `cite` for every part, and for each of the first `rows` rows of each table; these are left out where a source
    is not as it was. Raises UserError for a trace that was changed since it was sealed."""
    if faults := changed_files(trace.folder):
        raise UserError(f"{trace.name} is not as it was sealed: {faults[0].message}", "see: rlm-dsl verify")
    parts = chosen(trace.answer["parts"], "")
    each = [(part, n) for part, _ in parts if "columns" in part for n in range(1, min(rows, len(part["value"])) + 1)]
    return cite_part(trace, given, parts, limit, each)


def without_secrets(citation: Citation, secrets: Redaction) -> Citation:
    """A citation whose texts are without what was taken out of the trace; the digests are of the bytes as they are."""

    def clean(cited: Cited) -> Cited:
        return replace(cited, span=replace(cited.span, text=secrets.redact(cited.span.text)))

    quotes = tuple((at, clean(cited)) for at, cited in citation.quotes)
    return replace(citation, places=tuple(map(clean, citation.places)), quotes=quotes)


def fields_apart(parts: Sequence[Mapping[str, Any]], wanted: str) -> list[Mapping[str, Any]]:
    """The parts, with the fields of a record of values as parts too, as they are beside a table: in place of an answer
    that is one record where nothing is named."""
    found: list[Mapping[str, Any]] = []
    for part in parts:
        fields = [*fields_of(part, part["part"])]
        found += fields if fields and not part["part"] and not wanted else [part, *fields]
    return found


def fields_of(part: Mapping[str, Any], of: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The fields of a part that is a record, and theirs; `of` is the recorded part that they are of."""
    if part["type"].startswith("{") and isinstance(part["value"], Mapping):
        for named, value in part["value"].items():
            type_ = "{" if isinstance(value, Mapping) else "value"
            field = {"part": [*part["part"], named], "type": type_, "value": value, "of": of}
            yield field
            yield from fields_of(field, of)


def recorded_path(part: Mapping[str, Any]) -> tuple[str, ...]:
    """Where what is recorded of a part stands: a field's stands with its record's."""
    return tuple(part.get("of", part["part"]))


def chosen(parts: Sequence[Mapping[str, Any]], wanted: str) -> list[Chosen]:
    """The parts, or the one that is named: `per_user`, its row `per_user[2]`; `[2]` where the answer is one table."""
    if not wanted:
        return [(part, None) for part in parts]
    found = re.fullmatch(r"(.*?)(?:\[(\d+)\])?", wanted, re.DOTALL)
    named, row = (found[1], found[2]) if found else (wanted, None)
    names = {".".join(part["part"]): part for part in parts}
    if named not in names:
        known = [known for known in names if known]
        hints = did_you_mean(named, known, what="its parts") or ("it is one value: name no part",)
        if not known and "columns" in names[""]:
            hints = ("it is one table, of which a row is cited as `[1]`",)
        raise UserError(f"the answer has no part {wanted!r}", *hints)
    part = names[named]
    if row is not None and "columns" not in part:
        how = f"cite it as `{named}`" if named else "cite it without a name"
        raise UserError(f"{named or 'the answer'} is a value, and has no rows", how)
    rows = len(part["value"]) if "columns" in part else 0
    if row is not None and not 1 <= int(row) <= rows:
        raise UserError(f"there is no row {row} of {named or 'the answer'}", f"it has {counted(rows, 'row')}")
    return [(part, None if row is None else int(row))]


def from_tables(
    trace: Trace, contexts: Mapping[str, Context], parts: Iterable[Chosen], limit: int | None
) -> Iterator[Citation]:
    """Citations from the recorded tables, over sources that are as they were."""
    recorded = {tuple(one["part"]): one for one in trace.answer["evidence"]}
    with Warehouse(contexts=contexts.values()) as warehouse:
        source, header = Source("program.rlm", trace.program), trace.header
        program = checked_program(source, contexts, header.get("params", {}), recorded_versions(header))
        plan = build(program.statements, warehouse.contexts, {})
        target = next(target for target in plan.targets if target.kind == "answer")
        leaves = {leaf.path: leaf for leaf in target.leaves}
        restored = Restored(trace, plan, warehouse)
        for part, row in parts:
            path = recorded_path(part)
            of = leaves[path]
            if (node := field_at(target.node, tuple(part["part"]))) is not None and "of" in part:
                of = restored.of_field(of, node)
            leaf, relation = restored.leaf(of, row, part["value"])
            every = 1 << 62 if limit is None else limit
            told = evidence(leaf, warehouse, contexts, relation, every)
            value = part["value"] if row is None else part["value"][row - 1]
            yield citation(part, row, value, told, {} if row else digests(recorded[path]))


def field_at(node: Node, path: tuple[str, ...]) -> Node | None:
    """What a field of a written record is computed by; None where the record is no written one."""
    for named in path:
        record = resolved(node)
        if not isinstance(record, RecordValue):
            return None
        node = dict(record.fields)[named]
    return node


def digests(recorded: Mapping[str, Any]) -> dict[tuple[Any, ...], str]:
    """The recorded digest of each place."""
    found = (*recorded["spans"], *recorded.get("quotes", ()))
    return {place_of(span): span["sha256"] for span in found if "sha256" in span}


def place_of(span: Mapping[str, Any]) -> tuple[Any, ...]:
    return span["context"], tuple(span["lines"]), tuple(span.get("bytes", ()))


def citation(
    part: Mapping[str, Any], row: int | None, value: Any, told: Evidence, recorded: Mapping[tuple[Any, ...], str]
) -> Citation:
    """Evidence as it is found now beside what was recorded. A file that is as it was holds the bytes that it held."""

    def cited(span: Span) -> Cited:
        known = recorded.get(place_of(span.as_json()), span.sha256)
        same = None if span.sha256 is None else known == span.sha256
        return Cited(span, same, "" if same is not False else "its bytes are not the recorded ones")

    quotes = tuple((f"{quoted.at} of row {quoted.row}", cited(quoted.span)) for quoted in told.quotes)
    return Citation(tuple(part["part"]), row, value, told.count, tuple(map(cited, told.spans)), quotes)


class Restored:
    """The tables of a trace, put back under their names when they are looked at."""

    def __init__(self, trace: Trace, plan: Plan, warehouse: Warehouse) -> None:
        self.trace, self.plan, self.warehouse = trace, plan, warehouse
        self.payload = {held: payload_name(number, held) for number, (held, _) in enumerate(tables(plan), 1)}
        self.relations = {physical_name(r): r for r in (*warehouse.contexts.values(), *plan.made.values())}
        self.there: set[str] = set()

    def of_field(self, leaf: Leaf, node: Node) -> Leaf:
        """A record's leaf as one field's: of the tables that the record rests on, those that the field does."""
        inner = resolved(node)
        own = {physical_name(relation) for relation in self.rested_on(inner)}
        last = inner.operator if isinstance(inner, Step) and inner.operator in ("first", "last") else ""
        return replace(leaf, evidence=tuple(r for r in leaf.evidence if physical_name(r) in own), chosen=last)

    def rested_on(self, node: Node) -> Iterator[Relation]:
        inner = resolved(node)
        if isinstance(inner, ContextRows):
            yield self.warehouse.contexts[inner.name]
        elif isinstance(inner, Step) and isinstance(inner.type, Table):
            yield self.plan.made[inner.identity]
        else:
            for child in inner.inputs[:1] if isinstance(inner, Step) else children(inner):
                yield from self.rested_on(child)

    def leaf(self, leaf: Leaf, row: int | None, value: Any) -> tuple[Leaf, Relation | None]:
        """A part of the answer, or one row of it, whose tables are there; and its own table, if it is one."""
        import pyarrow as pa

        for relation in leaf.evidence:
            self.restore(physical_name(relation))
        if not isinstance(leaf.type, Table):
            self.warehouse.hold(leaf.table, pa.table({VALUE: [value]}))
            return leaf, None
        self.restore(leaf.table)
        own = self.relations[leaf.table]
        if row is None:
            return leaf, own
        one = replace(own, sql=name(ROW))
        query = sql(
            "CREATE OR REPLACE TABLE {v} AS SELECT * FROM {t} ORDER BY {o} LIMIT 1 OFFSET {n}",
            v=name(ROW),
            t=own.sql,
            o=name(ORD),
            n=bound(row - 1, "row"),
        )
        self.warehouse.run(query)
        return replace(leaf, table=ROW, evidence=(one,), chosen=""), one

    def restore(self, table: str) -> None:
        if table in self.payload and table not in self.there:
            self.warehouse.hold(table, self.trace.table(self.payload[table]))
            self.there.add(table)


def from_record(
    trace: Trace, contexts: Mapping[str, Context], parts: Iterable[Mapping[str, Any]], limit: int | None
) -> Iterator[Citation]:
    """Citations from the recorded places alone, each looked up and compared with its digest."""
    recorded = {tuple(one["part"]): one for one in trace.answer["evidence"]}
    places = {c["name"]: [s["path"] for s in c["sources"]] for c in trace.header["contexts"]}
    for part in parts:
        own = recorded[recorded_path(part)]
        cited = tuple(looked_up(span, contexts[span["context"]], places) for span in own["spans"][:limit])
        quotes = own.get("quotes", [])[:limit]
        said = tuple((f"{q['at']} of row {q['row']}", looked_up(q, contexts[q["context"]], places)) for q in quotes)
        yield Citation(tuple(part["part"]), None, part["value"], own["count"], cited, said)


def looked_up(recorded: Mapping[str, Any], context: Context, places: Mapping[str, Sequence[str]]) -> Cited:
    """What lies at a recorded place now."""
    first, last = recorded["lines"]
    start, end = recorded.get("bytes", (None, None))
    source = source_at(recorded["source"], context, places[context.name])
    blank = Span(context.name, recorded["source"], first, last, start, end, None, "")
    if source is None:
        return Cited(blank, False, "its source is gone")
    if start is None:
        return Cited(blank, False, "its source was changed, and has no bytes of its own for a row")
    held = read_spans(source, {(start, end)})[start, end]
    digest = hashlib.sha256(held).hexdigest()
    if digest != recorded["sha256"]:
        return Cited(replace(blank, source=source.name), False, "its bytes are not the recorded ones")
    return Cited(replace(blank, source=source.name, sha256=digest, text=shown_text(held, source)), True)


def source_at(path: str, context: Context, recorded: Sequence[str]) -> SourceFile | None:
    """A recorded source file as it is now: by its path, else by its place in the recorded order."""
    by_path = {source.name: source for source in context.sources}
    if path in by_path:
        return by_path[path]
    index = recorded.index(path) if path in recorded else len(context.sources)
    return context.sources[index] if index < len(context.sources) and len(recorded) == len(by_path) else None
