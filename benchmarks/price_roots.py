"""What the played roots of `price.py` say: for each explorer in its own language, three turns a question of equal wit,
a look, the work, the answer. The peers' roots put 50 rows into a prompt, as their prompts tell a root to do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from price_world import Question, World, compared

OURS, RLMS, DSPY = "by small programs in the language below", "REPL", "[[ ## iteration ## ]]"
ROOTS = (OURS, RLMS, DSPY)
"""What only the root prompts of each explorer hold."""
TOGETHER = 50

PARSE = r"""
import re
rows = [(m[1], m[2], m[3]) for m in re.finditer(r"Date: (.*?) \|\| User: (\d+) \|\| Instance: (.*)", context)]
print(len(rows), rows[:3])
"""
WORK = r"""
import datetime
from itertools import combinations
from collections import Counter
labels = {labels!r}
rows = [row for row in rows if {keep}]
prompts = []
for at in range(0, len(rows), {together}):
    some = rows[at : at + {together}]
    lines = "\n".join(f"{{n}}: {{text}}" for n, (_, _, text) in enumerate(some, 1))
    told = f"Label each numbered line with one of: {{', '.join(labels)}}. Answer 'number: label', a line each."
    prompts.append(f"{{told}}\n{{lines}}")
found = []
for at, reply in enumerate(llm_query_batched(prompts)):
    some = rows[at * {together} : (at + 1) * {together}]
    given = dict(re.findall(r"^(\d+): (.*)$", reply, re.M))
    found += [(day, user, given.get(str(n))) for n, (day, user, _) in enumerate(some, 1)]
counts = Counter(label for _, _, label in found)
{result}
print(result)
"""
RESULTS = {
    "count": "result = f'Answer: {counts[LABEL]}'",
    "most frequent": "result = f'Label: {min(counts, key=lambda one: (-counts[one], str(one)))}'",
    "two compared": "a, b = counts[LABEL], counts[OTHER]\n"
    "word = 'more common than' if a > b else 'less common than' if a < b else 'same frequency as'\n"
    "result = f'Answer: {LABEL} is {word} {OTHER}'",
    "top user": "users = Counter(user for _, user, label in found if label == LABEL)\n"
    "result = f'User: {min(users, key=lambda one: (-users[one], int(one)))}'",
    "date range": "result = f'Answer: {counts[LABEL]}'",
    "pairs": "users = {user for _, user, label in found if label == LABEL}\n"
    "result = f'Answer: {sum(1 for _ in combinations(sorted(users), 2))}'",
}


def reply_of(question: Question, world: World, messages: Sequence[Mapping[str, Any]], text: str) -> str:
    """The turn that is due, in the language of whoever asks."""
    if OURS in text:
        return ours(question, world)[sum(message["role"] == "assistant" for message in messages)]
    if DSPY in text:
        number = int(re.findall(r"\[\[ ## iteration ## \]\]\s*(\d+)/", text)[-1]) - 1
        code = [*python(question, world), "SUBMIT(result)"][number]
        return f"[[ ## reasoning ## ]]\nOn I go.\n\n[[ ## code ## ]]\n```python\n{code}\n```\n\n[[ ## completed ## ]]"
    turn = sum(message["role"] == "assistant" for message in messages)
    code = [*python(question, world), "answer['content'] = result\nanswer['ready'] = True"][min(turn, 2)]
    return f"```repl\n{code}\n```"


def python(question: Question, world: World) -> list[str]:
    names = dict(zip(("LABEL", "OTHER"), question.labels, strict=False))
    result = RESULTS[question.kind]
    for name, label in names.items():
        result = f"{name} = {label!r}\n{result}"
    keep = "True"
    if question.dates:
        first, last = (repr(day.isoformat()) for day in question.dates)
        keep = f"{first} <= datetime.datetime.strptime(row[0], '%b %d, %Y').date().isoformat() <= {last}"
    work = WORK.format(labels=list(world.labels), keep=keep, together=TOGETHER, result=result)
    return [PARSE.strip(), work.strip()]


def ours(question: Question, world: World) -> list[str]:
    table = "context" if False else "prompt"
    look = (
        f'rows = {table} | extract(r"Date: (?P<day>.*?) \\|\\| User: (?P<user>\\d+) \\|\\| Instance: (?P<body>.*)", '
        "types={user: int})"
    )
    scope = "rows"
    if question.dates:
        first, last = (f"@{day.isoformat()}" for day in question.dates)
        look += ' | derive(at=to_date(day, "%b %d, %Y"))'
        scope = f"rows | where(at between {first} and {last})"
    labels = json.dumps(list(world.labels))
    work = [f"labelled = {scope} | classify(on=body, labels={labels}, into=label)"]
    label = json.dumps(question.labels[0]) if question.labels else ""
    match question.kind:
        case "count" | "date range":
            work.append(f"n = labelled | where(label == {label}) | count()")
            end = 'answer format("Answer: {}", n)'
        case "most frequent":
            work.append("top = labelled | group(by=label, n=count()) | sort(-n, label)")
            end = 'answer format("Label: {}", top | first(label))'
        case "two compared":
            other = json.dumps(question.labels[1])
            work.append(f"a = labelled | where(label == {label}) | count()")
            work.append(f"b = labelled | where(label == {other}) | count()")
            words = [json.dumps(compared(*pair)) for pair in ((2, 1), (1, 2), (1, 1))]
            end = (
                f'answer format("Answer: {question.labels[0]} is {{}} {question.labels[1]}", '
                f"if(a > b, {words[0]}, if(a < b, {words[1]}, {words[2]})))"
            )
        case "top user":
            work.append(f"top = labelled | where(label == {label}) | group(by=user, n=count()) | sort(-n, user)")
            end = 'answer format("User: {}", top | first(user))'
        case _:
            work.append(f"users = labelled | where(label == {label}) | group(by=user, n=count())")
            work.append("n = users | pairs() | count()")
            end = 'answer format("Answer: {}", n)'
    return [look, "\n".join(work), end]
