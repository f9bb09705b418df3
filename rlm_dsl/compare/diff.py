"""Two runs beside each other: program, data, steps with their rows, answer, prompts, cost.

In: two finished traces. Out: a `Difference`. Law: a trace beside itself has none; every row that changed has one cause;
what only tells of when and at what price a run was made is no difference.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.html import html_table
from rlm_dsl.common.json_ready import json_ready
from rlm_dsl.compare.matching import Pair, cause, changed_contexts, match_steps
from rlm_dsl.compare.rows import Columns, Rows, columns_of_rows, compare_rows, text_of
from rlm_dsl.compare.runs import ANSWER, SHOWN, Run
from rlm_dsl.compare.sides import NamedStep, Side, side_of_trace
from rlm_dsl.language.program import steps_of
from rlm_dsl.language.types import Table
from rlm_dsl.review.change import Change, changes_between
from rlm_dsl.review.telling import told_reviews
from rlm_dsl.trace.reader import Trace

KEPT = ("digest", "value")
"""What a step's record has of its rows, where they were counted as one table or value."""
OWN_TEXT = "the row's own text changed"
ANSWERED_DIFFERENTLY = "answered differently"


@dataclass(frozen=True)
class StepDiff:
    """A step on both sides. `rows` is None where the step is a value, or a part of another step's query; `causes` say
    of the rows that changed why, `moves` what became what where one answer changed."""

    pair: Pair
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    rows: Rows | None
    a: Columns | None
    b: Columns | None
    live: int
    why: str
    causes: Mapping[str, int] = field(default_factory=dict)
    moves: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether its rows may be others and nothing recorded tells: it is a part of another step's query."""
        kept = [self.rows, *((record or {}).get(name) for record in (self.before, self.after) for name in KEPT)]
        return bool(self.why) and all(each is None for each in kept)

    @property
    def differs(self) -> bool:
        def what(record: Mapping[str, Any] | None) -> list[Any]:
            return [(record or {}).get(name) for name in ("operator", "type", "rows", "digest", "value", "asked")]

        if self.pair.changes or (self.rows is not None and self.rows.differ):
            return True
        before, after = what(self.before), what(self.after)
        differ: bool = before != after
        return differ

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "step": self.pair.name,
            "operator": self.pair.operator,
            "changes": [change.as_json() for change in self.pair.changes],
            "before": None
            if self.before is None
            else {k: self.before.get(k) for k in ("step", "rows", "value", "line")},
            "after": None if self.after is None else {k: self.after.get(k) for k in ("step", "rows", "value", "line")},
            "calls": self.live,
            "why": self.why,
        }
        if self.rows is not None:
            r = self.rows
            found |= {"same": r.same, "changed": len(r.changed), "added": len(r.added), "removed": len(r.removed)}
            found["causes"] = dict(self.causes)
            found["moves"] = [{"before": a, "after": b, "rows": n} for (a, b), n in self.moves.items()]
        return found


@dataclass(frozen=True)
class PartDiff:
    """A part of the answer on both sides: a value, or rows beside each other; None where a side has it not."""

    name: str
    before: Any
    after: Any
    rows: Rows | None = None
    a: Columns | None = None
    b: Columns | None = None

    @property
    def differs(self) -> bool:
        differ: bool = self.before != self.after
        return differ

    def as_json(self) -> dict[str, Any]:
        return {"part": self.name, "before": json_ready(self.before), "after": json_ready(self.after)}


@dataclass(frozen=True)
class Difference:
    """All of it. `evidence` counts places gained and lost, `prompts` are the instructions that differ by step, `cost`
    what each run took, `flaky` how many same requests were answered differently."""

    a: Run
    b: Run
    steps: tuple[StepDiff, ...]
    answer: tuple[PartDiff, ...]
    evidence: tuple[int, int]
    prompts: Mapping[str, tuple[str, str]]
    cost: tuple[Mapping[str, Any], Mapping[str, Any]]
    flaky: int
    changes: tuple[Change, ...] = ()
    """Of the numbers that rest on a model, where rows were reviewed: whether they changed by more than the error."""

    @property
    def data(self) -> frozenset[str]:
        return changed_contexts(self.a.side, self.b.side)

    @property
    def params(self) -> dict[str, tuple[Any, Any]]:
        """The params whose values differ."""
        a, b = self.a.side.params, self.b.side.params
        return {n: (a.get(n), b.get(n)) for n in {**a, **b} if a.get(n) != b.get(n)}

    @property
    def changed_program(self) -> tuple[str, ...]:
        """Names of the steps that are other steps now, new or gone."""
        return tuple(
            step.pair.name
            for step in self.steps
            if step.pair.before is None
            or step.pair.after is None
            or any(change.kind in ("program", "instruction") for change in step.pair.changes)
        )

    @property
    def same(self) -> bool:
        differ: tuple[object, ...] = (
            self.data,
            self.params,
            self.prompts,
            self.changed_program,
            any(step.differs for step in self.steps),
            any(part.differs for part in self.answer),
            any(self.evidence),
            self.flaky > 0,
        )
        return not any(differ)

    def _repr_html_(self) -> str:
        """For notebooks: the answer's parts and the steps on both sides."""
        parts = [(part.name, text_of(part.before), text_of(part.after)) for part in self.answer]
        parts += [(change.name, "", change.told()) for change in self.changes]
        steps = [
            (s.pair.name, s.pair.operator, (s.before or {}).get("rows"), (s.after or {}).get("rows"), s.live, s.why)
            for s in self.steps
        ]
        answers = html_table(("answer", "before", "after"), parts)
        return f"<div>{answers}{html_table(('step', 'operator', 'before', 'after', 'calls', 'why'), steps)}</div>"

    def as_json(self) -> dict[str, Any]:
        def context(side: Side, name: str) -> dict[str, Any] | None:
            held = side.contexts.get(name)
            return None if held is None else {key: held[key] for key in ("given", "rows", "digest")}

        return {
            "a": self.a.trace.name,
            "b": self.b.trace.name,
            "same": self.same,
            "contexts": {
                name: {"before": context(self.a.side, name), "after": context(self.b.side, name)}
                for name in dict.fromkeys([*self.a.side.contexts, *self.b.side.contexts])
            },
            "params": {name: {"before": a, "after": b} for name, (a, b) in self.params.items()},
            "steps": [step.as_json() for step in self.steps],
            "answer": [part.as_json() for part in self.answer],
            "evidence": {"gained": self.evidence[0], "lost": self.evidence[1]},
            "prompts": {name: {"before": a, "after": b} for name, (a, b) in self.prompts.items()},
            "cost": {"before": dict(self.cost[0]), "after": dict(self.cost[1])},
            "same_request_answered_differently": self.flaky,
            **({"reviews": [change.as_json() for change in self.changes]} if self.changes else {}),
        }


class NotComparable(UserError):
    """Two runs that have nothing to be held beside each other."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint or "compare runs of one program, or of versions of it", code="compare")


def diff(one: Trace, other: Trace) -> Difference:
    """Hold two finished traces beside each other. Raises NotComparable where nothing matches, UserError for what is no
    whole trace."""
    a, b = read_run(one), read_run(other)
    pairs = match_steps(a.side, b.side)
    met = [p for p in pairs if p.before is not None and p.after is not None]
    if not any(p.before and p.after and are_one_step(p.before, p.after) for p in met):
        raise NotComparable(f"{one.name} and {other.name} have no step in common")
    steps = tuple(step_diffs(a, b, pairs))
    prompts = {
        pair.name: words
        for pair in met
        if pair.before is not None and pair.after is not None and pair.after.asks
        for words in [(a.instruction(pair.before.name), b.instruction(pair.after.name))]
        if words[0] != words[1] and all(words)
    }
    places_a, places_b = evidence_places(one.answer), evidence_places(other.answer)
    gained, lost = (places_b - places_a).total(), (places_a - places_b).total()
    return Difference(
        a,
        b,
        steps,
        tuple(part_diffs(one.answer["parts"], other.answer["parts"], answered_parts(a.side, b.side))),
        (gained, lost),
        prompts,
        (cost_of(a), cost_of(b)),
        count_flaky(a, b),
        changes_between(told_reviews(one, resting=False), told_reviews(other, resting=False)),
    )


def are_one_step(a: NamedStep, b: NamedStep) -> bool:
    """Whether two steps are one by what they are or by name; that both have an operator says too little."""
    return a.name == b.name or a.node.identity == b.node.identity


def read_run(trace: Trace) -> Run:
    try:
        return Run(trace, side_of_trace(trace))
    except ProgramError as failure:
        first = failure.diagnostics[0].message
        raise NotComparable(f"the program of {trace.name} does not check: {first}", "see: rlm-dsl verify") from None


def step_diffs(a: Run, b: Run, pairs: tuple[Pair, ...]) -> Iterator[StepDiff]:
    data = changed_contexts(a.side, b.side)
    by_name = {pair.after.name: pair for pair in pairs if pair.after is not None}
    answered: set[str] = set()  # the model steps whose answers differ
    for pair in pairs:
        before = a.records.get(pair.before.name) if pair.before else None
        after = b.records.get(pair.after.name) if pair.after else None
        rows, one, other = rows_of(a, b, pair, before, after)
        found = cause(pair, by_name, data)
        live = b.live(pair.after.name) if pair.after else 0
        why = found[1] if found is not None else ""
        causes, moves = row_causes(pair, by_name, data, rows, one, other)
        if pair.after is not None and rows is not None and rows.differ and pair.after.asks:
            answered.add(pair.after.node.identity)
        if not why and pair.after is not None and (rests_on(pair.after, answered) if rows is None else rows.differ):
            why = answers_cause(pair, by_name)
        yield StepDiff(pair, before, after, rows, one, other, live, why, causes, moves)


def rests_on(step: NamedStep, identities: set[str]) -> bool:
    return any(each.identity in identities for each in steps_of(step.node))


def rows_of(
    a: Run, b: Run, pair: Pair, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[Rows | None, Columns | None, Columns | None]:
    """A step's rows beside each other. Equal digests are equal rows, and are not read."""
    if pair.before is None or pair.after is None or before is None or after is None:
        return None, None, None
    if not (isinstance(pair.before.node.type, Table) and isinstance(pair.after.node.type, Table)):
        return None, None, None
    digest = before.get("digest")
    if digest is not None and digest == after.get("digest") and before.get("type") == after.get("type"):
        return Rows(pair.after.node.type.names, int(after["rows"]), (), (), ()), None, None
    one = a.rows(pair.before.name, pair.before.node)
    other = b.rows(pair.after.name, pair.after.node)
    if one is None or other is None or (one.names == (SHOWN, ANSWER)) != (other.names == (SHOWN, ANSWER)):
        return None, None, None
    answered = frozenset({ANSWER}) if one.names == (SHOWN, ANSWER) else pair.before.answered | pair.after.answered
    return compare_rows(one, other, answered), one, other


def row_causes(
    pair: Pair,
    pairs: Mapping[str, Pair],
    data: frozenset[str],
    rows: Rows | None,
    a: Columns | None,
    b: Columns | None,
) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Why the rows that changed did, each for one cause, and what their answers became."""
    if rows is None or a is None or b is None or pair.after is None:
        return {}, {}
    causes: Counter[str] = Counter()
    moves: Counter[tuple[str, str]] = Counter()
    answers = answers_cause(pair, pairs)
    own = (cause(pair, pairs, data) or (None, answers))[1]
    if pair.after.contexts & data and not b.united:
        own = OWN_TEXT
    for change in rows.changed:
        causes[own if change.exact else answers] += 1
        differ = [n for n in rows.names if a.values[n][change.before] != b.values[n][change.after]]
        if not change.exact and len(differ) == 1:
            moves[str(a.values[differ[0]][change.before]), str(b.values[differ[0]][change.after])] += 1
    return dict(causes.most_common()), dict(moves.most_common())


def answers_cause(pair: Pair, pairs: Mapping[str, Pair]) -> str:
    """Why answers changed under the same rows: what changed in the model step itself, or in one before it; where
    nothing did, the model step whose answers are others."""
    assert pair.after is not None
    within = {step.identity for step in steps_of(pair.after.node)}
    asking = [p for p in (pair, *pairs.values()) if p.after and p.after.asks and p.after.node.identity in within]
    changed = next((other for other in asking if other.changes), None)
    message = ANSWERED_DIFFERENTLY if changed is None else changed.changes[0].message
    of = changed or next(iter(asking), pair)
    return message if of is pair else f"{of.name}: {message}"


def answered_parts(a: Side, b: Side) -> dict[str, frozenset[str]]:
    """The columns of the answer's parts that a model answered, on either side, so that their rows match as their
    steps' do."""
    return {
        name: a.answer.get(name, frozenset()) | b.answer.get(name, frozenset()) for name in {**a.answer, **b.answer}
    }


def part_diffs(
    a: Sequence[Mapping[str, Any]],
    b: Sequence[Mapping[str, Any]],
    answered: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> Iterator[PartDiff]:
    """The parts of both answers, by their paths; `answered` are columns of theirs that a model answered."""
    one, other = ({".".join(part["part"]): part for part in parts} for parts in (a, b))
    for name in dict.fromkeys([*one, *other]):
        before, after = one.get(name), other.get(name)
        if before and after and "columns" in before and "columns" in after:
            tables = (
                columns_of_rows(before["columns"], before["value"]),
                columns_of_rows(after["columns"], after["value"]),
            )
            rows = compare_rows(*tables, answered.get(name, frozenset()))
            yield PartDiff(name, before["value"], after["value"], rows, *tables)
        else:
            yield PartDiff(name, before and number_or_value(before), after and number_or_value(after))


def number_or_value(part: Mapping[str, Any]) -> Any:
    """A part's value; a decimal, which answers hold as text, as the number that it is."""
    value = part["value"]
    return Decimal(value) if str(part.get("type", "")).startswith("decimal(") and isinstance(value, str) else value


def evidence_places(answer: Mapping[str, Any]) -> Counter[tuple[Any, ...]]:
    """The listed places that an answer rests on."""
    return Counter(
        (tuple(one["part"]), span.get("context"), span.get("sha256"))
        for one in answer["evidence"]
        for span in one["spans"]
    )


def cost_of(run: Run) -> dict[str, Any]:
    """What a run took: calls made, answers known before, tokens and dollars where they are known."""
    live = sum(origin == "live" for origin in run.calls["origin"])
    known = sum(origin in ("store", "trace") for origin in run.calls["origin"])
    tokens = [run.end.get(f"gen_ai.usage.{side}_tokens") or 0 for side in ("input", "output")]
    usd = run.end.get("llm.cost.total")
    return {"calls": live, "known": known, "tokens": sum(tokens), "usd": None if usd is None else float(usd)}


def count_flaky(a: Run, b: Run) -> int:
    """How many requests that both runs made were answered differently: other texts, whatever the tokens."""
    known = dict(zip(a.calls["key"], a.calls["answer"], strict=True))
    found = 0
    for key, answer in zip(b.calls["key"], b.calls["answer"], strict=True):
        before = known.get(key)
        if before is not None and before != answer and key not in b.packs:
            found += json.loads(before)["text"] != json.loads(answer)["text"]
    return found
