"""The reference's generated parts: every operator, aggregate and function, from the registry.

In: the registry. Out: Markdown by part. Law: what stands here is what is checked and run; nothing is written twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rlm_dsl.language.operators.core.function import Function
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.registry import aggregates, function_names, functions, table_operators
from rlm_dsl.language.reference.card import COMMON
from rlm_dsl.language.reference.manual import parameter_words, sentence

PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_parts(page: str) -> str:
    """The page with each of its generated parts written anew."""
    made = parts()
    return PART.sub(lambda found: f"{found[1]}{made[found[2]]}\n{found[3]}", page)


def parts() -> Mapping[str, str]:
    """The generated parts by name."""
    own = [o for o in table_operators().values() if not o.summary.startswith("to a value: ")]
    entries = functions()
    return {
        "operators": "\n".join(operator_part(o) for o in own if not o.asks),
        "asking": "\n".join(operator_part(o) for o in own if o.asks),
        "aggregates": table(
            ("aggregate", "gives"), [(f"`{a.signature}`", sentence(a.summary)) for a in aggregates().values()]
        ),
        "functions": table(
            ("function", "gives", "example"),
            [function_row(entries[name]) for name in function_names()]
            + [function_row(entry) for entry in entries.values() if entry.symbol],
        ),
    }


def operator_part(operator: Operator) -> str:
    """One operator's section: form, meaning, arguments, order and origin, examples."""
    lines = [f"### `{operator.name}`", "", f"`{operator.signature}`", "", sentence(operator.summary)]
    if operator.manual:
        lines += ["", operator.manual]
    own = [p for p in operator.parameters if p.name not in COMMON]
    if own:
        lines += ["", *(f"- `{p.name}`: {parameter_words(p)}" for p in own)]
    lines += ["", f"Order: {operator.order}. Origin: {operator.origin}.", ""]
    for example in operator.examples:
        lines += example_lines(example)
    return "\n".join(lines)


def example_lines(example: Example) -> list[str]:
    """A program line with the table it is about and what it gives."""
    tables = {"t": example.given, **({"other": example.other} if example.other else {})}
    given = [f"# {name}: {columns(rows)}" for name, rows in tables.items()]
    answers = [f"# {as_text(shown)} is answered by {as_text(said)}" for shown, said in (example.answers or {}).items()]
    return ["```rlm", *given, *answers, f"answer {example.program}", f"# gives {as_text(example.gives)}", "```", ""]


def columns(rows: Mapping[str, list[Any]]) -> str:
    return ", ".join(f"{name} = {as_text(values)}" for name, values in rows.items())


def as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def function_row(entry: Function) -> tuple[str, str, str]:
    form = entry.signature if not entry.symbol else SPELLED.get(entry.symbol, f"a {entry.symbol} b")
    examples = "; ".join(f"`{formula}` is `{as_text(gives)}`" for formula, gives in entry.examples)
    return f"`{form}`", sentence(entry.summary), examples


SPELLED = {
    "not": "not a",
    "negate": "-a",
    "is null": "a is null",
    "between": "a between b and c",
    "in": "a in list",
    "matches": 'a matches r".."',
}
"""How functions that are written as operators of expressions are spelled."""


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table; bars inside cells are escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
