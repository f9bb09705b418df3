"""Answers that honestly depend on what a prompt shows: a classifier over its examples and definitions, nothing else.

In: the messages of a request, its result schema. Out: the label that a nearest-neighbour classifier gives from the
examples and the definitions of labels that stand in the instruction; and, to whoever asks for a better instruction,
definitions made of the texts and right answers that the asking prompt shows. Law: no gold label is known here.

It is no model: it stands in for one where optimizers are tested, since a better prompt makes it better.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rlm_dsl.testing import seeded
from rlm_dsl.testing.schemas import Schema, allowed_values, first_value, properties
from rlm_dsl.testing.wire import Json, Reply, text_of

WORD = re.compile(r"[a-z']+")
DEFINITION = re.compile(r"^\s*[-*]?\s*`?(?P<label>[\w .'/&-]+?)`?\s*:\s*(?P<words>.+)$", re.MULTILINE)
STOP = frozenset(
    "a an and are at be can do for from have how i in is it me my of on or that the this to what with you".split()
)
SOURCE = "learner"
NEAR = 0.35
"""How alike the nearest example must be to count for more than a definition."""


def words_of(text: str) -> Counter[str]:
    """Words and pairs of them, without the commonest, endings cut."""
    found = [word[:6] for word in WORD.findall(text.casefold()) if word not in STOP]
    return Counter([*found, *(f"{a} {b}" for a, b in pairwise(found))])


def alike(a: Counter[str], b: Counter[str]) -> float:
    """The cosine of two bags of words."""
    both = sum(count * b[word] for word, count in a.items())
    return both / math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values())) if both else 0.0


def shown_examples(system: str) -> list[tuple[str, dict[str, Any]]]:
    """The examples of an instruction: its lines that are JSON with a text and an answer."""
    found = []
    for line in system.splitlines():
        if line.startswith('{"text"'):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value.get("answer"), dict):
                found.append((str(value["text"]), value["answer"]))
    return found


def learned_reply(messages: Sequence[Json], shown: str, schema: Schema, seed: int) -> Reply:
    """The answer to a row by what its instruction shows; where that tells nothing, one by the seed."""
    system = "\n".join(text_of(each) for each in messages if each.get("role") in ("system", "developer"))
    examples = shown_examples(system)
    return Reply(json.dumps(answer_of(shown, system, examples, schema, seed), ensure_ascii=False), SOURCE)


def answer_of(
    text: str, system: str, examples: Sequence[tuple[str, dict[str, Any]]], schema: Schema, seed: int
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in properties(schema).items():
        labels = allowed_values(part) or ([False, True] if part.get("type") == "boolean" else [])
        known = [(shown, answer[name]) for shown, answer in examples if name in answer]
        found[name] = label_of(text, system, known, labels, seed) if labels else first_value(part)
    return found


def label_of(text: str, system: str, examples: Sequence[tuple[str, Any]], labels: Sequence[Any], seed: int) -> Any:
    """The label of the nearest example, or the one whose definition, or name, shares most words with the text."""
    own = words_of(text)
    nearest = max(((alike(own, words_of(shown)), label) for shown, label in examples), key=lambda p: p[0], default=None)
    if nearest is not None and nearest[0] >= NEAR:
        return nearest[1]
    told = definitions(system, labels)
    scores = {}
    for label in labels:
        named = words_of(str(label).replace("_", " "))
        defined = words_of(told.get(str(label), ""))
        scores[label] = sum(own[word] for word in defined) + 1.5 * sum(own[word] for word in named)
    best = max(scores.values())
    if best == 0 and nearest is not None and nearest[0] > 0:
        return nearest[1]
    return seeded.pick([label for label in labels if scores[label] == best], "learner", seed, text)


def definitions(system: str, labels: Iterable[Any]) -> dict[str, str]:
    """What an instruction says of each label, on lines of the form `label: words`."""
    known = {str(label) for label in labels}
    return {m["label"]: m["words"] for m in DEFINITION.finditer(system) if m["label"] in known}


# ---- proposing ----

PAIR = re.compile(
    r'The text (?P<text>"(?:[^"\\]|\\.)*") was answered .*?[Tt]he right answer is (?P<answer>\{.*?\})', re.DOTALL
)
SHOWN = re.compile(r"^\s*[Tt]ext: (?P<text>.+)\n(?:.*\n)??\s*[Ll]abel: (?P<label>[\w .'/&-]+?)\s*$", re.MULTILINE)
QUOTED = re.compile(r"\{[^{}]*?['\"]text['\"]: (?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")[^{}]*\}")
FIELD = re.compile(r"\[\[ ## (\w+) ## \]\]")
BASIC = re.compile(r"\[\[ ## (?:basic_|current_)?instruction ## \]\]\n(.*?)\n\n", re.DOTALL)
CURRENT = re.compile(r"```\n(?P<told>.*?)\n```", re.DOTALL)


def proposal(messages: Sequence[Json]) -> Reply | None:
    """A better instruction for whoever asks for one in words, made of what the asking prompt shows; None for others."""
    asked = "\n".join(text_of(each) for each in messages)
    last = text_of(messages[-1])
    if "new instruction" in last and "within ``` blocks" in last:
        told = CURRENT.search(last)
        return Reply(f"```\n{better(told['told'] if told else '', asked)}\n```", SOURCE)
    ending = last.rpartition("Respond with")[2]
    basic = BASIC.search(last + "\n\n")
    if named := re.findall(r"`(\w+)`", ending) if ending.startswith(" a JSON object") else []:
        return Reply(json.dumps({name: said(name, asked, basic[1] if basic else "") for name in named}), SOURCE)
    fields = [name for name in FIELD.findall(ending) if name != "completed"]
    if not fields:
        return None
    parts = [f"[[ ## {name} ## ]]\n{said(name, asked, basic[1] if basic else '')}" for name in fields]
    return Reply("\n\n".join([*parts, "[[ ## completed ## ]]"]), SOURCE)


def said(field: str, asked: str, basic: str) -> str:
    if "instruction" in field:
        return better(basic, asked)
    if "advice" in field:
        names = re.findall(r"steps\['[^']+'\]", asked)
        return json.dumps({name: better("", asked) for name in dict.fromkeys(names)})
    return "Short texts, each with one label."


def better(instruction: str, asked: str) -> str:
    """An instruction with a definition of each label: the words of its texts that those of others have less."""
    kept = [line for line in instruction.splitlines() if not DEFINITION.match(line)]
    told = definitions(instruction, [m["label"] for m in DEFINITION.finditer(instruction)])
    texts: dict[str, list[str]] = {}
    for text, label in pairs(asked):
        texts.setdefault(label, []).append(text)
    every: Counter[str] = Counter()
    for held in texts.values():
        every.update(set(words_of(" ".join(held))))
    for label, held in texts.items():
        own = words_of(" ".join(held))
        ranked = sorted((word for word in own if " " not in word), key=lambda word: (-own[word] / every[word], word))
        before = told.get(label, "").split()
        told[label] = " ".join(dict.fromkeys([*before, *ranked[:14]]))
    lines = [f"- {label}: {words}" for label, words in sorted(told.items())]
    return "\n".join([*(kept or ["Say which label fits the text."]), *lines])


def pairs(asked: str) -> list[tuple[str, str]]:
    """Texts with their right labels, as prompts of optimizers show them."""
    plain = asked.replace('\\"', '"').replace("\\n", "\n")
    found = [(json.loads(m["text"]), value) for m in PAIR.finditer(plain) for value in values(m["answer"])]
    found += [(m["text"], m["label"]) for m in SHOWN.finditer(asked)]
    return found


def values(answer: str) -> list[str]:
    try:
        held: Mapping[str, Any] = json.loads(answer)
    except ValueError:
        return []
    return [str(value) for value in held.values()]
