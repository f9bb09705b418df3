"""What a page tells of a run, gathered from its trace: answer, evidence, how it was reached, cost, what failed.

In: a sealed trace, where its contexts lie. Out: a value for a page. Law: a page stays small however large a run was,
and says what it left out; every text in it is data.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import re2

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.run_trace import recorded_calls
from rlm_dsl.language.edit.call_sites import calls_in, nodes_in
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.replay.cite import Citation, Cited, cite_all
from rlm_dsl.replay.tables import query
from rlm_dsl.replay.verify import verify
from rlm_dsl.report.graph import Graph, graph
from rlm_dsl.trace.divergence import Report
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.story import Story, story

ROWS, LINKED, PLACES, FAILED, PROMPTS, TEXT = 1_000, 25, 40, 50, 2, 1_500
"""Rows of an answer, rows of it with evidence of their own, places of each, failed rows, prompts of a step, letters."""
MOST_EVIDENCE = 1_500_000
"""Characters of all evidence on a page."""

Piece = tuple[str, bool]
"""A piece of a text, and whether it is what was looked for."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a source with its text in pieces; `problem` where its bytes are not the recorded ones."""

    source: str
    lines: str
    bytes: str
    pieces: tuple[Piece, ...]
    cut: int
    problem: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The places behind a part of the answer or a row of it; `id` is where it stands on the page."""

    id: str
    name: str
    value: str
    count: int
    places: tuple[Place, ...]
    quotes: tuple[tuple[str, Place], ...]


@dataclass(frozen=True, slots=True)
class PartView:
    """A part of the answer: a value, or columns and rows, each with the id of its evidence."""

    name: str
    type: str
    value: str
    evidence: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class StepView:
    name: str
    operator: str
    rows: str
    asked: str
    sql: str
    prompts: tuple[tuple[str, str, str], ...]
    calls: int = 0
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class RunView:
    """Everything that the page of a run shows."""

    story: Story
    verdict: Report | None
    verdict_problem: str
    parts: tuple[PartView, ...]
    evidence: tuple[Evidence, ...]
    evidence_problem: str
    coverage: tuple[str, ...]
    graph: Graph
    steps: tuple[StepView, ...]
    failed: tuple[tuple[str, str, str], ...]
    failed_count: int
    left_out: tuple[str, ...] = field(default=())
    tuned: Mapping[str, Any] = field(default_factory=dict)


def run_view(
    trace: Trace, given: Mapping[str, str | Context], environment: Mapping[str, str], *, verified: bool = True
) -> RunView:
    """What there is to see of a trace. Sources that are gone leave a page without evidence, and say so."""
    told = story(trace)
    verdict, problem = (None, "not asked for") if not verified else checked(trace, given, environment)
    citations, evidence_problem = cited(trace, given)
    marks = patterns(trace.program)
    budget = [MOST_EVIDENCE]
    evidence = tuple(evidence_view(each, marks, budget) for each in citations)
    left = [f"{each.name}: {each.count - len(each.places):,} more places" for each in evidence if left_out(each)]
    parts = tuple(part_view(part, {each.id for each in evidence}) for part in told.answer.get("parts", ()))
    left += [f"{part.name or 'the answer'}: {part.more:,} more rows" for part in parts if part.more]
    failed, count = failures(trace)
    return RunView(
        told,
        verdict,
        problem,
        parts,
        evidence,
        evidence_problem,
        tuple(coverage(told)),
        graph(trace.header["contexts"], trace.steps),
        tuple(step_views(trace)),
        failed,
        count,
        tuple(left),
        trace.header.get("tuned", {}),
    )


def left_out(each: Evidence) -> bool:
    return each.count > len(each.places) and not re.search(r"-\d+$", each.id)


def checked(
    trace: Trace, given: Mapping[str, str | Context], environment: Mapping[str, str]
) -> tuple[Report | None, str]:
    try:
        return verify(trace, given, environment), ""
    except UserError as failure:
        return None, failure.message


def cited(trace: Trace, given: Mapping[str, str | Context]) -> tuple[tuple[Citation, ...], str]:
    try:
        return cite_all(trace, given, LINKED, PLACES), ""
    except (UserError, ProgramError) as failure:
        return (), str(failure).split("\n")[0]


def evidence_id(path: Sequence[str], row: int | None = None) -> str:
    name = "-".join(re.sub(r"\W", "_", each) for each in path) or "answer"
    return f"e-{name}" + ("" if row is None else f"-{row}")


def evidence_view(citation: Citation, marks: Sequence[Any], budget: list[int]) -> Evidence:
    places = []
    for cited_ in citation.places:
        if budget[0] <= 0:
            break
        places.append(place_view(cited_, marks))
        budget[0] -= sum(len(piece) for piece, _ in places[-1].pieces)
    return Evidence(
        evidence_id(citation.path, citation.row),
        citation.name or "the answer",
        shown(citation.value) if citation.row is None else ", ".join(map(cell, citation.value)),
        citation.count,
        tuple(places),
        tuple((at, place_view(each, marks)) for at, each in citation.quotes),
    )


def place_view(cited_: Cited, marks: Sequence[Any]) -> Place:
    span = cited_.span
    lines = (
        f"line {span.first_line:,}"
        if span.first_line == span.last_line
        else f"lines {span.first_line:,}-{span.last_line:,}"
    )
    held = "" if span.start is None or span.end is None else f"bytes {span.start:,}-{span.end:,}"
    text = span.text[:TEXT].rstrip("\r\n")
    return Place(span.source, lines, held, tuple(pieces(text, marks)), max(0, len(span.text) - TEXT), cited_.problem)


def patterns(program: str) -> list[Any]:
    """What a program looks for in texts: the patterns that stand in it."""
    found = []
    try:
        tree = parse(Source("program", program))
    except ProgramError:
        return []
    texts = [text.value for text in nodes_in(tree.statements, t.Text) if text.raw]
    for call in calls_in(tree.statements):
        if call.operator == "grep":
            texts += [a.value.value for a in call.arguments[:1] if isinstance(a.value, t.Text)]
    for text in dict.fromkeys(texts):
        try:
            found.append(re2.compile(text))
        except re2.error:
            continue
    return found


def pieces(text: str, marks: Sequence[Any]) -> Iterator[Piece]:
    """A text in pieces: what a pattern finds in it, or in one cell of it where it is a line of CSV, is marked."""
    spans = sorted({span for mark in marks for span in found_in(text, mark)})
    at = 0
    for start, end in spans:
        if start >= at and end > start:
            if start > at:
                yield text[at:start], False
            yield text[start:end], True
            at = end
    if at < len(text) or not text:
        yield text[at:], False


def found_in(text: str, mark: Any) -> Iterator[tuple[int, int]]:
    found = [(m.start(), m.end()) for m in mark.finditer(text) if m.end() > m.start()][:20]
    if found:
        yield from found
        return
    cells = next(csv.reader(io.StringIO(text)), []) if text.count(",") and "\x00" not in text else []
    for cell in cells[:100]:
        match = mark.search(cell)
        if cell and match and match.end() > match.start() and (at := text.find(match.group())) >= 0:
            yield at, at + len(match.group())


def shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def cell(value: Any) -> str:
    return "" if value is None else shown(value)[:TEXT]


def part_view(part: Mapping[str, Any], known: set[str]) -> PartView:
    path = tuple(part["part"])
    own = evidence_id(path)
    name, linked = ".".join(path), own if own in known else ""
    if "columns" not in part:
        return PartView(name, part["type"], shown(part["value"]), linked)
    rows = tuple(
        (link if (link := evidence_id(path, n)) in known else linked, tuple(map(cell, row)))
        for n, row in enumerate(part["value"][:ROWS], 1)
    )
    return PartView(name, part["type"], "", linked, tuple(part["columns"]), rows, max(0, len(part["value"]) - ROWS))


def coverage(told: Story) -> Iterator[str]:
    """For each step that asks a model: how many of its context's rows it read, and which steps left out the rest."""
    steps = {step["step"]: step for step in told.steps}
    contexts = {context["name"]: context["rows"] for context in told.header.get("contexts", ())}
    for step in told.steps:
        if not step.get("asked"):
            continue
        read = step["asked"].get("rows", 0) - step["asked"].get("not_needed", 0) - step["asked"].get("nothing_shown", 0)
        proxy = step["asked"].get("by_proxy", 0)
        out, name = [], (step.get("inputs") or [""])[0]
        after = read
        while name in steps:
            before = (steps[name].get("inputs") or [""])[0]
            rows = steps[before].get("rows") if before in steps else contexts.get(before)
            own = steps[name].get("rows")
            if own is not None and rows is not None and rows > own and not steps[name].get("asked"):
                out.append(f"{rows - own:,} by `{name}`")
            name = before
        of = contexts.get(name)
        by = f", {proxy:,} of them decided by a proxy" if proxy else ""
        if of is None or of < after:
            yield f"{read:,} texts were read by a model in `{step['step']}`{by}."
        else:
            rest = f"; the rest were left out: {', '.join(reversed(out))}" if out else ""
            yield f"{read:,} of {of:,} rows of {name} were read by a model in `{step['step']}`{by}{rest}."
    if not any(step.get("asked") for step in told.steps):
        yield "No model read any row: every step is exact."


def step_views(trace: Trace) -> Iterator[StepView]:
    spent = spent_by_step(trace)
    sql = sql_by_step(trace)
    calls = recorded_calls(trace)
    for step in trace.steps:
        prompts = []
        if step.get("asked"):
            for key in list(calls.of_step(step["step"]))[:PROMPTS]:
                call = calls[key]
                system, *_, last = [message.content for message in call.request.messages] or [""]
                prompts.append((system[:6_000], last[:TEXT], call.answer.text[:TEXT]))
        rows = f"{step['rows']:,}" if "rows" in step else f"= {shown(step['value'])[:60]}" if "value" in step else ""
        yield StepView(
            step["step"],
            step["operator"],
            rows,
            asked_words(step.get("asked")),
            sql.get(step["step"], ""),
            tuple(prompts),
            **spent.get(step["step"], {}),
        )
    if "root" in spent:
        yield StepView("root", "explores", "", "", "", (), **spent["root"])


def asked_words(asked: Mapping[str, Any] | None) -> str:
    if not asked:
        return ""
    bad = ", ".join(f"{asked[s]:,} {s}" for s in ("invalid", "refused", "error") if asked.get(s))
    proxy = f", {asked['by_proxy']:,} by proxy" if asked.get("by_proxy") else ""
    return f"{asked['requests']:,} requests" + (f", {bad}" if bad else "") + proxy


def spent_by_step(trace: Trace) -> dict[str, dict[str, Any]]:
    """Live calls, their seconds one after the other, tokens and dollars, where prices are known."""
    prices = trace.header.get("prices", {})
    _, rows = query(
        trace,
        "SELECT a.step, c.model, count(*), sum(a.seconds), sum(a.prompt_tokens), sum(a.completion_tokens) "
        "FROM attempts a LEFT JOIN (SELECT DISTINCT key, model FROM calls) c USING (key) GROUP BY 1, 2",
        None,
    )
    found: dict[str, dict[str, Any]] = {}
    for step, model, calls, seconds, given, answered in rows:
        held = found.setdefault(
            step, {"calls": 0, "seconds": 0.0, "prompt_tokens": 0, "completion_tokens": 0, "usd": 0.0}
        )
        given, answered = int(given or 0), int(answered or 0)
        held["calls"] += calls
        held["seconds"] += float(seconds or 0)
        held["prompt_tokens"] += given
        held["completion_tokens"] += answered
        price = prices.get(model)
        known = price is not None and held["usd"] is not None
        held["usd"] = held["usd"] + (given * price[0] + answered * price[1]) / 1e6 if known and price else None
    return found


def sql_by_step(trace: Trace) -> dict[str, str]:
    """The queries of the plan by the steps that they make."""
    text = (trace.folder / "plan.sql").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for part in re.split(r"\n\n(?=-- )", text):
        head = re.match(r"-- (.*)", part)
        for name in re.findall(r"(\w+|`[^`]+`) \(\w+\)", head[1] if head else ""):
            found[name.strip("`")] = part.strip()
    return found


def failures(trace: Trace) -> tuple[tuple[tuple[str, str, str], ...], int]:
    """Rows that have no valid answer, each with its step and the reason; and how many there are."""
    count = sum(
        (step.get("asked") or {}).get(kind, 0) for step in trace.steps for kind in ("invalid", "refused", "error")
    )
    if not count:
        return (), 0
    _, rows = query(
        trace,
        "SELECT step, request_json, answer, finish, refusal FROM calls WHERE coalesce(refusal, '') <> '' OR "
        "coalesce(finish, '') <> 'stop' OR json_array_length(request_json, '$.messages') > 2 ORDER BY step, key",
        FAILED,
    )
    found = []
    for step, request, _answer, finish, refusal in rows:
        messages = json.loads(request)["messages"]
        text = messages[1]["content"] if len(messages) > 1 else ""
        if refusal:
            why = f"refused: {refusal}"
        elif finish not in (None, "stop"):
            why = f"ended early: {finish}"
        else:
            why = f"no answer of the type: {messages[-1]['content']}"
        found.append((step, text[:400], why[:400]))
    return tuple(found), count
