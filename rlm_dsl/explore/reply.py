"""A root model's reply to the program text in it.

In: whatever a model wrote. Out: the statements' text, and whether there was any.
Law: nothing is executed that was not written in the language; fences, prose and thinking around it are passed over.
"""

from __future__ import annotations

import re

THINKING = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
FENCE = re.compile(r"^[ \t]*(```+|~~~+)[^\n]*\n(?P<inside>.*?)(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
STATEMENT = re.compile(r"^\s*(?:(?:context|param)\s+[\w`]+\s*:|(?:show|answer)\s+\S|[A-Za-z_]\w*\s*=(?!=))")
BARE_FENCE = re.compile(r"^[ \t]*(?:```+|~~~+)\w*[ \t]*$")
FOREIGN = re.compile(
    r"^\s*(?:SELECT\s|WITH\s+\w+\s+AS\b|for\s+\w+\s+in\s|import\s|from\s+\w+\s+import\s|def\s+\w+\(|print\()"
)
OPENING, CLOSING = "([{", ")]}"


def program_text(reply: str) -> str:
    """The program text of a reply: what stands in its fences, or else its lines that are statements."""
    spoken = THINKING.sub("", reply)
    blocks = [block["inside"] for block in FENCE.finditer(spoken)]
    if blocks:
        return "\n".join(without_fences(block) for block in blocks).strip("\n")
    return statement_lines(spoken) or foreign_lines(spoken)


def without_fences(block: str) -> str:
    """A block's lines but for the fences that stand within it."""
    return "\n".join(line for line in block.rstrip().splitlines() if not BARE_FENCE.match(line))


def foreign_lines(text: str) -> str:
    """The first line that is code of another language: it is read for what it says of what is meant."""
    return next((line.strip() for line in text.splitlines() if FOREIGN.match(line)), "")


def statement_lines(text: str) -> str:
    """Lines that begin a statement, with those that carry it on: inside brackets, or around a pipe."""
    kept: list[str] = []
    depth, going = 0, False
    for line in text.splitlines():
        begins = STATEMENT.match(line) is not None
        carries = going and (depth > 0 or line.lstrip().startswith("|") or _hangs(kept[-1]))
        if not begins and not carries:
            going = going and not line.strip()
            continue
        kept.append(line)
        depth = max(0, depth * (not begins or carries) + _opened(line))
        going = True
    return "\n".join(kept)


def _hangs(line: str) -> bool:
    return line.split("#")[0].rstrip().endswith(("|", ",", "=", "(", "[", "{", "and", "or"))


def _opened(line: str) -> int:
    plain = re.sub(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|#.*", "", line)
    return sum(plain.count(c) for c in OPENING) - sum(plain.count(c) for c in CLOSING)
