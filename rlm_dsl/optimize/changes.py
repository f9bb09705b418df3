"""Changes of the program itself, not of its words: what it asks whom, how many rows together, in which order, at all.

In: a program's text, its steps, labelled examples. Out: candidates, each with what was changed in words.
Law: a change is a candidate like any other, measured on labels before it is taken; nothing here asks a model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from rlm_dsl.common.source import Source
from rlm_dsl.language.edit.call_sites import calls_in, nodes_in, replace_call
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show
from rlm_dsl.optimize.bench import Candidate, holds
from rlm_dsl.optimize.examples import Labelled
from rlm_dsl.optimize.statistics import most_errors
from rlm_dsl.optimize.steps import Tunable
from rlm_dsl.optimize.tuned import TunedCall

TOGETHER = (5, 20)
MOST_VARIANTS = 64
MOST_TERMS = 40
LEAST_RULED_OUT = 0.2
"""The share of rows that a pattern must rule out to be worth a step."""
LEAST_RECALL = 0.9
"""What its recall must be at least, with a certainty of 95 %, on rows that it was not made from."""


def with_call(candidate: Candidate, step: Tunable, origin: str, **arguments: Any) -> Candidate:
    """The candidate with arguments of one step set."""
    return replace(candidate, calls=(*candidate.calls, TunedCall(step.statement, step.call, arguments)), origin=origin)


def by_alias(base: Candidate, steps: Mapping[str, Tunable], aliases: Iterable[str]) -> list[Candidate]:
    """Each step asked of each model of the run's settings."""
    found = []
    names, known = list(steps), sorted(aliases)
    for chosen in product(*([steps[n].using, *(a for a in known if a != steps[n].using)] for n in names)):
        changed = {n: a for n, a in zip(names, chosen, strict=True) if a != steps[n].using}
        candidate = base
        for name, alias in changed.items():
            candidate = with_call(candidate, steps[name], "", using=alias)
        if changed:
            told = ", ".join(f"{name} by {alias}" for name, alias in changed.items())
            found.append(replace(candidate, origin=f"{base.origin}, {told}"))
    return found[:MOST_VARIANTS]


def together(base: Candidate, steps: Iterable[str], counts: Sequence[int] = TOGETHER) -> list[Candidate]:
    """Several rows a call."""
    held = [(n, {**base.rows_per_call, **dict.fromkeys(steps, n)}) for n in counts]
    return [replace(base, rows_per_call=rows, origin=f"{base.origin}, {n} rows a call") for n, rows in held]


def halved(
    candidates: Sequence[Candidate],
    examples: Sequence[Labelled],
    score: Callable[[Candidate, Sequence[Labelled]], tuple[float, float]],
    keep: int = 2,
) -> list[Candidate]:
    """Successive halving (Jamieson and Talwalkar, 2016): all on a few examples, the better half on twice as many, until
    `keep` are left. `score` gives what is better when greater, compared in order."""
    left, size = list(candidates), max(8, len(examples) // 4)
    while len(left) > keep:
        ranked = sorted(left, key=lambda each: score(each, examples[:size]), reverse=True)
        left, size = ranked[: max(keep, len(left) // 2)], size * 2
    return left


def most_halving(candidates: int, examples: int, keep: int = 2) -> int:
    """How many answers halving wants at most."""
    asked, size = 0, max(8, examples // 4)
    while candidates > keep:
        asked, candidates, size = asked + candidates * min(size, examples), max(keep, candidates // 2), size * 2
    return asked


# ---- of the text ----


def with_pipe(tree: t.Tree, old: t.Pipe, calls: Sequence[t.Call]) -> str:
    """The text of a tree in which a pipe has other calls."""

    def changed(node: Any) -> Any:
        if isinstance(node, t.Pipe) and node.span == old.span:
            return replace(node, calls=tuple(calls))
        if isinstance(node, tuple):
            return tuple(map(changed, node))
        if hasattr(node, "__dataclass_fields__") and not isinstance(node, t.Number | t.Text | t.Name):
            return replace(node, **{n: changed(getattr(node, n)) for n in node.__dataclass_fields__ if "span" not in n})
        return node

    return show(replace(tree, statements=changed(tree.statements)))


def keeps_reordered(text: str, steps: Mapping[str, Tunable], examples: Sequence[Labelled]) -> tuple[str, str]:
    """The program with neighbouring `keep`s in the order that asks least, by how many labelled rows each lets pass and
    how long its question is; and what was changed in words, nothing where the order is best as it is. Each looks at
    the row alone, so that their order changes no answer."""
    tree = parse(Source("program", text))
    places = {(step.statement, step.call): name for name, step in steps.items()}
    for statement in tree.statements:
        named = statement.name if isinstance(statement, t.Binding) else "answer"
        keeps = [call for call in calls_in(statement) if call.operator == "keep"] if hasattr(statement, "value") else []
        called = [f"keep[{n}]" if len(keeps) > 1 else "keep" for n in range(1, len(keeps) + 1)]
        of_call = {call.span: places.get((named, each)) for call, each in zip(keeps, called, strict=True)}
        for pipe in nodes_in(statement, t.Pipe):
            for first, second in zip(range(len(pipe.calls)), range(1, len(pipe.calls)), strict=False):
                a, b = of_call.get(pipe.calls[first].span), of_call.get(pipe.calls[second].span)
                if a is None or b is None:
                    continue
                (cost_a, pass_a), (cost_b, pass_b) = asked_of(steps[a], examples), asked_of(steps[b], examples)
                if pass_a is None or pass_b is None or cost_b + pass_b * cost_a >= cost_a + pass_a * cost_b:
                    continue
                calls = list(pipe.calls)
                calls[first], calls[second] = calls[second], calls[first]
                before, after = cost_a + pass_a * cost_b, cost_b + pass_b * cost_a
                told = f"`{b}` before `{a}`: {after / before:.2f} times the tokens a row (it lets {pass_b:.0%} pass)"
                return with_pipe(tree, pipe, calls), told
    return text, ""


def asked_of(step: Tunable, examples: Sequence[Labelled]) -> tuple[float, float | None]:
    """About how many tokens a row's question takes, and the share of its labelled rows that pass."""
    own = [example for example in examples if example.step == step.name]
    length = (
        len(step.instruction)
        + sum(len(e.text) for e in own) / max(1, len(own))
        + sum(len(str(e)) for e in step.examples)
    )
    passed = [example.answer[step.result.fields[0].name] is True for example in own]
    return length / 4, sum(passed) / len(passed) if len(passed) >= 8 else None


WORD = re.compile(r"[^\W\d_]{3,}")


def terms_of(step: Tunable, examples: Sequence[Labelled]) -> list[str]:
    """Words of which every labelled row that is kept holds one, found greedily: each covers the most kept rows that are
    left for the fewest others."""
    field = step.result.fields[0].name
    shown = [(frozenset(WORD.findall(e.text.casefold())), e.answer[field] is True) for e in examples]
    left = {n for n, (_, kept) in enumerate(shown) if kept}
    others = Counter(word for words, kept in shown if not kept for word in words)
    found: list[str] = []
    while left and len(found) < MOST_TERMS:
        covers = Counter(word for n in left for word in shown[n][0])
        if not covers:
            return []
        term = max(covers, key=lambda w: (covers[w] / (1 + others[w]), covers[w], w))
        found.append(term)
        left = {n for n in left if term not in shown[n][0]}
    return [] if left else sorted(found)


@dataclass(frozen=True, slots=True)
class Prefilter:
    """A pattern that rows must hold to be asked about: `recall_at_least` of the rows to keep hold it, with a certainty
    of 95 %, as `kept` labelled ones said that it was not made from; `ruled_out` is the share of them without it."""

    pattern: str
    kept: int
    missed: int
    recall_at_least: float
    ruled_out: float

    def __str__(self) -> str:
        return (
            f"{self.ruled_out:.0%} of the rows ruled out by terms, {self.missed} of {self.kept} right ones among them "
            f"(recall at least {self.recall_at_least:.3f})"
        )


def prefilter(step: Tunable, train: Sequence[Labelled], validation: Sequence[Labelled]) -> Prefilter | None:
    """A pattern of terms whose absence rules a row out of a `keep`; None where none is worth it, or sure enough."""
    own = [[e for e in part if e.step == step.name] for part in (train, validation)]
    if not step.call.startswith("keep") or len(step.shown) != 1 or not own[0] or not own[1]:
        return None
    terms = terms_of(step, own[0])
    if not terms:
        return None
    pattern = rf"(?i)\b(?:{'|'.join(terms)})"
    kept = [e for e in own[1] if e.answer[step.result.fields[0].name] is True]
    missed = sum(not holds(pattern, e.text) for e in kept)
    out = sum(not holds(pattern, e.text) for e in own[1]) / len(own[1])
    found = Prefilter(pattern, len(kept), missed, 1 - most_errors(missed, len(kept), 0.05) if kept else 0.0, out)
    return found if out >= LEAST_RULED_OUT and found.recall_at_least >= LEAST_RECALL else None


def with_prefilter(text: str, step: Tunable, found: Prefilter) -> str:
    """The program with a `where` before a step that is piped into; as it is where it is not."""
    tree = parse(Source("program", text))
    column = step.shown[0] if step.shown[0].isidentifier() else f"`{step.shown[0]}`"
    operator, _, number = step.call.removesuffix("]").partition("[")
    for statement in tree.statements:
        if (statement.name if isinstance(statement, t.Binding) else "answer") != step.statement:
            continue
        calls = [call for call in calls_in(statement) if call.operator == operator]
        meant = calls[int(number) - 1 if number else 0].span
        for pipe in nodes_in(statement, t.Pipe):
            for at, call in enumerate(pipe.calls):
                if call.span == meant:
                    condition = f'it = it | where({column} matches r"{found.pattern}")'
                    parsed = parse(Source("where", condition)).statements[0]
                    assert isinstance(parsed, t.Binding) and isinstance(parsed.value, t.Pipe)
                    return with_pipe(tree, pipe, (*pipe.calls[:at], *parsed.value.calls, *pipe.calls[at:]))
    return text


def other_chunks(text: str) -> list[tuple[str, str]]:
    """The program with other sizes and overlaps of its chunks, each with what was changed: half and twice the size,
    and an overlap of a tenth."""
    tree = parse(Source("program", text))
    found = []
    for call in calls_in(tree.statements):
        if call.operator != "partition":
            continue
        written = {a.name: a.value for a in call.arguments if a.name}
        size = written.get("size")
        if not isinstance(size, t.Number) or not isinstance(size.value, int) or size.value < 2:
            continue
        for changed in (
            {"size": size.value // 2},
            {"size": size.value * 2},
            {"size": size.value, "overlap": max(1, size.value // 10)},
        ):
            kept = tuple(a for a in call.arguments if a.name not in changed)
            added = tuple(t.Argument(name, t.Number(value)) for name, value in changed.items())
            done = replace_call(tree.statements, call, replace(call, arguments=(*kept, *added)))
            told = " ".join(f"{name} {value}" for name, value in changed.items())
            found.append((show(replace(tree, statements=done)), f"chunks of {told}"))
    return found
