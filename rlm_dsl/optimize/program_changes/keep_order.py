"""The order of neighbouring `keep`s: the one that asks least comes first.

In: a program's text, its steps, labelled examples. Out: the program in that order, and what was changed in words.
Law: each `keep` looks at its row alone, so that their order changes no answer; nothing here asks a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rlm_dsl.common.source import Source
from rlm_dsl.language.edit.call_sites import calls_in, nodes_in
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.optimize.examples import Labelled
from rlm_dsl.optimize.program_changes.rewrite import with_pipe
from rlm_dsl.optimize.steps import Tunable


def reorder_keeps(text: str, steps: Mapping[str, Tunable], examples: Sequence[Labelled]) -> tuple[str, str]:
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
                (cost_a, pass_a), (cost_b, pass_b) = (cost_and_pass_rate(steps[name], examples) for name in (a, b))
                if pass_a is None or pass_b is None or cost_b + pass_b * cost_a >= cost_a + pass_a * cost_b:
                    continue
                calls = list(pipe.calls)
                calls[first], calls[second] = calls[second], calls[first]
                before, after = cost_a + pass_a * cost_b, cost_b + pass_b * cost_a
                change = f"`{b}` before `{a}`: {after / before:.2f} times the tokens a row (it lets {pass_b:.0%} pass)"
                return with_pipe(tree, pipe, calls), change
    return text, ""


def cost_and_pass_rate(step: Tunable, examples: Sequence[Labelled]) -> tuple[float, float | None]:
    """About how many tokens a row's question takes, and the share of its labelled rows that pass."""
    own = [example for example in examples if example.step == step.name]
    length = (
        len(step.instruction)
        + sum(len(e.text) for e in own) / max(1, len(own))
        + sum(len(str(e)) for e in step.examples)
    )
    passed = [example.answer[step.result.fields[0].name] is True for example in own]
    return length / 4, sum(passed) / len(passed) if len(passed) >= 8 else None
