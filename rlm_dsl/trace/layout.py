"""The files of a trace by their names.

In: nothing. Out: names within a trace's folder. Law: a folder without a seal is unfinished; the signature is the one
file that the seal does not list.
"""

from __future__ import annotations

import re

HEADER = "trace.json"
EVENTS = "events.jsonl"
ANSWER = "answer.json"
SEAL = "seal.json"
SIGNATURE = "seal.dsse.json"
"""A signature of the seal, made after it."""
OPTIMIZATION = "rlm-optimization/1"
"""What the header of an optimization's record says that it is."""
RECORDS = {OPTIMIZATION: "an optimization", "rlm-recheck/1": "a recheck"}
"""What records are of that are no runs, by their schemas: they have neither steps nor an answer."""
REPORT, TUNED, SECONDS = "report.json", "tuned.yaml", "seconds.json"
"""What the record of an optimization has beside."""
ATTRIBUTES, AS_THEY_ARE = ".gitattributes", "*.trace/** -text\n*.optimize/** -text\n"
"""What tells git, from the folder that traces lie in, to leave their line ends as they are."""
LITTER = re.compile(
    r"(?:.*/)?(?:\.DS_Store|\._[^/]*|Thumbs\.db|desktop\.ini|\.directory|\.localized)|(?:.*/)?__MACOSX/.*",
    re.IGNORECASE | re.DOTALL,
)
"""Files that desktops and archivers leave behind: no part of a trace, and never read."""


def is_litter(name: str) -> bool:
    """Whether a name within a trace is that of no file of it; whatever else was added is a fault."""
    return LITTER.fullmatch(name) is not None
