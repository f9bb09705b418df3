"""The corpus: small readable cases in files, whose expected parts `pytest --accept` rewrites.

In: a file of cases. Out: title, program and what is expected.
"""

from __future__ import annotations

from pathlib import Path


def corpus_cases(path: Path) -> dict[str, tuple[str, str]]:
    """`=== title`, a program, `--- expected`, what is expected; blank lines at the ends do not count."""
    cases = {}
    for case in path.read_text(encoding="utf-8").removeprefix("=== ").split("\n=== "):
        title, _, rest = case.partition("\n")
        program, _, expected = rest.partition("\n--- ")
        cases[title] = (program, expected.partition("\n")[2].strip("\n"))
    return cases


def accept(path: Path, title: str, kind: str, got: str) -> None:
    """Writes what a case gave as what it expects."""
    cases = corpus_cases(path)
    cases[title] = (cases[title][0], got)
    texts = [f"=== {title}\n{program}\n--- {kind}\n{expected}\n" for title, (program, expected) in cases.items()]
    path.write_text("\n".join(texts), encoding="utf-8")
