"""`models`: which models can be asked from here."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from rlm_dsl.cli.options import model_options, settings, settings_option
from rlm_dsl.cli.output import safe, write


@click.command("models")
@model_options()
@settings_option("Models and servers")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(as_json: bool, **given: Any) -> int:
    """List the models that settings name, and what each server offers: whether it answers, which models it has, how
    many tokens one request may hold and how many requests it works on at once. Servers on the usual ports of this
    machine (Ollama, LM Studio, vLLM, llama.cpp) are found too. No model is asked. Exit code 1 if a named model's server
    does not answer or does not have it.

    Example: rlm-dsl models --model local:models/qwen.gguf
    """
    from rlm_dsl.cli.render.offers import offers_text
    from rlm_dsl.models.server.offers import offers
    from rlm_dsl.models.server.servers import Keys

    found = offers(settings({**given, "store": None}), Keys(os.environ))
    if as_json:
        write(json.dumps([offer.as_json() for offer in found], ensure_ascii=False, indent=1))
    else:
        write(safe(offers_text(found)))
    return 1 if any(offer.named and (offer.problem or offer.missing) for offer in found) else 0
