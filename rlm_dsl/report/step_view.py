"""The steps of a run as a page shows them: rows, SQL, a few prompts, what each cost.

In: a trace. Out: a value for each step. Law: what a step cost is what its own calls cost, made one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.engine.packed_words import packed_words
from rlm_dsl.engine.run_trace import recorded_calls
from rlm_dsl.models.prices import Price, is_another, known_price
from rlm_dsl.replay.tables import query
from rlm_dsl.report.step_rows import StepRows
from rlm_dsl.report.values import LONGEST, as_text
from rlm_dsl.trace.reader import Trace

PROMPTS = 2
"""Prompts of a step that are shown: of those that were sent."""


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
    table: StepRows | None = None


def step_views(trace: Trace, tables: Mapping[str, StepRows]) -> Iterator[StepView]:
    spent = spent_by_step(trace)
    sql = sql_by_step(trace)
    calls = recorded_calls(trace)
    for step in trace.steps:
        prompts = []
        if step.get("asked"):
            sent = (key for key in calls.of_step(step["step"]) if not calls.parsed(key).pack)
            for key in islice(sent, PROMPTS):
                call = calls[key]
                system, *_, last = [message.content for message in call.request.messages] or [""]
                prompts.append((system[:6_000], last[:LONGEST], call.answer.text[:LONGEST]))
        yield StepView(
            step["step"],
            step["operator"],
            rows_of(step),
            asked_text(step.get("asked")),
            sql.get(step["step"], ""),
            tuple(prompts),
            table=tables.get(step["step"]),
            **spent.get(step["step"], {}),
        )
    if "root" in spent:
        yield StepView("root", "explores", "", "", "", (), **spent["root"])


def rows_of(step: Mapping[str, Any]) -> str:
    """How many rows a step has, or its value."""
    return f"{step['rows']:,}" if "rows" in step else f"= {as_text(step['value'])[:60]}" if "value" in step else ""


def asked_text(asked: Mapping[str, Any] | None) -> str:
    if not asked:
        return ""
    bad = ", ".join(f"{asked[s]:,} {s}" for s in ("invalid", "refused", "error") if asked.get(s))
    packed = f", {said}" if (said := packed_words(asked)) else ""
    proxy = f", {asked['by_proxy']:,} by proxy" if asked.get("by_proxy") else ""
    return f"{counted(asked['requests'], 'request')}{packed}" + (f", {bad}" if bad else "") + proxy


def spent_by_step(trace: Trace) -> dict[str, dict[str, Any]]:
    """Live calls, their seconds one after the other, tokens and dollars, where prices are known."""
    prices = trace.header.get("prices", {})
    _, rows = query(
        trace,
        "SELECT a.step, c.model, count(*), sum(a.seconds), sum(a.prompt_tokens), sum(a.completion_tokens), "
        "sum(a.cached_tokens), a.batch, c.served_model "
        "FROM attempts a LEFT JOIN (SELECT DISTINCT key, model, served_model FROM calls) c USING (key) "
        "GROUP BY 1, 2, a.batch, c.served_model",
        None,
    )
    found: dict[str, dict[str, Any]] = {}
    for step, model, calls, seconds, given, answered, cached, by_batch, served in rows:
        held = found.setdefault(
            step, {"calls": 0, "seconds": 0.0, "prompt_tokens": 0, "completion_tokens": 0, "usd": 0.0}
        )
        given, answered = int(given or 0), int(answered or 0)
        held["calls"] += calls
        held["seconds"] += float(seconds or 0)
        held["prompt_tokens"] += given
        held["completion_tokens"] += answered
        price = price_of(prices, str(model), served or "")
        known = price is not None and held["usd"] is not None
        own = price.of(given, answered, int(cached or 0), by_batch=by_batch) if known and price else None
        held["usd"] = None if own is None else held["usd"] + own
    return found


def price_of(prices: Mapping[str, Any], named: str, answered: str) -> Price | None:
    """The price of an answer, as the run reckoned: what the user said of the model that was named, else what is known
    of the one that answered."""
    price, known = Price(*prices[named]) if named in prices else None, known_price(named)
    said = price is not None and (known is None or price.as_json() != known.as_json())
    return known_price(answered) if is_another(named, answered) and not said else price


def sql_by_step(trace: Trace) -> dict[str, str]:
    """The queries of the plan by the steps that they make."""
    text = (trace.folder / "plan.sql").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for part in re.split(r"\n\n(?=-- )", text):
        head = re.match(r"-- (.*)", part)
        for name in re.findall(r"(\w+|`[^`]+`) \(\w+\)", head[1] if head else ""):
            found[name.strip("`")] = part.strip()
    return found
