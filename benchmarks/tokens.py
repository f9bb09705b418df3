"""Tokens as they are estimated, beside those of real tokenizers, over texts of several kinds.

Two estimates: that which bounds are reckoned with (models/request.py; it should be no less than the tokens that there
are), and the unit of `partition(by="tokens")`, which must be the same on every machine. tiktoken is asked where it is
installed and TIKTOKEN_CACHE_DIR holds its vocabularies, so that nothing is fetched here.
"""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import corpora
from measure import Effort, Goal, Measure, Spread, missing

from rlm_dsl.language.operators.partition import UNITS
from rlm_dsl.language.patterns.validate import compiled
from rlm_dsl.models.request import estimated_tokens

VOCABULARIES = ("cl100k_base", "o200k_base")
UPPER = Goal(reach=2.0, ideal=1.5)
"""An estimate that is too large keeps out what could be asked."""
MOST = 1_000
"""Texts of a kind that are counted."""


def measures(effort: Effort) -> Iterator[Measure]:
    kinds = {kind: texts[:MOST] for kind, texts in sorted(texts_by_kind().items())}
    for vocabulary in VOCABULARIES:
        count = counter(vocabulary)
        for kind, texts in kinds.items():
            yield from beside(kind, texts, vocabulary, count)


def beside(kind: str, texts: list[str], vocabulary: str, count: Callable[[str], int] | None) -> Iterator[Measure]:
    """Our estimates over one kind of text; each text's own ratio, and how many of them are too low."""
    unit = compiled(UNITS["tokens"])
    ours = {"bound": estimated_tokens, "unit of partition": lambda text: sum(1 for _ in unit.finditer(text))}
    if count is None:
        yield missing(f"{kind}: bound", vocabulary)
        return
    real = [count(text) for text in texts]
    for what, estimate in ours.items():
        held = [estimate(text) for text in texts]
        under = sum(a < b for a, b in zip(held, real, strict=True))
        parts = sorted(a / b for a, b in zip(held, real, strict=True))
        spread = Spread(
            float(f"{sum(held) / sum(real):.3g}"), *(float(f"{part:.3g}") for part in (parts[0], parts[-1]))
        )
        yield Measure(
            f"{kind}: {what}",
            Spread.of([sum(held)]),
            vocabulary,
            Spread.of([sum(real)]),
            spread,
            UPPER if what == "bound" else None,
            unit="tokens",
            note=f"{under / len(texts):.1%} of {len(texts):,} texts under",
        )


def counter(vocabulary: str) -> Callable[[str], int] | None:
    """What counts a text's tokens; None where tiktoken or its vocabularies are not here."""
    if not os.environ.get("TIKTOKEN_CACHE_DIR"):
        return None
    try:
        import tiktoken
    except ModuleNotFoundError:
        return None
    encoding: Any = tiktoken.get_encoding(vocabulary)
    return lambda text: len(encoding.encode(text, disallowed_special=()))


def texts_by_kind() -> dict[str, list[str]]:
    """Texts that are everywhere, and those of RLM_DSL_REAL_DATA where it is set."""
    library = Path(sysconfig.get_path("stdlib"))
    root = Path(__file__).parent.parent
    found = {
        "lines of a synthetic log": corpora.synthetic(1 * corpora.MB).read_text().splitlines(),
        "files of Python": [path.read_text(errors="replace")[:20_000] for path in sorted(library.glob("*.py"))[:60]],
        "paragraphs of our documents": re.split(r"\n\n+", (root / "docs" / "language.md").read_text()),
    }
    if given := os.environ.get("RLM_DSL_REAL_DATA"):
        real = Path(given)
        found["lines of real logs"] = [
            line
            for path in sorted((real / "loghub").glob("*.log"))
            for line in path.read_text(errors="replace").splitlines()[:300]
        ]
        found["questions to a bank"] = lines_of(real / "banking77", ("csv", "json", "jsonl"))
        found["JSON of a test suite"] = whole(real / "json-test-suite", "json", 20_000)
        found["naughty strings"] = lines_of(real / "naughty-strings", ("txt", "json"))
    return {kind: [text for text in texts if text.strip()] for kind, texts in found.items() if any(texts)}


def lines_of(folder: Path, endings: tuple[str, ...]) -> list[str]:
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lstrip(".") in endings]
    return [line for path in paths for line in path.read_text(errors="replace").splitlines()]


def whole(folder: Path, ending: str, most: int) -> list[str]:
    paths = [path for path in sorted(folder.rglob(f"*.{ending}")) if path.stat().st_size <= most]
    return [path.read_text(errors="replace") for path in paths]
