"""A root model's reply to the program text in it.

In: whatever a model wrote. Out: the statements' text, and whether there was any.
Law: nothing is executed that was not written in the language; fences, prose and thinking around it are passed over.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from rlm_dsl.language.spoken import literals_of, spoken

LINE_END = re.compile(r"\r\n?")
STATEMENT = re.compile(
    r"^\s*(?:(?:context|param)\s+[\w`]+\s*:|(?:show|answer)\s+\S"
    r"|(?:[A-Za-z_]\w*|`(?![A-Za-z_][A-Za-z0-9_]*`)[^`\n]+`)\s*=(?!=))"
)
MARKED = re.compile(
    r"\s*(?:>\s*)*(?:(?:[-*+•–]|\(?(?:\d{1,2}|[a-z])[.)]|\[\d{1,2}\]|(?i:step|statement|turn) \d{1,2} ?[:.)-])\s+)?"
    r"(?P<quote>\*\*|`)?(?P<code>.*?)(?(quote)(?P=quote)[.,;:]?)\s*"
)
"""A line that is numbered, a bullet, quoted or in backticks, and what stands in it."""
SPOKEN = re.compile(r"\s*(?:show|answer)\s+(?:[A-Za-z_]\w*|`[^`]+`)\s+[\w`]")
"""Words behind `show` or `answer` that are a sentence's, and no expression."""
QUOTE = re.compile(r"\s*>+ ?")
NOT_CODE = frozenset(
    {"output", "outputs", "text", "txt", "json", "jsonl", "csv", "console", "stdout", "result", "results"}
)
"""What fences are called that hold no program."""
SETTING = re.compile(r"\s*\w+=\S")
"""What stands behind a fence's language, such as `title="x"`, and is no statement."""
FENCE = re.compile(r"[ \t]*(?P<run>`{3,}|~{3,})(?P<rest>.*)")
BARE_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,})\w*[ \t]*")
ON_ONE_LINE = re.compile(r"[ \t]*(?P<run>`{3,8}(?!`)|~{3,8}(?!~))(?P<inside>.+?)(?P=run)")
FOREIGN = re.compile(
    r"^\s*(?:SELECT\s|WITH\s+\w+\s+AS\b|for\s+\w+\s+in\s|import\s|from\s+\w+\s+import\s|def\s+\w+\(|print\()"
)
OPENING, CLOSING = "([{", ")]}"


def program_text(reply: str) -> str:
    """The program text of a reply: what stands in its fences, or else its lines that are statements."""
    said = without_problems(without_outputs(spoken(LINE_END.sub("\n", reply))))
    if blocks := [*fenced(said.split("\n"))]:
        return "\n".join(map(without_marks, blocks)).strip("\n")
    return statement_lines(said) or foreign_lines(said)


TOLD = re.compile(
    r"(?:error|warning)\[\w+\].*|(?:\d+ *)?\| *\^+|--> .*|= *(?:hint|help|note):.*"
    r"|Not bound: `.*|Not run, as they .*|You sent this in turn \d+ already.*"
)
"""A line of a problem, as it is told to people or to models."""
TOLD_AT_DEPTH_0 = re.compile(r"(?:error|warning|hint|help|note): .*")
"""One that could be a field of a record within brackets."""
NUMBERED = re.compile(r"\d{1,4} \| ?(?P<line>.*)")
"""A line of a program as problems show it to people."""
OUTPUT = re.compile(r"(?:[A-Za-z_]\w*|`[^`]+`): (?:table\(.*|the columns of .*|\S+ = .*|.*, [\d,]+ rows?)")
"""The first line of a view."""


def without_problems(said: str) -> str:
    """A reply without what it repeats of what it was told: lines of problems, lines of a program as they show it, heads
    of views. What stands in a text or within brackets, where a program could have it, stays."""
    lines = said.split("\n")
    plain = [line.strip() for line in lines]
    problems = any(map(TOLD.fullmatch, plain))
    if not problems and not any(any(map(one.fullmatch, plain)) for one in (TOLD_AT_DEPTH_0, NUMBERED, OUTPUT)):
        return said
    in_text, kept, at, depth = literals_of(said), list[str](), 0, 0
    for given, bare in zip(lines, plain, strict=True):
        within = in_text(at) or in_text(max(0, at - 1))
        line = given if within else without_problem(given, bare, depth, problems)
        at += len(given) + 1
        kept += [] if line is None else [line]
        depth = depth if line is None else 0 if FENCE.match(line) else max(0, depth + _opened(line))
    return "\n".join(kept)


def without_problem(line: str, plain: str, depth: int, problems: bool) -> str | None:
    """A line as it is to be read, None for one that only repeats; `plain` is without the blanks around it, and with
    `problems` the reply repeats some, so that numbered lines are theirs."""
    if TOLD.fullmatch(plain):
        return None
    if depth:
        return line
    if TOLD_AT_DEPTH_0.fullmatch(plain) or OUTPUT.fullmatch(plain):
        return None
    if numbered := NUMBERED.fullmatch(plain):
        return None if problems or not STATEMENT.match(numbered["line"]) else numbered["line"]
    return line


def without_outputs(said: str) -> str:
    """A reply without the fences that are named for what they show and hold no program."""
    lines, kept, at = said.split("\n"), list[str](), 0
    while at < len(lines):
        fence = FENCE.match(lines[at])
        if fence and fence["rest"].strip().casefold() in NOT_CODE:
            at = end_of_fence(lines, at + 1, fence["run"])[0]
        else:
            kept.append(lines[at])
        at += 1
    return "\n".join(kept)


def fenced(lines: list[str], *, outermost: bool = True) -> Iterator[str]:
    """What stands in each fence, without the fences within it; one that is not closed goes to the end."""
    fences = [number for number, line in enumerate(lines) if FENCE.match(line)]
    at = 0
    while at < len(lines):
        if on_one_line := ON_ONE_LINE.match(lines[at]):
            yield from filter(None, [code_in(on_one_line["inside"])])
        elif fence := FENCE.match(lines[at]):
            end, last = end_of_fence(lines, at + 1, fence["run"])
            beside = code_in(fence["rest"])
            block = [*([beside] if beside else []), *lines[at + 1 : end], last]
            yield from inside(block) if outermost else [without_fences(block)]
            at = past_stray(lines, fences, end) if last else end
        at += 1


def inside(block: list[str]) -> Iterator[str]:
    """The text of a fence's lines: without the fences within it, and without the prose around those."""
    around, within = list[str](), False
    for line in block:
        within = within != bool(FENCE.match(line))
        around += [] if within or FENCE.match(line) else [line]
    if len(around) < len(block) and "".join(around).strip() and not statement_lines("\n".join(around)):
        yield from fenced(block, outermost=False)
    else:
        yield without_fences(block)


def without_fences(block: list[str]) -> str:
    """A block's lines but for the fences that stand within it."""
    return "\n".join(line for line in block if not BARE_FENCE.fullmatch(line)).rstrip()


def end_of_fence(lines: list[str], at: int, run: str) -> tuple[int, str]:
    """The line that closes a fence, and what stands on it before the fence's end."""
    same = f"{run[0]}{{{len(run)}}}"
    closing = re.compile(rf"(?P<last>.*?)(?<![`~]){same}(?P<more>[`~]*)[ \t]*|[ \t]*{same}[ \t]+\S+[ \t].*")
    for number in range(at, len(lines)):
        if (found := closing.fullmatch(lines[number])) and not BARE_FENCE.fullmatch(found["last"] or ""):
            last = (found["last"] or "").rstrip()
            in_backticks = last.count("`") % 2 == 1 and found["more"].startswith("`")
            return number, f"{last}`" if in_backticks else last
    return len(lines), ""


def past_stray(lines: list[str], fences: list[int], at: int) -> int:
    """The line at which a fence ends that is closed at the end of a statement: this one, or a bare fence that follows
    and closes it once more. It does where no other is left to be its end."""
    left = len(fences) - bisect_right(fences, at)
    following = fences[-left] if left else at
    stray = left % 2 == 1 and lines[following].strip(" \t`~") == "" and not "".join(lines[at + 1 : following]).strip()
    return following if stray else at


def code_in(text: str) -> str:
    """The statement or foreign code that stands beside a fence, behind its language if it has one; "" for prose."""
    _, _, behind = text.strip().partition(" ")
    for code in (text.strip(), "" if SETTING.match(behind) else behind.strip()):
        if STATEMENT.match(code) or FOREIGN.match(code):
            return code
    return ""


def foreign_lines(text: str) -> str:
    """The first line that is code of another language: it is read for what it says of what is meant."""
    return next((line.strip() for line in text.split("\n") if FOREIGN.match(line)), "")


def unmarked(line: str) -> str:
    """A statement without its number, bullet or quotes; any other line as it is."""
    if STATEMENT.match(line):
        return line
    found = MARKED.fullmatch(line)
    code = found["code"] if found else ""
    return code if STATEMENT.match(code) and not SPOKEN.match(code) else line


def without_marks(block: str) -> str:
    """A fence's text; where its first line is marked, without the marks of all statements that begin in it."""
    lines = block.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if unmarked(first) == first:
        return block
    kept, depth = list[str](), 0
    for line in lines:
        kept.append(unmarked(line) if depth == 0 else line)
        depth = max(0, depth + _opened(kept[-1]))
    return "\n".join(kept)


def statement_lines(text: str) -> str:
    """Lines that begin a statement, with those that carry it on: inside brackets, or around a pipe."""
    kept: list[str] = []
    depth, going, quoted = 0, False, False
    for given in text.split("\n"):
        line = QUOTE.sub("", given, count=1) if going and quoted else given
        line = unmarked(line) if depth == 0 else line
        quoted = QUOTE.match(given) is not None
        begins = STATEMENT.match(line) is not None
        carries = going and (depth > 0 or line.lstrip().startswith("|") or _hangs(kept[-1]))
        if not begins and not carries:
            going = going and not line.strip()
            continue
        kept.append(line)
        depth = max(0, depth + _opened(line))
        going = True
    return "\n".join(kept)


def _hangs(line: str) -> bool:
    return line.split("#")[0].rstrip().endswith(("|", ",", "=", "(", "[", "{", "and", "or"))


def _opened(line: str) -> int:
    plain = re.sub(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|#.*", "", line)
    return sum(plain.count(c) for c in OPENING) - sum(plain.count(c) for c in CLOSING)
