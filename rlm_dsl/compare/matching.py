"""Which steps of two programs are the same, and in what a step differs from its other self.

In: two sides. Out: pairs of steps with their changes, and why a step came to be run again. Law: names, layout and order
are no change; steps match by what they are, then by name, then by the longest common sequence of operators.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from rlm_dsl.compare.sides import NamedStep, Side
from rlm_dsl.language.operators.core.kinds import Words
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.program import argument_form

Kind = Literal["data", "program", "instruction", "parameters", "model", "parse"]
KINDS: tuple[Kind, ...] = ("data", "program", "instruction", "parameters", "model", "parse")
"""The reasons for which a row is asked again, the earliest first."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing in which a step differs: `what` names it ("labels", "param limit"), the sides are its words."""

    kind: Kind
    what: str
    before: str
    after: str

    @property
    def message(self) -> str:
        return f"{self.what} changed"

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "what": self.what, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class Pair:
    """A step on both sides, or on one alone, with its own changes."""

    before: NamedStep | None
    after: NamedStep | None
    changes: tuple[Change, ...] = ()

    @property
    def name(self) -> str:
        present = self.after or self.before
        assert present is not None
        return present.name

    @property
    def operator(self) -> str:
        present = self.after or self.before
        assert present is not None
        return present.operator


def match_steps(a: Side, b: Side) -> tuple[Pair, ...]:
    """Every step of both sides in a pair, in the order of the second program; those that went stand where they were."""
    to = dict(match_names(list(a.steps.values()), list(b.steps.values())))
    back = {after: before for before, after in to.items()}
    pairs = [
        Pair(a.steps.get(back.get(name, "")), step, changes_of(a.steps[back[name]], step, a, b) if name in back else ())
        for name, step in b.steps.items()
    ]
    for place, (name, step) in enumerate(a.steps.items()):
        if name not in to:
            pairs.insert(min(place, len(pairs)), Pair(step, None))
    return tuple(pairs)


def match_names(a: Sequence[NamedStep], b: Sequence[NamedStep]) -> Iterator[tuple[str, str]]:
    """Names of steps that are the same."""
    ways: tuple[Callable[[NamedStep], str], ...] = (lambda step: step.node.identity, lambda step: step.name)
    for way in ways:
        there = {way(step): step for step in reversed(b)}
        found = [(step, there[way(step)]) for step in a if way(step) in there]
        found = list({after.name: (before, after) for before, after in reversed(found)}.values())
        yield from ((before.name, after.name) for before, after in found)
        a = [step for step in a if step.name not in {before.name for before, _ in found}]
        b = [step for step in b if step.name not in {after.name for _, after in found}]
    same = SequenceMatcher(None, [step.operator for step in a], [step.operator for step in b], autojunk=False)
    for block in same.get_matching_blocks():
        for offset in range(block.size):
            yield a[block.a + offset].name, b[block.b + offset].name


def changes_of(a: NamedStep, b: NamedStep, of_a: Side, of_b: Side) -> tuple[Change, ...]:
    """In what a step itself differs, the earliest kind first; what lies before it is no change of its own."""
    found = list(model_changes(a, b, of_a, of_b))
    if a.node.identity != b.node.identity:
        found += program_changes(a, b)
    return tuple(sorted(found, key=lambda change: KINDS.index(change.kind)))


def program_changes(a: NamedStep, b: NamedStep) -> Iterator[Change]:
    if a.operator != b.operator:
        yield Change("program", "operator", a.operator, b.operator)
        return
    if a.node.version != b.node.version:
        yield Change("program", f"meaning of {a.operator}", f"version {a.node.version}", f"version {b.node.version}")
    words = {p.name for p in table_operators()[a.operator].parameters if isinstance(p.kind, Words)}
    for name in dict.fromkeys([*a.written, *b.written]):
        before, after = a.written.get(name, ""), b.written.get(name, "")
        if before != after and argument_differs(a.node.arguments, b.node.arguments, name):
            yield Change("instruction" if name in words else "program", name or "condition", before, after)
    for name in dict.fromkeys([*a.params, *b.params]):
        before, after = (json_text(params.get(name)) for params in (a.params, b.params))
        if before != after and name in a.params and name in b.params:
            yield Change("parameters", f"param {name}", before, after)


def argument_differs(a: Mapping[str, Any], b: Mapping[str, Any], name: str) -> bool:
    """Whether an argument means something else. Words of one that takes names of its own are all there is to it."""
    return name not in a or name not in b or argument_form(a[name]) != argument_form(b[name])


def model_changes(a: NamedStep, b: NamedStep, of_a: Side, of_b: Side) -> Iterator[Change]:
    if not (a.asks and b.asks):
        return
    one, other = of_a.models.get(a.node.arguments["using"]), of_b.models.get(b.node.arguments["using"])
    if one is None or other is None:
        return
    if one.parameters != other.parameters:
        for name in sorted({*one.parameters, *other.parameters}):
            before, after = (json_text(each.parameters.get(name)) for each in (one, other))
            if before != after:
                yield Change("parameters", name, before, after)
    together = [side.rows_per_call.get(step.name, 1) for side, step in ((of_a, a), (of_b, b))]
    if together[0] != together[1]:
        yield Change("parameters", "rows per call", str(together[0]), str(together[1]))
    if (one.model, one.base_url) != (other.model, other.base_url):
        what = "model" if one.model != other.model else "server"
        before, after = ((each.model, each.base_url)[what == "server"] for each in (one, other))
        yield Change("model", what, before, after)


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def changed_contexts(a: Side, b: Side) -> frozenset[str]:
    """The contexts that do not hold the same on both sides."""
    names = {*a.contexts, *b.contexts}
    return frozenset(
        name for name in names if a.contexts.get(name, {}).get("digest") != b.contexts.get(name, {}).get("digest")
    )


def cause(pair: Pair, pairs: Mapping[str, Pair], data: frozenset[str]) -> tuple[Kind, str] | None:
    """Why a step of the second side may come to something else: itself, its data, or the nearest step before it that
    does. None where nothing says so. `pairs` are by the names of the second side."""
    if pair.before is None or pair.after is None:
        return "program", "new step" if pair.before is None else "gone"
    if pair.changes:
        return pair.changes[0].kind, pair.changes[0].message
    if pair.after.contexts & data:
        return "data", "new data"
    for name in pair.after.inputs:
        if name in pairs and (found := cause(pairs[name], pairs, data)) is not None:
            kind, message = found
            return kind, message if ": " in message else f"{name}: {message}"
    if pair.after.node.identity != pair.before.node.identity:
        return "program", "inputs changed"
    return None
