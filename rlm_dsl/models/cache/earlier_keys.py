"""The keys under which earlier versions kept a request's answer, when one address or number had several spellings.

In: a request. Out: the keys of the same request as it was spelled before. Law: what is one today is found whichever way
it was kept; nothing is ever kept under these keys again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from rlm_dsl.models.request import ModelSettings, Request
from rlm_dsl.models.server.address import server_address
from rlm_dsl.models.server.dialects import NEW_LIMIT, OLD_LIMIT
from rlm_dsl.models.settings import OUTPUT, sent_parameters


def earlier_keys(request: Request) -> Iterator[str]:
    """The other keys of a request: its address with a slash, its numbers as floats, its limit by the older name."""
    settings = request.settings
    parameters = [settings.parameters, with_floats(settings.parameters), with_old_limit(settings.parameters)]
    for url, given in product((settings.base_url, f"{settings.base_url}/"), parameters):
        if given is not None and not (url == settings.base_url and given is settings.parameters):
            yield replace(request, settings=replace(settings, base_url=url, parameters=given)).key


def with_floats(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Whole numbers as floats, but for the output's limit; None where there is none."""
    found = {
        name: float(value) if type(value) is int and name not in (NEW_LIMIT, "seed", "n") else value
        for name, value in parameters.items()
    }
    return found if any(type(found[name]) is not type(value) for name, value in parameters.items()) else None


def with_old_limit(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """The user's limit beside ours, as both were sent."""
    limit = parameters.get(NEW_LIMIT, OUTPUT)
    return None if limit == OUTPUT else {**parameters, NEW_LIMIT: OUTPUT, OLD_LIMIT: limit}


def spelled_as_now(settings: ModelSettings) -> bool:
    """Whether recorded settings are spelled as this version spells them, so that their keys are today's."""
    parameters = dict(settings.parameters)
    return (
        sent_parameters(parameters) == parameters
        and not any(isinstance(value, float) and value.is_integer() for value in parameters.values())
        and server_address(settings.base_url) == settings.base_url
    )
