"""Prompts: what the first model step says to a model about its first rows.

In: a program, its contexts and params. Out: text. Law: the steps before it are run, nothing is asked; what a trace has
no secrets of is shown without them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rlm_dsl.cli.output import indent, safe
from rlm_dsl.common.counted import counted
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.calls.prompts import first_prompts
from rlm_dsl.explore.view import cut
from rlm_dsl.models.settings import Settings


def prompts_text(
    source: Source, contexts: Mapping[str, Context], params: Mapping[str, Any], redact: Callable[[str], str]
) -> str:
    """What the first model step says to a model about its first rows; the steps before it are run, nothing is asked."""
    step, requests, count = first_prompts(source, contexts, params, Settings())
    if not step:
        return "no model is asked"
    lines = [
        f"{step}: {counted(count, 'request')}; the first {len(requests)}:"
        if len(requests) > 1
        else f"{step}: 1 request:"
    ]
    for request in requests:
        lines += ["", f"about {counted(request.prompt_tokens, 'token')}, answers of {json.dumps(request.schema)}"]
        for message in request.messages:
            lines += [f"--- {message.role}", indent(cut(redact(message.content), 2_000))]
    return safe("\n".join(lines))
