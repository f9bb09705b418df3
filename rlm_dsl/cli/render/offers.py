"""The models that can be asked from here, a server each.

In: offers. Out: text. Law: a model that a server does not list is told as such, by its alias.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rlm_dsl.common.counted import counted
from rlm_dsl.models.server.offers import Offer

LISTED = 20
"""Models of a server that are shown; `--json` has all."""


def offers_text(offers: Sequence[Offer]) -> str:
    if not offers:
        return "no model is named, and no server answers on the usual ports of this machine"
    return "\n\n".join("\n".join(lines(offer)) for offer in offers)


def lines(offer: Offer) -> Iterator[str]:
    whose = f" ({offer.usually})" if offer.usually else ""
    slots = f", {counted(offer.limits.slots, 'request')} at once" if offer.limits.slots else ""
    state = "is started when it is first asked" if offer.starts else "answers"
    yield f"{offer.url}{whose}: {offer.problem or f'{state}{slots}'}"
    for model in dict.fromkeys(offer.named.values()):
        aliases = sorted(alias for alias, its in offer.named.items() if its == model)
        lacking = ", which is not in its list" if aliases[0] in offer.missing else ""
        yield f"  {', '.join(aliases)}: {model}{window(offer, model)}{lacking}"
    others = [model for model in offer.models if model not in offer.named.values()]
    if others:
        shown = ", ".join(f"{model}{window(offer, model)}" for model in others[:LISTED])
        more = f", and {len(others) - LISTED:,} more" if len(others) > LISTED else ""
        yield f"  has {shown}{more}"


def window(offer: Offer, model: str) -> str:
    tokens = offer.limits.window(model)
    return "" if tokens is None else f" ({counted(tokens, 'token')})"
