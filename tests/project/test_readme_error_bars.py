"""README's way from tickets to a report with error bars, run as it stands there; model and reviewer are played."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from rlm_dsl.review.session import open_session
from rlm_dsl.testing import serve
from tests.support.commands import command
from tests.support.paths import ROOT


def commands() -> list[list[str]]:
    section = Path("README.md").read_text(encoding="utf-8").split("## With error bars")[1]
    block = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[0].replace("\\\n", " ")
    return [shlex.split(line) for line in block.splitlines()]


def test_the_commands_lead_to_a_report_with_error_bars(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    gold = [json.loads(line) for line in Path("examples/tickets/gold.jsonl").read_text().splitlines()]
    labels = {each["text"]: each["label"] for each in gold}
    endpoint, *rest = commands()
    assert endpoint[endpoint.index("--error-rate") + 1] == "0.15" and endpoint[-1] == "&"
    out = ""
    with serve(gold=gold, error_rate=0.15) as server:
        for words in rest:
            arguments = [each.replace("http://127.0.0.1:8808/v1", server.base_url) for each in words[1:]]
            keys = ""
            if arguments[0] == "review":
                with open_session(tmp_path / "billing.trace", rows=40) as session:
                    keys = "".join(f"{labels[session.step.texts[row]]}\n" for _, row in session.order)
            ran = command(tmp_path, *arguments, stdin=keys)
            assert ran.code == 0, ran.err
            out += ran.out
    told = re.findall(r"total: (\d+) by the model; (\d+) \((\d+) to (\d+), 95 %\) by 40 reviewed rows", out)
    billing = 16  # by the gold labels
    assert told and all(int(low) <= billing <= int(high) for _, _, low, high in told)
    folder = tmp_path / "billing" / "reports" / "2025-05"
    held = json.loads((folder / "report.json").read_text())
    assert held["verified"] and held["runs"][0]["reviews"]["numbers"][0]["reviewed"] == 40
    page, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    assert "by 40 reviewed rows" in page and "n by reviews" in page and "reviews ✓" in page
    assert "by 40 reviewed rows" in text and "n by reviews" in text
    (chart,) = folder.glob("chart-*.svg")
    assert chart.read_text().count("mark-rule role-mark") >= 1
