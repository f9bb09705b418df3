"""The formats as help and docs list them.

In: the registry. Out: words of each format, and the table of docs/data.md. Law: a format's line is made of what it says
of itself; nothing is written twice.
"""

from __future__ import annotations

import re

from rlm_dsl.context.format import Format
from rlm_dsl.context.format_registry import formats
from rlm_dsl.language.reference.pages import table

PART = re.compile(r"(<!-- generated: formats -->\n).*?(<!-- end -->)", re.DOTALL)


def format_rows() -> list[tuple[str, str]]:
    """Each format's name, and what it is in a line."""
    return [(format.name, format_line(format)) for format in formats().values()]


def format_line(format: Format) -> str:
    known = f" ({', '.join(known_by(format))})" if known_by(format) else ""
    needs = f"; needs rlm-dsl[{format.extra}]" if format.extra else ""
    return f"{format.summary.replace('`', '')}{known}{needs}"


def known_by(format: Format) -> list[str]:
    """The endings and addresses that a format is known by."""
    return [*(format.endings if format.by_ending else ()), *(f"{scheme}://" for scheme in format.schemes)]


def with_formats(page: str) -> str:
    """The page with its table of the formats written anew."""
    made = table(
        ("format", "rows", "known by", "folders, globs", "needs"),
        [
            (
                f"`{format.name}`",
                format.summary,
                " ".join(f"`{each}`" for each in known_by(format)),
                "yes" if format.many else "",
                f"`rlm-dsl[{format.extra}]`" if format.extra else "",
            )
            for format in formats().values()
        ],
    )
    return PART.sub(lambda found: f"{found[1]}{made}\n{found[2]}", page)
