"""What people ask of tables again and again, as prompts that a client offers.

In: what the person fills in. Out: a message for the agent. Law: each names the tools in the order in which they help.
"""

from __future__ import annotations

from collections.abc import Callable

BEGIN = "Read `manual` once, `load` the data if `look` does not show it yet."


def question(question: str, path: str = "") -> str:
    """Answer a question about data, with the program that computes it and its evidence."""
    data = f" The data lies at {path}." if path else ""
    return (
        f"{question}{data}\n\n{BEGIN} Look before you count: `show` a few rows. Use exact steps wherever they suffice, "
        "and ask a model only about rows that need reading. End with `answer`, and tell the value, what it rests on, "
        "and what you left out."
    )


def overview(path: str) -> str:
    """Say what stands in some data: columns, ranges, gaps, oddities."""
    return (
        f"Describe the data at {path}.\n\n{BEGIN} `run` `show NAME | describe()`, then look at what is odd: nulls, "
        "values that occur once, ranges that cannot be. Tell a person what each column means and what to be careful of."
    )


def count_by(path: str, what: str, by: str) -> str:
    """Count something by groups, over time or by a column."""
    return (
        f"How many {what} are there by {by}, in the data at {path}?\n\n{BEGIN} Bind the rows that count, `group` them "
        '(a day of a timestamp is date(x), a month date_trunc("month", x)), and `answer` with the table, largest first.'
    )


def topics(path: str, column: str) -> str:
    """Find what texts are about, and how many are about each."""
    return (
        f"What are the texts in {column} of {path} about?\n\n{BEGIN} Draw names with `categories` from the rows, "
        "`classify` by them (each different text is asked once; `look` says how many calls are left), then `group` by "
        "the label. Show two texts of each label."
    )


def check(trace: str) -> str:
    """Check a run that somebody handed over."""
    return (
        f"Is the answer in {trace} right?\n\n`verify` it, read its program in the resource rlm://traces/NAME, and tell "
        "in words what the program does, what its answer rests on, and what it cannot show."
    )


PROMPTS: tuple[Callable[..., str], ...] = (question, overview, count_by, topics, check)
