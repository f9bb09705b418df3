"""Which fault a request meets, and what it makes of the reply.

In: the settings, a request's number as it arrived (from 1), the reply it would get. Out: a fault, a spoiled reply.
Law: the fault follows from the seed and the number alone: the same numbers on every run, and a retry has a new number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from rlm_dsl.testing import seeded
from rlm_dsl.testing.batch_api.faults import problem_with
from rlm_dsl.testing.packs import Lapses
from rlm_dsl.testing.schemas import Schema, off_value, properties
from rlm_dsl.testing.wire import Reply

Fault = Literal[
    "429",
    "500",
    "drop",
    "reset_midway",
    "malformed",
    "not_json_body",
    "truncated",
    "refusal",
    "off_schema",
    "empty",
    "fenced",
]
FAULTS: tuple[Fault, ...] = get_args(Fault)


def setting(default: Any, told: str) -> Any:
    """A field of Faults; what is told of it here is the help of its command line option too."""
    return field(default=default, metadata={"help": told})


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong. Rates are shares of requests, 0 to 1, and add up to 1 at most; times are in seconds.

    `at` names exact requests: `{"429": [1, 2], "drop": [5]}`; `batch_trouble` the faults that the visits to a route of
    batches meet, one after another: `{"poll": ["502", "ok", "drop"]}`; `batch_spoils` what is done to files of answers.
    Raises ValueError for what makes no sense.
    """

    latency: float = setting(0.0, "Seconds before each answer.")
    jitter: float = setting(0.0, "Spread of the latency: the sigma of a lognormal whose median is --latency.")
    rate_429: float = setting(0.0, "Share refused with 429.")
    rate_500: float = setting(0.0, "Share answered with 500.")
    rate_drop: float = setting(0.0, "Share whose connection is closed before the reply.")
    rate_reset_midway: float = setting(0.0, "Share whose connection is closed after half of the body.")
    rate_malformed: float = setting(0.0, "Share of results that are broken JSON.")
    rate_not_json_body: float = setting(0.0, "Share of replies that are a page of HTML with status 200.")
    rate_truncated: float = setting(0.0, "Share cut in half, finish_reason length.")
    rate_refusal: float = setting(0.0, "Share refused by the model.")
    rate_off_schema: float = setting(0.0, "Share of results outside their schema.")
    rate_empty: float = setting(0.0, "Share with empty content.")
    rate_fenced: float = setting(0.0, "Share wrapped in a fence and prose.")
    pack_skip_rate: float = setting(0.0, "Share of the lines of several rows in one request that are not answered.")
    pack_shift_rate: float = setting(0.0, "Share of such lines from which on each gets the next line's answer.")
    pack_limit: int | None = setting(None, "Rows in one request; with more, each gets the next one's answer.")
    retry_after: float = setting(1.0, "Seconds in the Retry-After of each 429.")
    slow_drip: float = setting(0.0, "Seconds over which each reply's body trickles in.")
    down_after: int | None = setting(None, "Requests answered; from then on all connections are dropped.")
    max_in_flight: int | None = setting(None, "Requests at once; those above get 429.")
    expire_key_after: int | None = setting(None, "Requests for which the key holds; from then on 401.")
    context_window: int | None = setting(None, "Prompt tokens; longer prompts get 400 context_length_exceeded.")
    no_json_schema: bool = setting(False, "Refuse response_format json_schema.")
    no_response_format: bool = setting(False, "Refuse response_format.")
    no_tools: bool = setting(False, "Refuse tools.")
    no_max_completion_tokens: bool = setting(False, "Refuse max_completion_tokens.")
    no_logprobs: bool = setting(False, "Refuse logprobs.")
    no_usage: bool = setting(False, "Report no usage.")
    think: bool = setting(False, "Leave reasoning in <think> before each answer.")
    content_parts: bool = setting(False, "Give content as a list of parts.")
    odd_errors: bool = setting(False, 'Tell errors as {"detail": ...}, with status 200 in place of 500.')
    requests_per_minute: int | None = setting(None, "Requests in any minute; those above get 429, told in headers.")
    no_batches: bool = setting(False, "Have no Batch API.")
    batch_latency: float = setting(0.0, "Seconds until a batch is done.")
    batch_expires_after: int | None = setting(None, "Requests of a batch that are answered before it expires.")
    batch_fails: str = setting("", "CODE: MESSAGE by which each batch fails.")
    batch_trouble: Mapping[str, Sequence[str]] = field(default_factory=dict)
    batch_spoils: Sequence[str] = ()
    at: Mapping[str, Sequence[int]] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        rates = [self.rate(fault) for fault in FAULTS]
        lapses = self.pack_skip_rate, self.pack_shift_rate
        if not all(0 <= rate <= 1 for rate in (*rates, *lapses)) or sum(rates) > 1 + 1e-9:
            raise ValueError("rates are from 0 to 1 and add up to 1 at most")
        if unknown := [name for name in self.at if name not in FAULTS]:
            raise ValueError(f"unknown fault {', '.join(unknown)}; the faults are {', '.join(FAULTS)}")
        if problem := problem_with(self.batch_trouble, self.batch_spoils):
            raise ValueError(problem)
        if min(self.latency, self.jitter, self.retry_after, self.slow_drip) < 0:
            raise ValueError("latency, jitter, retry_after and slow_drip are not negative")

    @property
    def lapses(self) -> Lapses:
        """What goes wrong within a request for several rows."""
        return Lapses(self.pack_skip_rate, self.pack_shift_rate, self.pack_limit, self.seed)

    def rate(self, fault: Fault) -> float:
        share: float = getattr(self, f"rate_{fault}")
        return share


def fault_met(faults: Faults, number: int) -> Fault | None:
    """The fault that request `number` meets: one named for it by `at`, else one by rate, else none."""
    named = (fault for fault in FAULTS if number in faults.at.get(fault, ()))
    return next(named, None) or drawn(faults, number)


def drawn(faults: Faults, number: int) -> Fault | None:
    """One draw a request, so that each rate is met exactly on average whatever the others are."""
    bound, point = 0.0, seeded.fraction("fault", faults.seed, number)
    for fault in FAULTS:
        bound += faults.rate(fault)
        if point < bound:
            return fault
    return None


def applied(fault: Fault | None, schema: Schema | None) -> Fault | None:
    """The fault, unless it spoils results and the reply is prose, which has no schema to leave."""
    return None if schema is None and fault in ("malformed", "off_schema") else fault


def latency_of(faults: Faults, number: int) -> float:
    """Seconds before the answer to request `number`."""
    if not faults.jitter or not faults.latency:
        return faults.latency
    return faults.latency * math.exp(faults.jitter * seeded.normal("latency", faults.seed, number))


def spoiled(reply: Reply, fault: Fault | None, schema: Schema | None) -> Reply:
    """What the fault makes of a reply; faults of the connection leave it as it is."""
    content = reply.content or ""
    match fault:
        case "truncated":
            return of_fault(reply, content[: len(content) // 2], finish="length")
        case "refusal":
            return of_fault(reply, None, refusal="This is a scripted refusal.", tool_calls=())
        case "empty":
            return of_fault(reply, "")
        case "fenced":
            return of_fault(reply, f"Here is the answer:\n\n```json\n{content}\n```\n\nThat is all.")
        case "malformed" if schema is not None:
            return of_fault(reply, content[:-1] + ",")
        case "off_schema" if schema is not None:
            return of_fault(reply, off_schema(content, schema))
        case _:
            return reply


def of_fault(reply: Reply, content: str | None, **changes: Any) -> Reply:
    return replace(reply, content=content, source="fault", **changes)


def off_schema(content: str, schema: Schema) -> str:
    """The result with its first property outside the schema."""
    parts = properties(schema)
    wrong = {name: off_value(part) for name, part in list(parts.items())[:1]} or {"unexpected": True}
    return json.dumps({**json.loads(content), **wrong}, ensure_ascii=False, separators=(",", ":"))
