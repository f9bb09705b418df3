"""Exports, opened by the reference readers of their formats.

In: a recorded exploration. Out: nothing but a verdict. Law: every span and event is what the log has, at the log's
times; the same trace gives the same bytes; no prompt or answer is there unless it is wanted.
"""

from __future__ import annotations

import base64
import importlib
import inspect
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl import traces
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.trace.reader import Trace
from tests.support.runs import BILLING, QUESTION, csv, recorded


@pytest.fixture
def trace(explored_trace: Path) -> Path:
    return explored_trace


def events(trace: Path, kind: str) -> list[dict[str, Any]]:
    return [dict(event.content) for event in Trace.open(trace).events() if event.type == kind]


def as_protobuf(text: str) -> Any:
    """OTLP's JSON read by OpenTelemetry's own types. It has identifiers in hex, protobuf's JSON has them in base64."""
    from google.protobuf import json_format

    service = importlib.import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    held = json.loads(text)
    for span in (s for r in held["resourceSpans"] for scope in r["scopeSpans"] for s in scope["spans"]):
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in span:
                span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return json_format.Parse(json.dumps(held), service.ExportTraceServiceRequest())


def spans_of(trace: Path, form: str, **more: Any) -> list[Any]:
    message = as_protobuf(traces.export(trace, form, **more))
    return [span for r in message.resource_spans for scope in r.scope_spans for span in scope.spans]


def attributes(span: Any) -> dict[str, Any]:
    def value(held: Any) -> Any:
        kind = held.WhichOneof("value")
        return [value(item) for item in held.array_value.values] if kind == "array_value" else getattr(held, kind)

    return {each.key: value(each.value) for each in span.attributes}


@pytest.mark.parametrize("form", ["otlp", "openinference"])
def test_the_spans_are_a_tree_of_the_logs_own_events(trace: Path, form: str) -> None:
    pytest.importorskip("opentelemetry.proto.trace.v1.trace_pb2")
    spans = spans_of(trace, form)
    kinds = Counter(span.name.split(" ")[0] for span in spans)
    assert (kinds["invoke_agent"], kinds["turn"], kinds["chat"]) == (1, 4, len(events(trace, "call.end")))
    assert len(spans) == 5 + len(events(trace, "call.end")) + len(events(trace, "step.end"))
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans) and len({span.trace_id for span in spans}) == 1
    (root,) = [span for span in spans if not span.parent_span_id]
    for span in spans:
        assert len(span.span_id) == 8 and len(span.trace_id) == 16
        assert span is root or by_id[span.parent_span_id].name.startswith(("turn", "invoke_agent"))
        assert root.start_time_unix_nano <= span.end_time_unix_nano <= root.end_time_unix_nano
        assert span.start_time_unix_nano <= span.end_time_unix_nano
    first_turn = next(span for span in spans if span.name == "turn 1")
    assert [s.name for s in spans if s.parent_span_id == first_turn.span_id and s.name.startswith("chat")] == ["chat m"]


def test_calls_have_the_attributes_of_the_conventions(trace: Path) -> None:
    pytest.importorskip("opentelemetry.proto.trace.v1.trace_pb2")
    spans = [span for span in spans_of(trace, "otlp") if span.name.startswith("chat")]
    told = [attributes(span) for span in spans]
    ended = events(trace, "call.end")
    assert [t["gen_ai.usage.input_tokens"] for t in told] == [e["gen_ai.usage.input_tokens"] for e in ended]
    assert {t["gen_ai.operation.name"] for t in told} == {"chat"} and {t["server.address"] for t in told} == {
        "127.0.0.1"
    }
    assert all(span.kind == 3 and span.status.code == 1 for span in spans)
    assert all(t["gen_ai.request.max_tokens"] == 4096 and t["gen_ai.response.model"] for t in told)


def test_every_openinference_attribute_is_one_of_its_own_names(trace: Path) -> None:
    semconv = pytest.importorskip("openinference.semconv.trace")
    known = {
        value
        for _, holder in inspect.getmembers(semconv, inspect.isclass)
        for name, value in vars(holder).items()
        if name.isupper() and isinstance(value, str)
    }
    spans = [attributes(span) for span in spans_of(trace, "openinference", content=True)]
    kinds = {kind.value for kind in semconv.OpenInferenceSpanKindValues}
    assert {span["openinference.span.kind"] for span in spans} == {"AGENT", "CHAIN", "LLM"} <= kinds
    for name in {name for span in spans for name in span}:
        assert set(re.split(r"\.\d+\.", name)) <= known, name


@pytest.mark.parametrize("form", ["otlp", "openinference"])
def test_prompts_and_answers_are_there_only_when_they_are_wanted(trace: Path, form: str) -> None:
    bare, whole = traces.export(trace, form), traces.export(trace, form, content=True)
    assert BILLING not in bare and QUESTION not in bare and "label" not in bare
    assert BILLING in whole and "label" in whole


def test_a_failed_attempt_is_an_error_span(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.proto.trace.v1.trace_pb2")
    from rlm_dsl import api
    from rlm_dsl.testing import serve

    (tmp_path / "t.csv").write_text(csv(3))
    program = 'answer tickets | classify(on=body, labels=["a", "b"], into=l) | count()'
    with serve(fallback="first", at={"500": [1]}) as server:
        more = {"base_url": server.base_url, "store": ":memory:", "trace": tmp_path / "t.trace"}
        api.run(program, {"tickets": str(tmp_path / "t.csv")}, model="m", **more)
    failed = [s for s in spans_of(tmp_path / "t.trace", "otlp") if s.status.code == 2]
    assert len(failed) == len([e for e in events(tmp_path / "t.trace", "call.end") if e["outcome"] == "failed"]) > 0
    assert {attributes(span)["error.type"] for span in failed} == {"failed"} and all(s.status.message for s in failed)


def test_openlineage_events_are_read_by_its_own_classes(trace: Path) -> None:
    client = pytest.importorskip("openlineage.client.event_v2")
    facets = {
        "schema": "schema_dataset.SchemaDatasetFacet",
        "sql": "sql_job.SQLJobFacet",
        "parent": "parent_run.ParentRunFacet",
        "outputStatistics": "output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet",
        "version": "dataset_version_dataset.DatasetVersionDatasetFacet",
        "processing_engine": "processing_engine_run.ProcessingEngineRunFacet",
    }  # fmt: skip
    lines = [json.loads(line) for line in traces.export(trace, "openlineage").splitlines()]
    for line in lines:
        schema = line.pop("schemaURL")
        job = client.Job(**line["job"])
        run = client.Run(**line["run"])
        inputs = [client.InputDataset(**held) for held in line["inputs"]]
        outputs = [client.OutputDataset(**held) for held in line["outputs"]]
        more = {"run": run, "job": job, "inputs": inputs, "outputs": outputs, "producer": line["producer"]}
        made = client.RunEvent(eventType=client.RunState(line["eventType"]), eventTime=line["eventTime"], **more)
        assert made.schemaURL == schema
        for facet in [*line["run"]["facets"].items(), *line["job"]["facets"].items(), *dataset_facets(line)]:
            name, content = facet
            module, _, kind = facets[name].partition(".")
            holder = getattr(importlib.import_module(f"openlineage.client.generated.{module}"), kind)
            own = {key: value for key, value in content.items() if not key.startswith("_")}
            assert holder(**own)._schemaURL == content["_schemaURL"], "the facet's own version of its schema"


def dataset_facets(line: dict[str, Any]) -> list[tuple[str, Any]]:
    held = [*line["inputs"], *line["outputs"]]
    return [f for each in held for f in [*each["facets"].items(), *each.get("outputFacets", {}).items()]]


def test_openlineage_tells_each_steps_data_with_digests_and_counts(trace: Path) -> None:
    lines = [json.loads(line) for line in traces.export(trace, "openlineage").splitlines()]
    steps = Trace.open(trace).steps
    assert [line["eventType"] for line in lines] == ["START", *["START", "COMPLETE"] * len(steps), "COMPLETE"]
    assert all(lines[n]["eventTime"] <= lines[n + 1]["eventTime"] for n in range(1, len(lines) - 2, 2))
    done = {line["job"]["name"].partition(".")[2]: line for line in lines[2:-1:2]}
    (file,) = done["mine"]["inputs"]
    source = Trace.open(trace).header["contexts"][0]["sources"][0]
    assert (file["name"], file["facets"]["version"]["datasetVersion"]) == (source["path"], source["sha256"])
    (made,) = done["mine"]["outputs"]
    assert made["name"] == done["topics"]["inputs"][0]["name"]
    assert made["outputFacets"]["outputStatistics"]["rowCount"] == steps[0]["rows"]
    assert made["facets"]["version"]["datasetVersion"] == steps[0]["digest"]
    assert len({line["run"]["runId"] for line in lines}) == len(steps) + 1


def test_the_same_trace_exports_to_the_same_bytes_and_another_to_other_names(trace: Path, tmp_path: Path) -> None:
    other = recorded(tmp_path)
    for form in ("otlp", "openinference", "openlineage"):
        assert traces.export(trace, form) == traces.export(trace, form)
    one, two = (json.loads(traces.export(t, "otlp"))["resourceSpans"][0]["scopeSpans"][0] for t in (trace, other))
    assert not {span["spanId"] for span in one["spans"]} & {span["spanId"] for span in two["spans"]}
    with pytest.raises(UserError, match="no form"):
        traces.export(trace, "nix")
