"""OpenInference's conventions, in OTLP's JSON form.

In: a sealed trace. Out: as `otlp`, with OpenInference's attributes. Law: see this package.
"""

from __future__ import annotations

import json
from typing import Any

from rlm_dsl.trace.exports.otlp import Attributes, Models, decimal, export_spans, models_of, settings_of
from rlm_dsl.trace.exports.spans import Span
from rlm_dsl.trace.reader import Trace

KINDS = {"run": "AGENT", "turn": "CHAIN", "step": "CHAIN", "call": "LLM"}


def openinference(trace: Trace, *, content: bool = False) -> dict[str, Any]:
    models = models_of(trace)
    return export_spans(trace, lambda span: attributes(span, models, content), "", content=content)


def attributes(span: Span, models: Models, content: bool) -> Attributes:
    kind = {"openinference.span.kind": KINDS[span.kind]}
    match span.kind:
        case "run":
            told = {"agent.name": "rlm-dsl", "llm.cost.total": decimal(span.last.get("llm.cost.total"))}
            question = {"input.value": span.first["question"]} if content and "question" in span.first else {}
            return kind | told | question | {"metadata": as_json({"head": span.last["hash"]})}
        case "turn":
            written = {"input.value": span.last.get("program"), "output.value": span.last.get("observation")}
            return kind | (written if content else {}) | {"metadata": as_json({"turn": span.first["turn"]})}
        case "step":
            parts = ("step", "operator", "key", "rows", "digest", "line")
            return kind | {"metadata": as_json({part: span.first.get(part) for part in parts})}
        case "call":
            return kind | call_attributes(span, models)


def call_attributes(span: Span, models: Models) -> dict[str, Any]:
    """One attempt at a model call."""
    settings = settings_of(span, models)
    given, said = (span.last.get(f"gen_ai.usage.{side}_tokens") for side in ("input", "output"))
    return {
        "llm.model_name": span.last.get("gen_ai.response.model") or span.first["gen_ai.request.model"],
        "llm.request.model_name": span.first["gen_ai.request.model"],
        "llm.response.model_name": span.last.get("gen_ai.response.model"),
        "llm.provider": settings.get("provider"),
        "llm.invocation_parameters": as_json(settings.get("parameters", {})),
        "llm.token_count.prompt": given,
        "llm.token_count.completion": said,
        "llm.token_count.total": None if given is None or said is None else given + said,
        "metadata": as_json({"step": span.first["step"], "key": span.first["key"]}),
        **(messages(span) if span.request else {}),
    }


def messages(span: Span) -> dict[str, Any]:
    """What was asked and answered."""
    asked = {
        f"llm.input_messages.{index}.message.{part}": message[part]
        for index, message in enumerate(span.request["messages"])
        for part in ("role", "content")
    }
    return {
        **asked,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": span.answer["text"],
        "llm.finish_reason": span.answer["finish"],
        "input.value": as_json(span.request["messages"]),
        "input.mime_type": "application/json",
        "output.value": span.answer["text"],
        "output.mime_type": "text/plain",
    }


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
