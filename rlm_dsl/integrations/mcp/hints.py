"""What is said to an agent: hints that speak of its tools, in bounded text.

In: text written for whoever types commands. Out: text for whoever calls tools. Law: only lines that tell a problem or
its hint are changed, so that no data is; what no tool can do is left to the person who started the server.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import partial

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import printable_lines
from rlm_dsl.explore.view import cut
from rlm_dsl.models.request import estimated_tokens

LONGEST = 20_000
"""Characters that any tool says at most."""
MOST_TOKENS = 6_000
"""Tokens that any tool says at most, by the upper estimate: a text beyond ASCII has far more of them a character."""

TOLD = re.compile(r"^(?:error|note|\s+(?:= )?hint)\b")
"""Lines that tell a problem, what was noticed, or what to do."""
OPTIONS = r"\((?P<options>[^()]*)\)"
AS_TOOLS = (
    (rf"'?(?:--context )?\b\w+:(?P<format>[a-z]\w*)(?:{OPTIONS})?=(?P<path>[^\s,;]+)", "load"),
    (r"'?--context \w+=(?P<path>[^\s,;]+)", "load"),
    (r"(?<![\w-])NAME=(?P<path>[^\s,;]+)", "load"),
    (r"rlm-dsl load '?(?:\w+\([^()]*\)=)?(?P<path>[^\s,;']+)'?", "load"),
    (r":? ?rlm-dsl load\b", " with the tool load"),
    (r"(?:rlm-dsl )?\bverify --context \w+=\S+|rlm-dsl verify\b", "the tool verify"),
    (r"rlm-dsl peek \S+", "the tool load"),
    (r"give one: --param (?P<name>\w+)=\.\.\.", "give one in its statement: param NAME: type = value"),
)
"""Forms of the command line, and the tool that does the same: by name, or in words."""
COMMAND = re.compile(r"(?<![\w-])--[a-z][\w-]*|\brlm-dsl [a-z]|\bexplain --prompts")
WHOSE = "for the person who started this server"
"""Whom options and commands that no tool has are for."""


def for_tools(text: str) -> str:
    """A text whose problems and hints speak of tools."""
    return "\n".join(of_line(line) if TOLD.match(line) else line for line in text.split("\n"))


def of_line(line: str) -> str:
    for form, tool in AS_TOOLS:
        line = re.sub(form, as_call if tool == "load" else partial(named, tool=tool), line)
    if COMMAND.search(line) is None:
        return line
    head, mark, rest = line.partition(": ")
    return f"{head}{mark}{WHOSE}: {rest}" if mark and TOLD.match(head) else f"{line} ({WHOSE})"


def named(found: re.Match[str], tool: str) -> str:
    return tool.replace("NAME", found["name"]) if "name" in found.re.groupindex else tool


def as_call(found: re.Match[str]) -> str:
    """A context of the command line as a call of the tool `load`."""
    given = found.groupdict()
    call = f'load(name=.., path="{given["path"]}"'
    if given.get("format"):
        call += f', format="{given["format"]}"'
    pairs = [pair.partition("=") for pair in (given.get("options") or "").split(",") if "=" in pair]
    if pairs:
        call += ", options={" + ", ".join(f'"{name.strip()}": "{value.strip()}"' for name, _, value in pairs) + "}"
    return call + ")"


def bound_text(text: str) -> str:
    """What a tool says: of bounded length in characters and tokens, with none that steers a terminal."""
    told = cut(printable_lines(text), LONGEST)
    if estimated_tokens(told) <= MOST_TOKENS:
        return told
    room = bisect_right(range(len(told)), MOST_TOKENS - 20, key=lambda length: estimated_tokens(told[:length]))
    return f"{told[: max(0, room - 1)]}... (+{counted(len(text) - room, 'character')})"


def failed(failure: Exception) -> str:
    return bound_text(for_tools(f"error: {failure}"))
