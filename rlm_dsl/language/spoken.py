"""What a model said, without what it thought: its reply as it was meant to be read.

In: a reply's text, as a server passed it on. Out: the text that counts; "" where all of it is thought.
Law: nothing that stands in a thought is ever said. A thought without an end holds all that follows it, and then nothing
was said; an end without a beginning ends a thought that holds all before it. Marks of a chat template are cut, and a
turn that a model makes up for somebody else. A mark inside a quoted literal is text: see `Literals`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

WORDS = (
    "inner_monologue|chain_of_thought|thought_process|thinking_process|longcat_think|thinking|thoughts|thought|think"
    "|reasoning|reason|reflection|reflect|analysis|scratchpad|rationale|deliberation|planning|cot"
)
"""What models and their servers call a thought, longer words first."""
WORD = re.compile(WORDS, re.IGNORECASE)
ATTRIBUTES = r"""(?:\s+[\w:-]+=(?:"[^"<>]*"|'[^'<>]*'|[^\s<>"']+))*+\s*"""
ENDS_A_LINE = r"(?=[ \t]*(?:[\r\n<{]|\Z))"

THOUGHTS: dict[str, tuple[str, str]] = {
    "tag": (rf"<(?:\w+:)?(?:{WORDS}){ATTRIBUTES}>", rf"</(?:\w+:)?(?:{WORDS})\s*>"),
    "bracket": (r"(?<![^\n\]>])\[(?:think|thinking|thought)\](?!\s*[,)\]|])", r"\[/(?:think|thinking|thought)\]"),
    "bar": (
        rf"<[|｜](?:(?:begin|start)[_▁](?:of[_▁])?)?(?:{WORDS})(?:[_▁](?:begin|start))?[|｜]>",
        rf"<[|｜](?:/|end[_▁](?:of[_▁])?)(?:{WORDS})[|｜]>|<[|｜](?:{WORDS})[_▁]end[|｜]>",
    ),
    "triangle": ("◁think▷", "◁/think▷"),
    "inner": (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    "channel": (r"<\|channel>(?!\s*final)\s*\w*", r"<channel\|>"),
    "unused": (r"<unused94>|\[unused16\]", r"<unused95>|\[unused17\]"),
    "steps": (r"(?<![^\n>])Here are my reasoning steps:", r"\[BEGIN FINAL RESPONSE\]"),
    "process": (r"(?<![^\n>])Here(?:['’]s| is) my thought process:", r"(?<![^\n>])Here(?:['’]s| is) my response:"),
}
"""How a thought begins and ends, style by style."""
PAIRED_ONLY = "process"
"""Its end is plain words, which end a thought only where one has begun."""

FRAMES = (
    rf"<(?:\w+:)?(?:{WORDS}){ATTRIBUTES}/>",
    r"</?(?:answer|final_answer|output|response|solution)\s*>",
    r"<[|｜](?:begin|end)[_▁]of[_▁](?:box|solution)[|｜]>|<\|(?:START|END)_(?:RESPONSE|TEXT)\|>",
    r"<\|(?:message|constrain)\|>|<\|channel>\s*final|\[END FINAL RESPONSE\]",
)
"""Marks around what is said: they are left out, and what stands in them counts."""
OTHERS = "user|system|human|tool|developer|function|observation|ipython"
SIGNS = (
    r"<[|｜][^\s<>|｜{}()\"'`]{1,40}[|｜]>|<\|\w{1,40}>|<\w{1,40}\|>",
    r"</?s>|<(?:start|end)_of_(?:turn|text)>|<(?:eos|bos|pad|eot|eod|endoftext)>|\[(?:EOS|EOT)\](?=\s*\Z)",
    r"\[/?INST\]|<</?SYS>>|\[\|\w{1,20}\|\]|<(?:extra_id|SPECIAL|reserved|unused)_?\d{1,4}>",
)
"""Marks of chat templates: before anything is said they are a leaked beginning, after it they end the reply."""

MARKS = re.compile(
    r"(?=<(?:[/|｜\w]|</?SYS)|\[[/|\w]|◁|Here )(?:"
    + "|".join(
        [
            *(f"(?P<open_{style}>{begin})|(?P<close_{style}>{end})" for style, (begin, end) in THOUGHTS.items()),
            f"(?P<frame>{'|'.join(FRAMES)})",
            rf"(?P<stop><[|｜](?:im_)?(?:{OTHERS})[|｜]>|(?:{'|'.join(SIGNS)})[ \t]*(?:{OTHERS}){ENDS_A_LINE})",
            rf"(?P<sign>(?:{'|'.join(SIGNS)})(?:[ \t]*(?:assistant|model|chatbot){ENDS_A_LINE})?)",
        ]
    )
    + ")",
    re.IGNORECASE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark in a reply: `kind` is open, close, frame, stop or sign; `name` is the kind of thought that it bounds."""

    kind: str
    name: str
    start: int
    end: int


def spoken(reply: str) -> str:
    """The part of a reply that counts; the reply itself where it has no marks. Where a thought ends behind a mark that
    ended the reply, one of the two was only thought of, and nothing counts."""
    text = final_message(reply)
    said: list[str] = []
    at, thought, begun, ended = 0, "", False, False
    for mark in marks(text):
        if thought:
            if mark.kind == "close" and mark.name == thought:
                at, thought = mark.end, ""
        elif mark.kind == "close" and mark.name != PAIRED_ONLY:
            if ended:
                return ""
            said, at, begun = [], mark.end, False
        elif not ended:
            said.append(text[at : mark.start])
            at = mark.end
            begun = begun or bool(said[-1].strip())
            ended = mark.kind == "stop" or (mark.kind == "sign" and begun)
        if not thought and mark.kind == "open":
            thought = mark.name
    if ended:
        return joined(said)
    return "" if thought else joined([*said, text[at:]])


def joined(said: list[str]) -> str:
    return said[0] if len(said) == 1 else "\n".join(part for part in said if part.strip())


def marks(text: str) -> Iterator[Mark]:
    """The marks of a text in order, but for those in literals."""
    in_literal: Callable[[int], bool] | None = None
    for found in MARKS.finditer(text):
        in_literal = in_literal or literals_of(text)
        kind, _, style = (found.lastgroup or "").partition("_")
        if not in_literal(found.start()):
            word = WORD.search(found[0])
            yield Mark(kind, word[0].lower() if word and style in ("tag", "bracket", "bar") else style, *found.span())


# ---- harmony: a reply of several messages, each in a channel; the one in `final` is said ----

CHANNEL = re.compile(
    r"<\|channel\|>\s*(?P<channel>\w*)(?:[^<\n]*(?:<\|constrain\|>[^<\n]*)?<\|message\|>)?"
    r"|\A\s*(?P<first>analysis|commentary|final)\b[^<\n]*<\|message\|>"
)
OTHERS_TURN = re.compile(r"<\|start\|>(?!\s*assistant)")
MESSAGE_END = re.compile(r"<\|(?:end|return|call|start)\|>")
WORDS_ALONE = re.compile(r"\A\s*(?:assistant)?(?:analysis|commentary|final)")
"""How a reply begins where a server left out the marks but not the words between them."""
THOUGHT_ALONE = re.compile(r"\A\s*(?:assistant)?(?:analysis|commentary)(?=[A-Z\"“'])(?!\w*\s*=)")
FINAL_ALONE = re.compile("assistantfinal")


def final_message(reply: str) -> str:
    """What stands in the channel `final`, or the reply itself where it has no channels."""
    if "<|" in reply and (headers := [*CHANNEL.finditer(reply)]):
        in_literal = literals_of(reply)
        headers = [header for header in headers if not in_literal(header.start())]
        if headers:
            return "\n".join(final_messages(reply, headers, in_literal))
    if WORDS_ALONE.match(reply):
        in_literal = literals_of(reply)
        ends = [found.end() for found in FINAL_ALONE.finditer(reply) if not in_literal(found.start())]
        return reply[ends[-1] :] if ends else "" if THOUGHT_ALONE.match(reply) else reply
    return reply


def final_messages(reply: str, headers: list[re.Match[str]], in_literal: Callable[[int], bool]) -> Iterator[str]:
    """The texts of the messages in `final`, up to a turn of somebody else. One that the model's turn ends with is not
    more the answer than those after it: a thought may hold its marks."""
    turns = (turn.start() for turn in OTHERS_TURN.finditer(reply, headers[0].end()) if not in_literal(turn.start()))
    last = next(turns, len(reply))
    for header, following in zip(headers, [*(each.start() for each in headers[1:]), len(reply)], strict=True):
        if (header["channel"] or header["first"]) == "final" and header.end() <= last:
            body = reply[header.end() : min(following, last)]
            ends = (end.start() for end in MESSAGE_END.finditer(body) if not in_literal(header.end() + end.start()))
            yield body[: next(ends, len(body))]


# ---- literals: quoted texts, in which a mark is text ----

BEFORE = r"(?:(?<![^\n])|[(\[{,:=+<>!|]|\b(?:matches|in|and|or|not|between|show|answer)\b)[ \t]*r?"
BEHIND = r"(?=[ \t]*(?:[)\]},:=+<>!|#.\r\n]|and\b|or\b|\Z))"
FENCES = r"(?:(?<=\S)|(?<=\S[ \t]))`{3,}[^`\n]++`{3,}(?![`\w])|`{3,}"
"""Three ticks and more: within a line they quote, else they are a fence, which quotes nothing on its line."""
TEXTS = (
    rf"{BEFORE}'(?:[^'\\\n]|\\[^\n])*+'{BEHIND}",
    r'"(?:[^"\\\n]|\\[^\n])*+(?:"|(?P<open>))',
    FENCES,
    r"`[^`\n]*+(?:`|(?P<ticked>))",
)
LONG_TEXTS = (
    r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*+(?:"""|(?P<unended>))',
    r"'''(?:[^'\\]|\\[\s\S]|'(?!''))*+(?:'''|(?P<unended_single>))",
)
ON_A_LINE = re.compile("|".join(TEXTS))
OVER_LINES = re.compile("|".join([*LONG_TEXTS, *TEXTS]))
TRIPLE = re.compile(r"\"{3}|'{3}")
UNENDED = frozenset({"unended", "unended_single"})


@dataclass(frozen=True, slots=True)
class Literals:
    """Where the quoted literals of a text stand. A place is in one only if every quote on its line is closed: what is
    said closes its own, so an odd one on the line stands in a thought, and nothing may be hidden behind it. An
    apostrophe opens a literal only where a program has one."""

    begin: int
    end: int
    starts: list[int]
    ends: list[int]
    lines: list[int]
    odd: frozenset[int]

    def hold(self, at: int) -> bool:
        found = bisect_right(self.starts, at) - 1
        return found >= 0 and at < self.ends[found] and bisect_right(self.lines, at) not in self.odd


def literals_of(text: str) -> Callable[[int], bool]:
    """Whether a place in a text is in a literal. Those over several lines count only where each of them is closed and
    none holds another's quotes, and else lines are read one by one, where a place is asked for."""
    if '"""' in text or "'''" in text:
        found = [*OVER_LINES.finditer(text)]
        if not any(each.lastgroup in UNENDED or TRIPLE.search(each[0], 3, len(each[0]) - 3) for each in found):
            return literals_in(found, 0, len(text), [0, *(end.end() for end in re.finditer("\n", text))]).hold
    line = literals_in([], 0, 0, [0])

    def hold(at: int) -> bool:
        nonlocal line
        if not line.begin <= at < line.end:
            begin, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
            end = len(text) if end < 0 else end
            line = literals_in([*ON_A_LINE.finditer(text, begin, end)], begin, end + 1, [begin])
        return line.hold(at)

    return hold


def literals_in(found: list[re.Match[str]], begin: int, end: int, lines: list[int]) -> Literals:
    odd = frozenset(bisect_right(lines, each.start()) for each in found if each.lastgroup)
    return Literals(begin, end, [each.start() for each in found], [each.end() for each in found], lines, odd)
