"""OTLP in its JSON form, with OpenTelemetry's conventions for generative AI.

In: a sealed trace. Out: an ExportTraceServiceRequest as JSON. Law: see this package; prompts and answers are there only
when they are asked for, as those conventions have it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from rlm_dsl.common.version import version
from rlm_dsl.trace.exports.spans import Span, spans_of, trace_id
from rlm_dsl.trace.layout import SEAL
from rlm_dsl.trace.reader import Trace

SCHEMA_URL = "https://opentelemetry.io/schemas/1.37.0"
INTERNAL, CLIENT = 1, 3
OK, ERROR = 1, 2
SENT = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "seed": "gen_ai.request.seed",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_tokens": "gen_ai.request.max_tokens",
}
"""Parameters of a request that the conventions have names for."""

Attributes = Mapping[str, Any]
Models = Mapping[str, Mapping[str, Any]]


def otlp(trace: Trace, *, content: bool = False) -> dict[str, Any]:
    models = models_of(trace)
    return export_spans(trace, lambda span: attributes(span, models), SCHEMA_URL, content=content)


def export_spans(trace: Trace, told: Callable[[Span], Attributes], schema: str, *, content: bool) -> dict[str, Any]:
    """All spans with the attributes that a convention gives them."""
    identity = trace_id(trace.json(SEAL)["predicate"]["head"])
    spans = [span_json(span, identity, told(span)) for span in spans_of(trace, content=content)]
    scope = {"scope": {"name": "rlm-dsl", "version": version()}, "spans": spans, "schemaUrl": schema}
    resource = {"attributes": attribute_list({"service.name": "rlm-dsl", "service.version": recorded_version(trace)})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope], "schemaUrl": schema}]}


def recorded_version(trace: Trace) -> str:
    return str(trace.header.get("versions", {}).get("rlm_dsl", ""))


def span_json(span: Span, identity: str, attributes: Attributes) -> dict[str, Any]:
    failed = span.kind == "call" and span.last.get("outcome") not in ("answered", "refused", "length")
    status = (
        {"code": ERROR, "message": str(span.last.get("error") or span.last.get("outcome"))} if failed else {"code": OK}
    )
    return {
        "traceId": identity,
        "spanId": span.id,
        **({"parentSpanId": span.parent} if span.parent else {}),
        "name": name(span),
        "kind": CLIENT if span.kind == "call" else INTERNAL,
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(max(span.start, span.end)),
        "attributes": attribute_list(attributes),
        "status": status,
    }


def name(span: Span) -> str:
    match span.kind:
        case "run":
            return "invoke_agent rlm-dsl" if "question" in span.first else "rlm-dsl run"
        case "turn":
            return f"turn {span.first['turn']}"
        case "step":
            return f"{span.first['operator']} {span.first['step']}"
        case "call":
            return f"chat {span.first['gen_ai.request.model']}"


def attributes(span: Span, models: Models) -> Attributes:
    """By the conventions for generative AI where those have a name, else by ours (`rlm_dsl.`)."""
    match span.kind:
        case "run":
            asked = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "rlm-dsl"}
            return {
                **(asked if "question" in span.first else {}),
                "rlm_dsl.trace.head": span.last["hash"],
                "rlm_dsl.calls": span.last.get("calls"),
                "llm.cost.total": decimal(span.last.get("llm.cost.total")),
            }
        case "turn":
            return {"rlm_dsl.turn": span.first["turn"], "rlm_dsl.errors": span.last.get("errors")}
        case "step":
            told = ("step", "operator", "key", "rows", "digest", "line")
            return {f"rlm_dsl.step.{part}": span.first.get(part) for part in told}
        case "call":
            return call_attributes(span, models)


def call_attributes(span: Span, models: Models) -> Attributes:
    """One attempt at a model call."""
    settings = settings_of(span, models)
    parameters = settings.get("parameters", {})
    where = urlsplit(str(span.first.get("server.address", "")))
    finish = span.answer.get("finish")
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": settings.get("provider", "openai-compatible"),
        "gen_ai.request.model": span.first["gen_ai.request.model"],
        **{convention: parameters[sent] for sent, convention in SENT.items() if sent in parameters},
        "gen_ai.response.model": span.last.get("gen_ai.response.model"),
        "gen_ai.response.finish_reasons": [finish] if finish else None,
        "gen_ai.usage.input_tokens": span.last.get("gen_ai.usage.input_tokens"),
        "gen_ai.usage.output_tokens": span.last.get("gen_ai.usage.output_tokens"),
        "server.address": where.hostname,
        "server.port": where.port,
        "error.type": span.last.get("outcome") if span.last.get("outcome") == "failed" else None,
        "rlm_dsl.call.key": span.first["key"],
        "rlm_dsl.step.step": span.first["step"],
        **(messages(span) if span.request else {}),
    }


def models_of(trace: Trace) -> Models:
    """The settings of the run's models by their names."""
    return {str(model["model"]): model for model in trace.header["models"].values()}


def settings_of(span: Span, models: Models) -> Mapping[str, Any]:
    """The model's settings: of the request where it is there, else of the run's model of that name."""
    return span.request or models.get(span.first["gen_ai.request.model"], {})


def messages(span: Span) -> Attributes:
    """What was asked and answered, in the conventions' form."""

    def said(role: str, text: str) -> dict[str, Any]:
        return {"role": role, "parts": [{"type": "text", "content": text}]}

    asked = [said(message["role"], message["content"]) for message in span.request["messages"]]
    answer = {**said("assistant", span.answer["text"]), "finish_reason": span.answer["finish"]}
    return {
        "gen_ai.input.messages": json.dumps(asked, ensure_ascii=False),
        "gen_ai.output.messages": json.dumps([answer], ensure_ascii=False),
    }


def decimal(text: object) -> float | None:
    return None if text is None else float(str(text))


def attribute_list(attributes: Attributes) -> list[dict[str, Any]]:
    """Attributes as OTLP has them; what is not known is left out."""
    return [{"key": key, "value": value_json(value)} for key, value in attributes.items() if value is not None]


def value_json(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list() | tuple():
            return {"arrayValue": {"values": [value_json(item) for item in value]}}
        case _:
            return {"stringValue": str(value)}
