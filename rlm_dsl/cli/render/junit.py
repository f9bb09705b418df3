"""Verdicts as a JUnit report, the form that continuous integration reads.

In: verdicts. Out: XML. Law: all text of traces is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from rlm_dsl.cli.render.verdicts import below

if TYPE_CHECKING:
    from rlm_dsl.compare.regression import Tested


def junit_report(found: Sequence[Tested]) -> str:
    """The verdicts in the form that continuous integration reads."""
    failed = sum(not one.ok for one in found)
    counts = {
        "tests": str(len(found)),
        "failures": str(failed),
        "errors": "0",
        "skipped": str(sum(one.skipped for one in found)),
    }
    seconds = f"{sum(one.seconds for one in found):.3f}"
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", {"name": "rlm-dsl", **counts, "time": seconds})
    for one in found:
        case = {"classname": "rlm-dsl", "name": xml_text(one.name), "time": f"{one.seconds:.3f}"}
        held = ElementTree.SubElement(suite, "testcase", case)
        if one.skipped:
            ElementTree.SubElement(held, "skipped", {"message": xml_text(one.told)})
        if not one.ok:
            failure = ElementTree.SubElement(held, "failure", {"message": xml_text(one.problem)})
            failure.text = xml_text("\n".join(below(one)))
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def xml_text(text: str) -> str:
    """Text without the characters that XML has no form for."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
