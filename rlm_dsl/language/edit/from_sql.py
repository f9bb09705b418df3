"""A query in SQL as a statement of the language, where it is as simple as models write it.

In: a text, what is bound. Out: the statement that says the same, or None. Law: what is not understood whole is not
translated; the statement is checked by whoever uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlm_dsl.language.check import Environment
from rlm_dsl.language.types import quoted_name

LONGEST = 2_000
QUERY = re.compile(
    r"\s*(?:\w+\s*=\s*|answer\s+|show\s+)?SELECT\s+(?P<what>.+?)\s+FROM\s+(?P<table>[\w\"`.]+)"
    r"(?:\s+WHERE\s+(?P<where>.+?))?(?:\s+GROUP\s+BY\s+(?P<group>.+?))?"
    r"(?:\s+ORDER\s+BY\s+(?P<order>.+?))?(?:\s+LIMIT\s+(?P<limit>\d+))?\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)
AGGREGATE = re.compile(
    r"(?P<f>COUNT|SUM|AVG|MIN|MAX)\s*\(\s*(?P<d>DISTINCT\s+)?(?P<of>\*|[\w\"`]+)\s*\)(?:\s+AS\s+(?P<name>\w+))?", re.I
)
NAME = re.compile(r"[\"`]?(?P<name>[A-Za-z_]\w*)[\"`]?(?:\s+(?P<down>DESC|ASC))?", re.IGNORECASE)
LITERAL = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")
LIKE = re.compile(r"(\w+)\s+LIKE\s+'%?([^'%_]*)%?'", re.IGNORECASE)
WORDS = re.compile(r"\b(AND|OR|NOT|IN|IS|NULL|BETWEEN|TRUE|FALSE)\b", re.IGNORECASE)


def from_sql(text: str, environment: Environment) -> str | None:
    """The statement of a query over one table."""
    found = QUERY.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        return None
    named = found["table"].strip('"`').rpartition(".")[2]
    known = [*environment.contexts, *environment.bindings]
    table = named if named in known else known[0] if len(environment.contexts) == 1 else None
    if table is None:
        return None
    steps = [quoted_name(table)]
    if found["where"]:
        steps.append(f"where({condition(found['where'])})")
    made = [*selected(found)]
    if not made:
        return None
    return f"{'show' if made == ['*'] else 'answer'} {' | '.join([*steps, *(step for step in made if step != '*')])}"


def selected(found: re.Match[str]) -> Iterator[str]:
    """The steps behind the choice of rows; nothing where one is not understood."""
    parts = [part.strip() for part in re.split(r",(?![^(]*\))", found["what"])]
    aggregates = {part: match for part in parts if (match := AGGREGATE.fullmatch(part))}
    columns = [match["name"] for part in parts if part not in aggregates and (match := NAME.fullmatch(part))]
    if len(columns) + len(aggregates) < len(parts) and parts != ["*"]:
        return
    keys = [match["name"] for part in (found["group"] or "").split(",") if (match := NAME.fullmatch(part.strip()))]
    names = {part: match["name"] or f"{match['f'].lower()}_{n}" for n, (part, match) in enumerate(aggregates.items())}
    if keys:
        made = ", ".join(f"{names[part]}={aggregate(match)}" for part, match in aggregates.items()) or "n=count()"
        by = ", ".join(map(quoted_name, keys))
        yield f"group(by={by if len(keys) == 1 else f'[{by}]'}, {made})"
    elif len(aggregates) == 1 and not columns:
        (match,) = aggregates.values()
        yield aggregate(match)
        return
    elif aggregates:
        return
    order = (found["order"] or "").strip()
    for part, name in names.items():
        order = order.replace(part.partition(" AS ")[0], name)
    sorting = [match for part in order.split(",") if (match := NAME.fullmatch(part.strip()))]
    if sorting:
        yield f"sort({', '.join(map(sort_key, sorting))})"
    if found["limit"]:
        yield f"take({found['limit']})"
    if columns and not keys:
        yield f"select({', '.join(map(quoted_name, columns))})"
    elif parts == ["*"]:
        yield "*"


def sort_key(match: re.Match[str]) -> str:
    return ("-" if (match["down"] or "").upper() == "DESC" else "") + quoted_name(match["name"])


def aggregate(match: re.Match[str]) -> str:
    name, of = match["f"].lower(), match["of"].strip('"`')
    if name == "count":
        return f"count_distinct({quoted_name(of)})" if match["d"] and of != "*" else "count()"
    return f"{name}({quoted_name(of)})"


def condition(text: str) -> str:
    """A condition as the language writes it."""
    text = LIKE.sub(lambda like: f'contains({like[1]}, "{like[2]}")', text)
    held: list[str] = []

    def keep(found: re.Match[str]) -> str:
        inner = found[0][1:-1].replace("''", "'")
        held.append(inner)
        return f"\x00{len(held) - 1}\x00"

    text = LITERAL.sub(keep, text)
    text = WORDS.sub(lambda word: word[0].lower(), text)
    text = re.sub(r"<>", "!=", text)
    text = re.sub(r"(?<![=!<>])=(?!=)", "==", text)
    text = re.sub(r"\bin\s*\(([^()]*)\)", r"in [\1]", text)
    return re.sub("\x00(\\d+)\x00", lambda found: written(held[int(found[1])]), text).strip()


def written(text: str) -> str:
    """A text in quotes; a date as one."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return f"@{text}"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
