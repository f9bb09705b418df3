"""OpenLineage's events: which data each step was made of, for catalogues of data.

In: a sealed trace. Out: run events, START and COMPLETE of the run and of each step. Law: see this package.

A context's files are datasets of the namespace `file`; a step's rows one of the namespace `rlm-dsl`, under the trace's
identifier, since another run's rows are other data.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlm_dsl.common.version import version
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.trace.events import parse_line, whole_lines
from rlm_dsl.trace.exports.spans import taken, trace_id
from rlm_dsl.trace.layout import EVENTS, SEAL
from rlm_dsl.trace.reader import Trace

NAMESPACE, FILES = "rlm-dsl", "file"
PRODUCER = f"urn:rlm-dsl:{version()}"
SPEC = "https://openlineage.io/spec"
RUN_EVENT = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"


def openlineage(trace: Trace) -> list[dict[str, Any]]:
    """The events in order: the run's start, each step's start and end, the run's end."""
    identity = trace_id(trace.json(SEAL)["predicate"]["head"])
    log = [told for line in whole_lines(trace.folder / EVENTS) if (told := parse_line(line))]
    run = {"runId": run_id(identity, ""), "facets": {"processing_engine": engine(trace)}}
    job = {
        "namespace": NAMESPACE,
        "name": f"program-{trace.header['program_sha256'][:16]}",
        "facets": {"sql": query(trace)},
    }
    sources = [dataset for context in trace.header["contexts"] for dataset in files(context)]
    steps = list(of_steps(trace, identity, log, {"run": {"runId": run["runId"]}, "job": bare(job)}))
    made = [step["outputs"][0] for step in steps if step["outputs"]][-1:]
    return [
        event("START", log[0]["time"], run, job, sources, []),
        *steps,
        event("COMPLETE", log[-1]["time"], run, job, sources, made),
    ]


def event(
    kind: str,
    time: str,
    run: Mapping[str, Any],
    job: Mapping[str, Any],
    inputs: Sequence[Mapping[str, Any]],
    outputs: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventTime": time,
        "run": dict(run),
        "job": dict(job),
        "inputs": list(inputs),
        "outputs": list(outputs),
        "producer": PRODUCER,
        "schemaURL": RUN_EVENT,
    }


def of_steps(
    trace: Trace, identity: str, log: Sequence[Mapping[str, Any]], parent: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Both events of each step of the program, by the times of its last run."""
    ended = {(e["step"], e["key"]): e for e in log if e["type"] == "step.end"}
    contexts = {context["name"]: files(context) for context in trace.header["contexts"]}
    for step in trace.steps:
        last = ended.get((step["step"], step["key"]), log[-1])
        run = {"runId": run_id(identity, step["step"]), "facets": {"parent": facet("1-2-0/ParentRunFacet", parent)}}
        job = {"namespace": NAMESPACE, "name": f"{parent['job']['name']}.{step['step']}", "facets": {}}
        inputs = [d for name in step["inputs"] for d in contexts.get(name, [rows(identity, name)])]
        yield event("START", earlier(last), run, job, inputs, [])
        yield event("COMPLETE", last["time"], run, job, inputs, [rows(identity, step["step"], step)])


def files(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A context's files, each with its digest as its version."""
    schema = {"schema": fields(context["schema"])}
    return [
        {
            "namespace": FILES,
            "name": source["path"],
            "facets": schema
            | {"version": facet("1-0-1/DatasetVersionDatasetFacet", {"datasetVersion": source["sha256"]})},
        }
        for source in context["sources"]
    ]


def rows(identity: str, name: str, step: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A step's rows; as an output, with their columns, count and digest."""
    held: dict[str, Any] = {"namespace": NAMESPACE, "name": f"{identity}/{name}", "facets": {}}
    if step is None:
        return held
    held["facets"]["schema"] = fields(step["type"])
    if "digest" in step:
        held["facets"]["version"] = facet("1-0-1/DatasetVersionDatasetFacet", {"datasetVersion": step["digest"]})
    if "rows" in step:
        count = facet("1-0-2/OutputStatisticsOutputDatasetFacet", {"rowCount": step["rows"]})
        held["outputFacets"] = {"outputStatistics": count}
    return held


def fields(type_: str) -> dict[str, Any]:
    """Columns with their types as the language spells them; a value is one column."""
    table = parse_table_type(type_)
    columns = [("value", type_)] if table is None else [(column.name, str(column.type)) for column in table.columns]
    return facet("1-2-0/SchemaDatasetFacet", {"fields": [{"name": name, "type": kind} for name, kind in columns]})


def query(trace: Trace) -> dict[str, Any]:
    return facet("1-1-0/SQLJobFacet", {"query": trace.plan_sql, "dialect": "duckdb"})


def engine(trace: Trace) -> dict[str, Any]:
    versions = trace.header.get("versions", {})
    told = {"name": "rlm-dsl", "version": str(versions.get("rlm_dsl", ""))}
    return facet("1-1-1/ProcessingEngineRunFacet", {**told, "openlineageAdapterVersion": version()})


def facet(schema: str, content: Mapping[str, Any]) -> dict[str, Any]:
    name = schema.partition("/")[2]
    return {"_producer": PRODUCER, "_schemaURL": f"{SPEC}/facets/{schema}.json#/$defs/{name}", **content}


def bare(job: Mapping[str, Any]) -> dict[str, Any]:
    return {"namespace": job["namespace"], "name": job["name"]}


def run_id(identity: str, step: str) -> str:
    """A UUID of the run or of a step in it."""
    return str(uuid.uuid5(uuid.UUID(identity), step))


def earlier(ended: Mapping[str, Any]) -> str:
    """When a step began."""
    moment = datetime.datetime.fromisoformat(str(ended["time"]))
    return (moment - datetime.timedelta(microseconds=taken(ended) // 1_000)).isoformat(timespec="microseconds")
