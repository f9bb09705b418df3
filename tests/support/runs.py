"""A small recorded run for tests of what reads traces: tickets of users, classified by labels, and a run of it.

In: a folder. Out: data, and a sealed trace made against the testing endpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlm_dsl import api
from rlm_dsl.testing import serve

BILLING = "my card was charged twice"
OF_ONE = """\
mine = tickets | where(user == "u1")
topics = mine | classify(on=body, labels=["billing", "other"], into=topic)
answer topics | where(topic == "billing") | count()
"""
"""Over one user's tickets alone: 14 of 40."""
TURNS_OF_ONE = [
    "Let me look.\n```\nshow tickets | take(2)\n```",
    "```\nmine = tickets | where(user == 'u1')\n"
    "topics = mine | classify(on=body, labels=['billing', 'other'], into=topic)\n```",
    "answer topics | where(topic == 'billing') | count()",
]
QUESTION = "How many billing tickets does each user have?"
PROGRAM = """\
mine = tickets | where(user != "u0")
topics = mine | classify(on=body, labels=["billing", "other"], into=topic)
billing = topics | where(topic == "billing")
answer {total: count(billing), per_user: billing | group(by=user, n=count()) | sort(-n, user)}
"""
TURNS = [
    "I look first.\n```\nshow tickets | take(2)\n```",
    "```\nwrong = tickets | where(usr == 1)\n```",
    "```\nlong = tickets | where(length(body) > 1000)\n```",
    f"```\n{PROGRAM}```",
]


def body(number: int) -> str:
    return f"{BILLING if number % 4 == 0 else 'how do I log in'} ({number})"


def csv(count: int) -> str:
    return "id,user,body\n" + "".join(f'{n},u{n % 3},"{body(n)}"\n' for n in range(1, count + 1))


def gold(count: int) -> list[dict[str, str]]:
    return [{"text": body(n), "label": "billing" if n % 4 == 0 else "other"} for n in range(1, count + 1)]


def billing_of(user: str, count: int) -> list[int]:
    """The numbers of a user's billing tickets; ticket n stands on line n + 1."""
    return [n for n in range(1, count + 1) if n % 4 == 0 and f"u{n % 3}" == user]


def recorded(folder: Path, count: int = 40, **more: Any) -> Path:
    """`tickets.csv` and the sealed trace `run.trace` of the program in a folder; the trace."""
    (folder / "tickets.csv").write_text(csv(count))
    with serve(gold=gold(count)) as server:
        api.run(
            PROGRAM,
            {"tickets": str(folder / "tickets.csv")},
            model="m",
            base_url=server.base_url,
            trace=folder / "run.trace",
            store=str(folder / "s.sqlite"),
            **more,
        )
    return folder / "run.trace"


def asked(folder: Path, count: int = 40) -> Path:
    """As `recorded`, by an exploration with a look, a refused turn and a dead end."""
    (folder / "tickets.csv").write_text(csv(count))
    with serve(gold=gold(count), script=TURNS) as server:
        contexts = {"tickets": str(folder / "tickets.csv")}
        more = {"store": str(folder / "s.sqlite"), "trace": folder / "run.trace"}
        api.ask(QUESTION, contexts, model="m", base_url=server.base_url, **more)
    return folder / "run.trace"
