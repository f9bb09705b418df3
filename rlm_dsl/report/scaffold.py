"""A report to begin with: `report.yaml` and `report.rlm`, made of a trace.

In: a finished trace, a folder. Out: two files. Law: nothing that is there is written over; the report runs as it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlm_dsl.common.atomic_write import write_files
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.settings import DEFAULT_URL
from rlm_dsl.replay.sources import recorded_place
from rlm_dsl.report.values import number_columns
from rlm_dsl.trace.reader import Trace

HEAD = '# `{period}`, `{year}` and `{month}` may stand in texts and paths, in quotes: tickets: "data/{period}.csv"\n'


def write_scaffold(trace: Trace, folder: Path) -> list[Path]:
    """`report.yaml` and `report.rlm` of a trace, in a folder. Raises UserError rather than write over either.

    A path of the trace stands there only where it could be read by it: a report reads what it says, and sends it.
    """
    import yaml

    files = [folder / "report.yaml", folder / "report.rlm"]
    for path in files:
        if path.exists():
            raise UserError(f"{path} is there already", "name another folder with --out")
    spec = yaml.safe_dump(spec_of(trace, folder), sort_keys=False, allow_unicode=True, width=100)
    folder.mkdir(parents=True, exist_ok=True)
    write_files({files[0]: HEAD + spec, files[1]: trace.program})
    return files


def spec_of(trace: Trace, folder: Path) -> dict[str, Any]:
    """What `report.yaml` says."""
    header = trace.header
    return {
        "title": f"{header.get('question') or 'Report'} ({{period}})",
        "contexts": {c["name"]: context_of(c, trace, folder) for c in header["contexts"]},
        "program": "report.rlm",
        **({"params": dict(header["params"])} if header.get("params") else {}),
        "models": {name: model["model"] for name, model in header["models"].items()},
        **({"servers": servers} if (servers := servers_of(header)) else {}),
        "sections": sections_of(trace.answer["parts"]),
        "out": "reports/{period}",
    }


def servers_of(header: Mapping[str, Any]) -> dict[str, str]:
    """Where each model was asked, but for OpenAI's own address; weights of one's own stand there by their digest."""
    found = {name: str(model["base_url"]) for name, model in header["models"].items()}
    return {name: url for name, url in found.items() if url != DEFAULT_URL}


def context_of(recorded: Mapping[str, Any], trace: Trace, folder: Path) -> str | dict[str, Any]:
    """A path, or with how it is read, where something is said of that."""
    try:
        path = relative(recorded_place(recorded, trace.folder), folder)
    except UserError:
        path = f"SAY-WHERE/{recorded['name']}"
    options = recorded.get("options")
    return {"path": path, "format": recorded["format"], **options} if options else path


def sections_of(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A text and its evidence for each value, first; a table for each table, and a chart where it has numbers."""
    sections: list[dict[str, Any]] = []
    for part in parts:
        name = ".".join(part["part"])
        if "columns" in part:
            sections.append({"table": name or "answer", "heading": name or "Answer", "limit": 50})
            numbers = number_columns(part)
            labels = [c for c in part["columns"] if c not in numbers]
            if numbers and labels:
                sections.append({"chart": name or "answer", "x": labels[0], "y": numbers[0]})
        else:
            sections.insert(0, {"text": f"{name or 'answer'}: {{{name or 'answer'}}}"})
            sections.append({"evidence": name or "answer", "heading": f"Behind {name or 'the answer'}", "limit": 5})
    return sections


def relative(given: str, folder: Path) -> str:
    return os.path.relpath(given, folder).replace("{", "{{")
