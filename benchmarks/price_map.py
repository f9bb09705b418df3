"""The price of one map step: a label for each of 5,000 short rows, through DocETL, LOTUS and us.

All ask the same played sub-model (`price_server.py`), with the same labels in the words that each would have its user
write; DocETL's `map` has an enum as its output's schema, LOTUS' `sem_map` an instruction. Tokens in and out are counted
by the server, by one measure for all; seconds are those of a second run in the process, whose rows are others. Measured
are peers that are installed: `pip install docetl lotus-ai` (some 6 GB). `python benchmarks/price_map.py --help` for
other counts, errors and slips.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

from explorers import there
from measure import Effort, Goal, Measure
from price import Kind, Taken, beside_peers, played, table_of, told, total
from price_world import Line, made_world

import rlm_dsl

ROWS, SEED = 5_000, 7
WARM = 20
"""Rows of an own world that are asked before anything counts, so that what is loaded at the first use is loaded."""
TOKENS, SECONDS = Goal(reach=0.6, ideal=0.4), Goal(reach=1.0, ideal=0.5)
Mapper = Callable[[str, Sequence[str], Sequence[str], Path], list[str]]
"""From the server's address, the rows and the labels to a label for each row, in a folder of its own."""


def ours(base_url: str, rows: Sequence[str], labels: Sequence[str], folder: Path) -> list[str]:
    program = f"answer t | classify(labels={json.dumps(labels)}, into=label) | select(label)"
    held = {"store": str(folder / "answers.sqlite")}
    contexts = {"t": [{"text": row} for row in rows]}
    found = rlm_dsl.run(program, contexts, model="m", base_url=base_url, api_key="none", **held)
    return [row["label"] for row in found.value]


def docetl(base_url: str, rows: Sequence[str], labels: Sequence[str], folder: Path) -> list[str]:
    os.environ.update(OPENAI_API_BASE=base_url, OPENAI_API_KEY="none")
    from docetl.api import Pipeline

    given, made = folder / "rows.json", folder / "labelled.json"
    given.write_text(json.dumps([{"text": row} for row in rows]), encoding="utf-8")
    said = ", ".join(labels)
    prompt = f"Which label fits the text best? One of: {said}\nText: {{{{ input.text }}}}"
    step = {"name": "label", "type": "map", "prompt": prompt, "output": {"schema": {"label": f"enum[{said}]"}}}
    pipeline = {
        "default_model": "openai/m",
        "bypass_cache": True,
        "datasets": {"rows": {"type": "file", "path": str(given)}},
        "operations": [step],
        "pipeline": {
            "steps": [{"name": "labelling", "input": "rows", "operations": ["label"]}],
            "output": {"type": "file", "path": str(made)},
        },
    }
    Pipeline.from_dict(pipeline, name="labels").run()
    label_of = {row["text"]: row["label"] for row in json.loads(made.read_text(encoding="utf-8"))}
    return [label_of.get(row, "") for row in rows]


def lotus(base_url: str, rows: Sequence[str], labels: Sequence[str], folder: Path) -> list[str]:
    import lotus as peer
    import pandas
    from lotus.models import LM

    peer.settings.configure(lm=LM(model="openai/m", api_base=base_url, api_key="none"))
    asked = f"Which label fits the {{text}} best? Answer with one of: {', '.join(labels)}"
    return [str(label) for label in pandas.DataFrame({"text": rows}).sem_map(asked)["_map"]]


MAPPERS: dict[str, tuple[str, str, Mapper]] = {
    "ours": ("rlm_dsl", "rlm-dsl", ours),
    "DocETL": ("docetl", "docetl", docetl),
    "LOTUS": ("lotus", "lotus-ai", lotus),
}
"""Each mapper's package to import, its name as it is installed, and how it is asked."""


def taken(given: dict[str, Any]) -> dict[str, Taken]:
    """What the rows took, by mapper, and how many of them got their label."""
    local_tokenizer()
    world, first = made_world(given["rows"], given["seed"]), made_world(WARM, given["seed"] + 1)
    found: dict[str, Taken] = {}
    for name, (package, _, labelled) in MAPPERS.items():
        if not there(package):
            continue
        with tempfile.TemporaryDirectory() as folder, played({**given, "rows": WARM, "seed": given["seed"] + 1}) as url:
            quietly(labelled, f"{url}/v1", first.lines, first.labels, Path(folder))
        with tempfile.TemporaryDirectory() as folder, played(given) as url:
            started = time.perf_counter()
            labels = quietly(labelled, f"{url}/v1", world.lines, world.labels, Path(folder))
            seconds = time.perf_counter() - started
            right = sum(label == line.label for label, line in zip(labels, world.lines, strict=True))
            found[name] = {**told(url), "right": right, "seconds": seconds}
    return found


def quietly(labelled: Mapper, url: str, lines: Sequence[Line], labels: Sequence[str], folder: Path) -> list[str]:
    """Without what the peers print on the way."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        return labelled(url, [line.text for line in lines], labels, folder)


def local_tokenizer() -> None:
    """The peers count tokens by a vocabulary that tiktoken would fetch; litellm, which both have, holds it."""
    held = importlib.util.find_spec("litellm")
    if held and held.origin:
        tokenizers = Path(held.origin).parent / "litellm_core_utils" / "tokenizers"
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(tokenizers))
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")


def measures(effort: Effort) -> Iterator[Measure]:
    found = taken({"rows": ROWS, "seed": SEED, "errors": 0.0, "slips": 0.0, "world": ""})
    print(shown(found, ROWS), flush=True)
    kinds: tuple[Kind, ...] = (
        ("all tokens", "tokens", TOKENS, total),
        ("seconds", "s", SECONDS, lambda one: one["seconds"]),
    )
    right = f"right: ours {found['ours']['right']:,}"
    notes = {
        name: f"{right}, {name} {found[name]['right']:,}; {package} {version(package)}" if name in found else ""
        for name, (_, package, _) in MAPPERS.items()
    }
    yield from beside_peers(found, "one map step", kinds, notes)


def shown(found: dict[str, Taken], rows: int) -> str:
    return table_of(
        "one map step",
        found,
        [
            ("rows labelled right", lambda one: f"{one['right']:,} of {rows:,}"),
            ("calls", lambda one: f"{total(one, 'sub', 'calls'):,}"),
            ("tokens in / out", lambda one: f"{total(one, 'sub', 'in'):,} / {total(one, 'sub', 'out'):,}"),
            ("of them in a known prefix", lambda one: f"{total(one, 'sub', 'cached'):,}"),
            ("all tokens", lambda one: f"{total(one):,}"),
            ("seconds", lambda one: f"{one['seconds']:.1f}"),
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--errors", type=float, default=0.0, help="share of rows labelled wrong alone; more in packs")
    parser.add_argument("--slips", type=float, default=0.0, help="share of a pack's lines left out or shifted")
    given = vars(parser.parse_args())
    logging.disable(logging.WARNING)
    print(shown(taken({**given, "world": ""}), given["rows"]))


if __name__ == "__main__":
    main()
