"""What `test` says: a line a trace, what is wrong in full, requests answered differently, and a JUnit report.

In: verdicts. Out: text. Law: all text of traces passes through `safe`, or is escaped for XML.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from rlm_dsl.cli.output import MARKS, indented, safe
from rlm_dsl.cli.render.diff import part_lines, short

if TYPE_CHECKING:
    from rlm_dsl.compare.regression import Flaky, Tested

FLAKY_SHOWN = 5


def told_test(one: Tested) -> str:
    """A line, and what is wrong below it."""
    mark = MARKS["ok" if one.ok else "failed"]
    line = f"{mark} {one.name}  {one.problem or one.told}  ({one.seconds:.1f} s)"
    return safe("\n".join([line, *(indented(each, "    ") for each in below(one))]))


def below(one: Tested) -> list[str]:
    lines = [line for part in one.changed for line in part_lines(part)]
    return [*lines, *one.detail.splitlines()]


def told_flaky(flaky: Sequence[Flaky]) -> str:
    """How many same requests were answered differently, and the first of them; nothing where none was."""
    if not flaky:
        return ""
    by_step = ", ".join(f"{step} {count:,}" for step, count in Counter(one.step for one in flaky).most_common())
    lines = [f"! {len(flaky):,} same requests were answered differently: {by_step}"]
    for one in flaky[:FLAKY_SHOWN]:
        answers = "; ".join(f"{name}: {short(text, 40)}" for name, text in one.answers.items())
        lines.append(f"    {one.step} {one.key[:16]}  {answers}")
    return safe("\n".join(lines)) + "\n"


def told_tests(found: Sequence[Tested]) -> str:
    failed = sum(not one.ok for one in found)
    seconds = sum(one.seconds for one in found)
    traces = "1 trace" if len(found) == 1 else f"{len(found):,} traces"
    return f"{traces}, {failed:,} failed, 0 model calls, {seconds:.1f} s"


def junit_report(found: Sequence[Tested]) -> str:
    """The verdicts in the form that continuous integration reads."""
    failed = sum(not one.ok for one in found)
    counts = {"tests": str(len(found)), "failures": str(failed), "errors": "0", "skipped": "0"}
    seconds = f"{sum(one.seconds for one in found):.3f}"
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", {"name": "rlm-dsl", **counts, "time": seconds})
    for one in found:
        case = {"classname": "rlm-dsl", "name": xml_text(one.name), "time": f"{one.seconds:.3f}"}
        held = ElementTree.SubElement(suite, "testcase", case)
        if not one.ok:
            failure = ElementTree.SubElement(held, "failure", {"message": xml_text(one.problem)})
            failure.text = xml_text("\n".join(below(one)))
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def xml_text(text: str) -> str:
    """Text without the characters that XML has no form for."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
