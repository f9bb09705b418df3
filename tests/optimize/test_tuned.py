"""`PROGRAM.tuned.yaml`: data beside a program that changes what runs, is read with care and is told in the trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlm_dsl.testing import serve
from tests.support.commands import Ran, command
from tests.support.runs import csv

PROGRAM = 'topics = tickets | classify(on=body, labels=["billing", "other"], into=topic)\nanswer topics | count()\n'
TUNED = """\
schema: rlm-tuned/1
made: {optimizer: by hand}
steps:
  topics:
  - call: classify
    set:
      guide: Billing is about money.
      examples:
      - {text: my bill is wrong, label: billing}
"""


def run(folder: Path, tuned: str, *more: str, program: str = PROGRAM) -> Ran:
    (folder / "p.rlm").write_text(program)
    (folder / "p.tuned.yaml").write_text(tuned)
    (folder / "t.csv").write_text(csv(8))
    with serve(fallback="first") as server:
        asked = ["--context", "tickets=t.csv", "--model", "m", "--base-url", server.base_url]
        ran = command(folder, "run", "p.rlm", *asked, *more, OPENAI_API_KEY="k")
        systems = {request.body["messages"][0]["content"] for request in server.requests}
    (folder / "seen.txt").write_text("\n".join(systems))
    return ran


def test_what_is_tuned_is_asked_recorded_and_shown(tmp_path: Path) -> None:
    ran = run(tmp_path, TUNED, "--trace", "a.trace")
    assert ran.code == 0 and "tuned by p.tuned.yaml: topics" in ran.err
    seen = (tmp_path / "seen.txt").read_text()
    assert "Billing is about money." in seen and '{"text": "my bill is wrong", "answer": {"label": "billing"}}' in seen
    assert command(tmp_path, "verify", "a.trace", "--context", "tickets=t.csv").code == 0
    shown = command(tmp_path, "show", "a.trace").out
    assert "by p.tuned.yaml (by hand)" in shown and "tuning changed" in shown
    plain = run(tmp_path, TUNED, "--tuned", "none")
    assert plain.code == 0 and "tuned by" not in plain.err
    assert "Billing is about money." not in (tmp_path / "seen.txt").read_text()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("rlm-tuned/1", "rlm-tuned/9", " --> p.tuned.yaml:1:9"),
        ("steps:", "stesp:", "did you mean `steps`?"),
        ("call: classify", "caller: classify", " --> p.tuned.yaml:5:"),
        ("  topics:", "  topisc:", "tunes `topisc`, which p.rlm has not"),
        ("guide:", "giude:", "guide"),
        ("call: classify", "call: keep", "has no such call"),
        (
            "{text: my bill is wrong, label: billing}",
            "{text: my bill is wrong, label: bills}",
            "must be one of",
        ),
        ("made:", "made: [", "p.tuned.yaml"),
        ("Billing is about money.", "2024-01-01", "p.tuned.yaml"),
    ],
)
def test_a_fault_of_the_file_is_told_with_its_place(old: str, new: str, told: str, tmp_path: Path) -> None:
    ran = run(tmp_path, TUNED.replace(old, new, 1))
    assert ran.code == 2 and told in ran.err, ran.err


def test_another_text_stands_only_for_the_program_it_was_made_from(tmp_path: Path) -> None:
    from rlm_dsl.optimize.tuned import Tuned, program_digest

    text = PROGRAM.replace("topics |", "topics | take(3) |")
    tuned = Tuned(program_digest(PROGRAM), text=text).yaml()
    assert run(tmp_path, tuned, "--json").out.strip() == "3"
    laid_out_otherwise = "# counted\n" + PROGRAM.replace(", into", ",  into")
    assert run(tmp_path, tuned, "--json", program=laid_out_otherwise).out.strip() == "3"
    changed = run(tmp_path, tuned, program=PROGRAM.replace("count()", "take(1) | count()"))
    assert changed.code == 2 and "no longer what p.tuned.yaml was made from" in changed.err
    assert "--tuned none" in changed.err


def test_a_proxy_that_is_not_there_is_told(tmp_path: Path) -> None:
    ran = run(tmp_path, TUNED.replace("guide: Billing is about money.", "proxy: abc"))
    assert ran.code == 2 and "names a proxy" in ran.err and "p.proxies.json" in ran.err
