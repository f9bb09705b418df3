"""How much of the data a model read, and which steps left out the rest.

In: a run's steps and the rows of its contexts. Out: sentences. Law: a row counts as read where a model was shown it, or
a proxy decided it; no row that was asked about is lost without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.language.edit.corrections import corrections_told
from rlm_dsl.trace.story import Story


def coverage(run: Story) -> Iterator[str]:
    """The sentences on a recorded run, what was corrected by hand among them."""
    yield from read_of(run.steps, {context["name"]: context["rows"] for context in run.header.get("contexts", ())})
    yield from corrections_told(run.program)


def read_of(listed: Sequence[Mapping[str, Any]], contexts: Mapping[str, int]) -> Iterator[str]:
    """For each step that asks a model: how many of its context's rows it read, and which steps left out the rest."""
    steps = {step["step"]: step for step in listed}
    for step in listed:
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
            yield f"{counted(read, 'text')} {'was' if read == 1 else 'were'} read by a model in `{step['step']}`{by}."
        else:
            rest = f"; the rest were left out: {', '.join(reversed(out))}" if out else ""
            share = f" ({read / of:.1%})" if of else ""
            rows = counted(of, "row")
            yield f"{read:,} of {rows}{share} of {name} were read by a model in `{step['step']}`{by}{rest}."
    if not any(step.get("asked") for step in listed):
        yield "No model read any row: every step is exact."


def answered(listed: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """For each step that asks a model: whether every row that went in has an answer."""
    for step in listed:
        asked = step.get("asked") or {}
        if not asked.get("rows"):
            continue
        without = [f"{asked[kind]:,} {words}" for kind, words in WITHOUT.items() if asked.get(kind)]
        told = f"no answer for {', '.join(without)}" if without else "each has an answer, none is lost"
        yield f"`{step['step']}` asked about {counted(asked['rows'], 'row')}: {told}."


WITHOUT = {
    "invalid": "whose answers did not fit",
    "refused": "that were refused",
    "error": "that failed",
    "nothing_shown": "that show no text",
    "not_needed": "that were not needed",
}
"""What may become of a row that was to be asked about, but for an answer."""
