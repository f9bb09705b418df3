"""Root turns that solve questions in OOLONG's form: a question's words to the program that answers it.

It reads the words alone, in the form of examples/oolong and in that of the real worlds; the right answers that tests
compare with come from SQL over labels, which nothing here has seen.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Sequence

DAY = r"(\w{3,9} \d{1,2}, \d{4})"
LABEL = r"(?:label )?'?([A-Za-z ]+?)'?"


def turns(question: str, labels: Sequence[str], context: str) -> list[str]:
    """Look, take apart, label, answer."""
    pattern = r"^Date: (?P<day>.+?) \|\| User: (?P<user>\d+) \|\| Instance: (?P<instance>.*)$"
    rows = f'rows = {context} | extract(r"{pattern}", on=text, types={{user: int}})'
    dated = '| derive(sent=to_date(day, "%b %d, %Y")) | derive(month_of=year(sent) * 12 + month(sent) - 1)'
    return [
        f"Let me see what a line looks like.\n\n```\nshow {context} | take(3)\n```",
        f"```\n{rows}\n     {dated}\n```",
        f"```\nlabelled = rows | classify(on=instance, labels={json.dumps(list(labels))}, into=label)\n```",
        answer(question),
    ]


def answer(question: str) -> str:
    """The statements that answer, once rows are labelled."""
    if "pairs of user IDs" in question:
        return pairs(question)
    scope, said = scoped(question)
    return f"scope = labelled{scope}\n{asked(said)}"


def scoped(question: str) -> tuple[str, str]:
    """The rows that a question is about, and the question."""
    if found := re.search(r"(?:of users?|user IDs) ([\d, ]+\d)", question):
        return f" | where(user in [{found[1]}])", question
    if found := re.search(rf"(?:from|between) {DAY} (?:to|and) {DAY}", question):
        return f" | where(sent between {day(found[1])} and {day(found[2])})", question
    if found := re.search(r"occur in (\w+) of any year", question):
        return f" | where(month(sent) == {datetime.datetime.strptime(found[1], '%B').month})", question
    if found := re.search(rf"How many (\w+) instances (before|after) {DAY}", question):
        sign = "<" if found[2] == "before" else ">"
        return f" | where(sent {sign} {day(found[3])})", f"have the label {found[1]}? "
    return "", question


def asked(question: str) -> str:
    """The answer over `scope`."""
    first = "answer scope{} | group(by={by}, n=count()) | sort({order}, {by}) | first({by})"
    shares = r"(?:as a share|more common, less common, or the same frequency \(as a share)"
    if found := re.search(rf"label {LABEL},? \(?{shares}.*?before {DAY}", question):
        return share(found[1], day(found[2]))
    if found := re.search(
        r"is (?:the )?label '?([A-Za-z ]+?)'? more common.*? (?:as|as label) '?([A-Za-z ]+?)'?[.?]", question, re.I
    ):
        return comparison(found[1], found[2])
    if found := re.search(r"user has the most instances with the label ([A-Za-z ]+?)[.?]", question):
        return first.format(f' | where(label == "{found[1]}")', by="user", order="-n")
    if "user has the most" in question or "user is represented most often" in question:
        return first.format("", by="user", order="-n")
    if "different users" in question:
        return "answer scope | distinct(user) | count()"
    if re.search(r"date (?:has the most|is represented most)", question):
        return first.format("", by="sent", order="-n")
    if found := re.search(r"represented exactly (\d+) times", question):
        return f"answer scope | group(by=sent, n=count()) | where(n == {found[1]}) | count()"
    if "month" in question:
        return months(question)
    if found := re.search(rf"(?:have the|classified as) label {LABEL}[?.]", question):
        return f'answer scope | where(label == "{found[1]}") | count()'
    least = "least" in question.partition("label")[2] or "the least" in question
    return first.format("", by="label", order="n" if least else "-n")


def months(question: str) -> str:
    """Months in which one label stands above another, or above all others."""
    names = re.findall(r"'([A-Za-z ]+)'", question) or re.findall(r"instances of (\w+) than of (\w+)", question)
    one, other = names if len(names) == 2 else (names[0] if isinstance(names[0], tuple) else (names[0], ""))
    if "single most" in question:
        return (
            "by_label = scope | group(by=[month_of, label], n=count())\n"
            f'own = by_label | where(label == "{one}") | select(month_of, own=n)\n'
            f'most = by_label | where(label != "{one}") | group(by=month_of, most=max(n))\n'
            'answer own | join(most, on=month_of, how="left") | where(own > coalesce(most, 0)) | count()'
        )
    more = (
        f'm = scope | group(by=month_of, a=count_if(label == "{one}"), b=count_if(label == "{other}")) | where(a > b)'
    )
    if "first occur" not in question:
        return f"{more}\nanswer m | count()"
    named = [datetime.date(2000, n, 1).strftime("%B") for n in range(1, 13)]
    choices = "".join(f'if(which == {n}, "{name}", ' for n, name in enumerate(named[:-1]))
    name = f'{choices}"{named[-1]}"{")" * 11}'
    return f'{more}\nat = m | min(month_of)\nwhich = at % 12\nname = {name}\nanswer format("{{}} {{}}", name, at // 12)'


def comparison(one: str, other: str) -> str:
    return (
        f'a = scope | where(label == "{one}") | count()\nb = scope | where(label == "{other}") | count()\n'
        'answer if(a > b, "more common than", if(a < b, "less common than", "same frequency as"))'
    )


def share(label: str, cut: str) -> str:
    """A label's share before and after a day, compared without dividing."""
    return (
        f"before = scope | where(sent < {cut})\nafter = scope | where(sent > {cut})\n"
        f'x = count(before | where(label == "{label}")) * count(after)\n'
        f'y = count(after | where(label == "{label}")) * count(before)\n'
        'answer if(x > y, "more common", if(x < y, "less common", "same frequency"))'
    )


NUMBERS = {"one": 1, "an": 1, "a": 1, "two": 2, "three": 3, "six": 6}


def pairs(question: str) -> str:
    """Users by what they have, then each two of them once."""
    words = question.partition("where both users have")[2] or question.partition("both users have")[2]
    if words:
        words = words.partition(". Each of")[0]
        one = other = side(words)
    else:
        told = re.search(r"one user has (.*?),? and the other (?:user )?has (.*?)\.(?: Each|$)", question, re.DOTALL)
        assert told is not None, question
        one, other = side(told[1]), side(told[2])
    counts = sorted({part for text in (one, other) for part in re.findall(r"count_if\((?:[^()]|\([^()]*\))*\)", text)})
    named = {part: f"k{n}" for n, part in enumerate(counts)}
    for part, name in named.items():
        one, other = one.replace(part, name), other.replace(part, name)
    made = ", ".join(f"{name}={part}" for part, name in named.items())
    return (
        f"users = labelled | group(by=user, {made}) | derive(one={one}, other={other}) | sort(user)\n"
        "both = users | select(user, one, other) | where(one or other) | pairs()\n"
        "answer both | where((a_one and b_other) or (a_other and b_one)) | select(a=a_user, b=b_user)"
    )


def side(words: str) -> str:
    """What one user of a pair must have, as a condition over counts."""
    parts = []
    for found in re.finditer(
        r"(at least|exactly) (\w+)(?: instances?)?(?: of| with)?(?: a\(n\))? ([A-Za-z ]+?)"
        r"(?=,| and at| and exactly| and none|\.|$)",
        words,
    ):
        sign = ">=" if found[1] == "at least" else "=="
        parts.append(f"count_if({among(found[3])}) {sign} {NUMBERS[found[2]]}")
    if found := re.search(r"none of (\w+)", words):
        parts.append(f"count_if({among(found[1])}) == 0")
    if found := re.match(r" an instance of (\w+)", words):
        parts.append(f"count_if({among(found[1])}) >= 1")
    every = (
        r"all (?:instances that are a\(n\) |of their )([A-Za-z ]+?)(?: for both users must be| instances are)"
        rf" (before|after) {DAY}"
    )
    if found := re.search(every, words):
        sign = ">=" if found[2] == "before" else "<="
        parts.append(f"count_if({among(found[1])} and sent {sign} {day(found[3])}) == 0")
    assert parts, words
    return " and ".join(parts)


def among(labels: str) -> str:
    return f"label in {json.dumps(labels.strip().split(' or '))}"


def day(text: str) -> str:
    for form in ("%b %d, %Y", "%B %d, %Y"):
        try:
            return "@" + datetime.datetime.strptime(text, form).date().isoformat()
        except ValueError:
            continue
    raise ValueError(text)
