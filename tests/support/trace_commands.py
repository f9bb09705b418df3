"""Every command that takes a trace, in the words that it is called by.

In: a trace, a folder to write to. Out: the words of each command, by a name. Law: a command of the command line that
reads a trace is here (`tests/replay/test_every_command.py` looks).
"""

from __future__ import annotations

from pathlib import Path


def trace_commands(trace: Path, to: Path) -> dict[str, list[str]]:
    """What is written goes into the folder `to`, each time to a file of another name."""
    given = str(trace)
    return {
        "bless": ["bless", given],
        "cite": ["cite", given],
        "cite in JSON": ["cite", given, "--json"],
        "correct": ["correct", given, "--at", "topics", "--set", 'topic="other"', "--where", "id == 7", "--dry-run"],
        "diff": ["diff", given, given, "--rows"],
        "diff as a page": ["diff", given, given, "--html", str(to / "diff.html")],
        "doctor": ["doctor", given],
        "export": ["export", given, "--otlp", "--content"],
        "export of spans": ["export", given, "--openinference", "--content"],
        "export of data": ["export", given, "--openlineage"],
        "pack": ["pack", given, "--to", str(to / "packed.zip")],
        "prove": ["prove", given, "--event", "0"],
        "recheck": ["recheck", given, "--rows", "1", "--budget", "calls=1,seconds=0.01", "--trace", str(to / "again")],
        "review": ["review", given, "--plan"],
        "report": ["report", "init", given, "--out", str(to / "report")],
        "rerun": ["rerun", given, "--dry-run"],
        "resume": ["resume", given],
        "show": ["show", given],
        "show in JSON": ["show", given, "--json"],
        "sign": ["sign", given, "--key", str(to / "key.pem")],
        "sql": ["sql", given, 'select * from "rows"'],
        "sql of calls": ["sql", given, "from calls", "--csv"],
        "test": ["test", given],
        "unpack": ["unpack", given, "--to", str(to / "unpacked.trace")],
        "verify": ["verify", given],
        "view": ["view", given, "--out", str(to / "view.html")],
        "view, not verified": ["view", given, "--no-verify", "--out", str(to / "other.html")],
        "what-if": ["what-if", given, "--at", "billing", "--dry-run"],
    }
