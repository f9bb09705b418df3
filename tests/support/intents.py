"""Short texts with intents: real ones where the real data is, and our own, which say their intent by their words.

In: a name, a count. Out: texts with labels, shuffled by a seed; a folder with a program, its data and its examples.
"""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

from tests.support.real import REAL

CLINC = ("transfer", "balance", "bill_due", "freeze_account", "weather", "translate", "timer", "play_music")
BANKING = (
    *("card_arrival", "lost_or_stolen_card", "exchange_rate", "top_up_failed"),
    *("cash_withdrawal_charge", "age_limit", "change_pin", "terminate_account"),
)
WORDS = {
    "a1": "parcel courier doorstep shipment tracking delivered package van",
    "a2": "invoice charged refund receipt billed payment overcharge debit",
    "a3": "password login username locked reset account signin credentials",
    "a4": "screen crash frozen bug error reboot glitch slow",
}
FILLERS = "please hello today really again still maybe quick question about something thanks guys urgent week".split()


def texts(name: str) -> list[tuple[str, str]]:
    """Every text of a set with its label: `own`, or one of the real data."""
    if name == "own":
        return own(600)
    if name == "clinc150":
        data = json.loads((REAL / name / "data_full.json").read_text())
        return [(t, label) for part in ("train", "val", "test") for t, label in data[part] if label in CLINC]
    if name == "clinc-domains":
        domains = json.loads((REAL / "clinc150" / "domains.json").read_text())
        domain = {intent: each for each, intents in domains.items() for intent in intents}
        data = json.loads((REAL / "clinc150" / "data_full.json").read_text())
        return [(t, domain[label]) for part in ("train", "val", "test") for t, label in data[part]]
    if name == "banking77":
        rows = [row for file in ("train.csv", "test.csv") for row in read(REAL / name / file)]
        return [(row["text"], row["category"]) for row in rows if row["category"] in BANKING]
    found = []
    for folder in sorted(path for path in (REAL / name).iterdir() if path.is_dir()):
        for file in sorted(folder.glob("*.json")):
            value = json.loads(file.read_bytes().decode("utf-8", "replace"))
            found += [("".join(p["text"] for p in each["data"]), folder.name) for each in next(iter(value.values()))]
    return found


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def own(count: int) -> list[tuple[str, str]]:
    chance = random.Random(3)
    found = []
    for number in range(count):
        label = list(WORDS)[number % len(WORDS)]
        words = chance.sample(WORDS[label].split(), 2) + chance.sample(FILLERS, 3)
        chance.shuffle(words)
        found.append((f"{' '.join(words)} {number}", label))
    return found


def sampled(name: str, count: int, seed: int = 0) -> list[tuple[str, str]]:
    """So many different texts."""
    held = {" ".join(text.split()): label for text, label in texts(name)}
    rows = sorted(held.items())
    random.Random(seed).shuffle(rows)
    return rows[:count]


def laid_out(folder: Path, rows: list[tuple[str, str]]) -> None:
    """`p.rlm`, which counts them by kind, `t.csv` and `ex.jsonl`."""
    labels = sorted({label for _, label in rows})
    with (folder / "t.csv").open("w", newline="") as out:
        csv.writer(out).writerows([["id", "body"], *([n, text] for n, (text, _) in enumerate(rows))])
    lines = [json.dumps({"text": text, "label": label}) + "\n" for text, label in rows]
    (folder / "ex.jsonl").write_text("".join(lines))
    (folder / "p.rlm").write_text(
        f"kinds = tickets | classify(on=body, labels={json.dumps(labels)}, into=kind)\n"
        "answer kinds | group(by=kind, n=count()) | sort(kind)\n"
    )
