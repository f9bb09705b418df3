"""A recorded run, told: question, turns with their dead ends, program, steps, answer, evidence, calls and cost, seal.

In: a story, the terminal's width. Out: text. Law: it is bounded however long the run was; no line but the program's is
wider than the terminal.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlm_dsl.cli.output import indent, safe
from rlm_dsl.cli.render.answer import answer_text
from rlm_dsl.cli.render.evidence import EVIDENCE_SHOWN, place, places_words
from rlm_dsl.cli.render.optimization import optimization_text
from rlm_dsl.cli.render.steps import one_answer_lines, packed_lines, steps_table
from rlm_dsl.cli.render.width import UNKNOWN_WIDTH, fitted, terminal_width
from rlm_dsl.common.counted import counted, money
from rlm_dsl.explore.view import cut
from rlm_dsl.language.edit.corrections import corrections_told
from rlm_dsl.optimize.tuned import certificate_words
from rlm_dsl.trace.story import Story, Turn

TURNS = 8
"""Turns that are told from the beginning, and as many from the end."""
WRITTEN, OBSERVED = 20, 8
"""Lines of a turn that are told: of what was written, and of what came of it."""
STEPS = 60
USES = {"problems": "  ✗ refused", "dead end": "  ✗ a dead end", "look": "  a look", "answer": "  the answer"}


def story_text(story: Story, columns: int = UNKNOWN_WIDTH) -> str:
    """The whole story. The program stands in full: it is what is run again."""
    before, after = safe("\n".join(opening(story))), safe("\n".join(ending(story)))
    program = safe(indent(story.program.rstrip("\n")))
    if story.optimization:
        after = safe(optimization_text(story.optimization)) + "\n\n" + after
    head = "program" if story.finished or not story.turns else "program so far"
    middle = f"\n\n{head}\n{program}\n\n" if story.program else "\n"
    if untuned := story.header.get("tuned", {}).get("before"):
        middle += f"tuning changed\n{safe(indent(program_changes(untuned, story.program)))}\n\n"
    return fitted(before, columns) + middle + fitted(after, columns)


def tuning_words(tuned: Mapping[str, Any]) -> str:
    """How a tuned file came about, and what it was worth on rows it was not made from."""
    made, scores = tuned["made"], tuned["scores"]
    by = f" ({made['optimizer']})" if isinstance(made.get("optimizer"), str) else ""
    test = scores.get("test")
    if not isinstance(test, Mapping) or not {"before", "after", "examples"} <= test.keys():
        return by
    verdict = f", {scores['verdict']}" if "verdict" in scores else ""
    told = f"{scores.get('metric', 'score')} {test['before']} before, {test['after']} after"
    return f"{by}: {told} on {test['examples']} examples that no search saw{verdict}"


def certificate_lines(certificates: Any) -> list[str]:
    """Of each proxy, what it was certified by."""
    held = certificates if isinstance(certificates, Mapping) else {}
    told = [certificate_words(each) for each in held.values()]
    return [line for first, *more in told for line in (f"its proxy {first}", *(f"  {each}" for each in more))]


def program_changes(before: str, after: str) -> str:
    """Two programs as a unified diff, its heads left out."""
    lines = difflib.unified_diff(canonical(before).splitlines(), after.splitlines(), lineterm="", n=1)
    return "\n".join(list(lines)[2:])


def canonical(text: str) -> str:
    """A program's text as runs record it."""
    from rlm_dsl.common.source import Source
    from rlm_dsl.language.syntax.parse import parse
    from rlm_dsl.language.syntax.show import show

    return show(parse(Source("program", text)))


def opening(story: Story) -> Iterator[str]:
    header = story.header
    when = f"  {header['created'][:19].replace('T', ' ')} UTC" if header else ""
    yield f"{story.name}{when}{'' if story.finished else '  unfinished'}"
    if story.changed:
        yield from (f"NOT AS IT WAS SEALED: {story.changed}", "what follows may be anybody's; see: rlm-dsl verify")
    if header.get("question"):
        yield from ("", f"question  {header['question']}")
    if turns := header.get("not_answered"):
        yield f"answered  not within {turns} turns: what was bound last stands for an answer"
    for doubt in header.get("doubts", ()):
        yield f"doubted   {doubt}"
    if agreed := header.get("agreement"):
        yield f"agreed    {agreed['agree']} of {agreed['explored']} explorations came to the answer"
    if tuned := header.get("tuned"):
        yield f"tuned     by {tuned['file']}{tuning_words(tuned)}"
        yield from (f"          {line}" for line in certificate_lines(tuned["scores"].get("certificates")))
    if parent := header.get("parent"):
        yield parent_line(parent)
    for c in header.get("contexts", ()):
        yield f"context   {c['name']}: {counted(c['rows'], 'row')} from {c['given']} ({c['format']})"
    for alias, m in header.get("models", {}).items():
        yield f"model     {alias}: {m['model']} at {m['base_url']}"
    for s in header.get("served", ()):
        yield f"served by {s['model']}" + (f" ({s['fingerprint']})" if s["fingerprint"] else "")
    yield from turns_lines(story)
    if story.stopped:
        yield from ("", f"stopped: {story.stopped}")
    if story.way_on:
        yield f"to go on: {story.way_on}"


def parent_line(parent: Mapping[str, Any]) -> str:
    """The run of which this is another, or whose answers it goes on from, and what is other than it was there."""
    other = ", ".join(f"{name} {json.dumps(each, ensure_ascii=False)}" for name, each in parent["different"].items())
    before = f" ({parent['question']})" if parent.get("question") else ""
    goes_on = "parent  " if "path" in parent else "goes on "
    return f"{goes_on}  {parent['name']}{before}{f': {other}' if other else ''}  head {parent['head'][:16]}"


def turns_lines(story: Story) -> Iterator[str]:
    """The exploration's own turns, those in the middle left out where there are many; then those of sub-runs."""
    own = [turn for turn in story.turns if not turn.sub_run]
    yield from some_turns(own)
    runs: dict[str, list[Turn]] = {}
    for turn in story.turns:
        if turn.sub_run:
            runs.setdefault(turn.sub_run, []).append(turn)
    for number, turns in enumerate(runs.values(), 1):
        yield from ("", f"sub-run {number} of {story.sub_runs}, in {turns[0].within}")
        yield from some_turns(turns)
    if story.sub_runs > len(runs):
        yield from ("", f"... {counted(story.sub_runs - len(runs), 'more sub-run')}")


def some_turns(turns: Sequence[Turn]) -> Iterator[str]:
    for index, turn in enumerate(turns):
        if index < TURNS or index >= len(turns) - TURNS:
            yield from turn_lines(turn)
        elif index == TURNS:
            yield from ("", f"... {counted(len(turns) - 2 * TURNS, 'more turn')}")


def turn_lines(turn: Turn) -> Iterator[str]:
    yield from ("", f"turn {turn.number}{USES.get(turn.use, '')}")
    yield indent(first_lines(turn.program or "(no statement)", WRITTEN), "  > ")
    yield indent(first_lines(turn.observation, OBSERVED), "    ")


def first_lines(text: str, most: int) -> str:
    lines = text.split("\n")
    return "\n".join(
        [*lines[:most], *([f"... {counted(len(lines) - most, 'more line')}"] if len(lines) > most else [])]
    )


def ending(story: Story) -> Iterator[str]:
    if story.steps:
        yield from ("steps", indent(steps_table(story.steps[:STEPS])))
        if len(story.steps) > STEPS:
            yield f"  ... {counted(len(story.steps) - STEPS, 'more step')}"
        yield ""
    if story.answer:
        yield answer_text(story.answer["parts"])
        yield from corrections_told(story.program)
        yield from story.reviewed.lines() if story.reviewed is not None else ()
        yield from evidence_lines(story.answer["evidence"])
        yield ""
    yield from packed_lines(story.steps[:STEPS])
    yield from one_answer_lines(story.steps[:STEPS])
    yield from calls_lines(story)
    if story.finished:
        as_sealed = f"NOT AS IT WAS SEALED: {story.changed}" if story.changed else "its files are as they were sealed"
        yield f"sealed  {counted(story.seal['events'], 'event')}; {as_sealed}; whether they hold says: rlm-dsl verify"
        yield f"head    {story.seal['head']}"


def evidence_lines(evidence: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The first places of each part; parts that rest on the same ones are told once."""
    before: dict[str, str] = {}
    for one in evidence:
        part = ".".join(one["part"])
        label = f"evidence of {part}" if part else "evidence"
        same = before.setdefault(str(one["spans"]), part)
        count = places_words(one["count"], len(one["spans"]))
        if same != part:
            yield f"{label}: the {count} of {same}"
            continue
        yield from ("", f"{label}: {count}  (rlm-dsl cite tells all)")
        yield from (f"  {place(s['source'], *s['lines'])}" for s in one["spans"][:EVIDENCE_SHOWN])


def calls_lines(story: Story) -> Iterator[str]:
    """What left, how it ended, what it cost."""
    calls = story.calls
    bad = ", ".join(f"{count:,} {kind}" for kind, count in sorted(calls.outcomes.items()) if kind != "answered")
    tokens = f"{counted(calls.input_tokens + calls.output_tokens, 'token')}"
    cost = f", {money(float(story.end['llm.cost.total']))}" if "llm.cost.total" in story.end else ""
    time = f", {float(story.end['seconds']):.1f} s" if "seconds" in story.end else ""
    failed = f" ({bad})" if bad else ""
    yield f"calls   {counted(calls.ended, 'attempt')}{failed}, {tokens}{cost}{time}"
    if calls.started > calls.ended:
        yield f"        {calls.started - calls.ended:,} left and have no end: they may have been billed"


def trace_text(story: Story) -> str:
    """For a terminal."""
    return cut(story_text(story, terminal_width()), LONGEST)


LONGEST = 60_000
"""Characters at most; a program alone can be long."""
