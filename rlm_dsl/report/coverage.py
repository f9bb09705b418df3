"""How much of the data a model read, and which steps left out the rest.

In: a run's story. Out: sentences. Law: a row counts as read where a model was shown it, or a proxy decided it.
"""

from __future__ import annotations

from collections.abc import Iterator

from rlm_dsl.trace.story import Story


def coverage(run: Story) -> Iterator[str]:
    """For each step that asks a model: how many of its context's rows it read, and which steps left out the rest."""
    steps = {step["step"]: step for step in run.steps}
    contexts = {context["name"]: context["rows"] for context in run.header.get("contexts", ())}
    for step in run.steps:
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
    if not any(step.get("asked") for step in run.steps):
        yield "No model read any row: every step is exact."
