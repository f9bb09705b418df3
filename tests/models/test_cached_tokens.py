"""Tokens that a server has read before: told apart, priced apart, and verified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl import traces
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.prices import Price, known_price
from tests.support.scripted_server import Reply, ScriptedServer, Sent, completion

FORMS = {
    "openai": {"prompt_tokens_details": {"cached_tokens": 40}},
    "deepseek": {"prompt_cache_hit_tokens": 40, "prompt_cache_miss_tokens": 60},
    "anthropic": {"cache_read_input_tokens": 40},
}


@pytest.mark.parametrize("form", FORMS)
def test_cached_tokens_are_told_and_priced_apart(tmp_path: Path, form: str) -> None:
    def answer(sent: Sent) -> Reply:
        usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105, **FORMS[form]}
        return completion('{"label": "a"}', usage=usage)

    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"x": f"text {n}"}) + "\n" for n in range(3)))
    program = 'answer t | classify(on=x, labels=["a", "b"], into=y) | count()'
    with ScriptedServer(answer) as server:
        found = rlm_dsl.run(
            program,
            {"t": str(tmp_path / "t.jsonl")},
            model="m",
            base_url=server.base_url,
            price=Price(1_000, 10_000, 100),
            store=str(tmp_path / "s.sqlite"),
            trace=tmp_path / "run.trace",
        )
    spent = found.spent
    assert (spent.prompt_tokens, spent.cached_tokens) == (300, 120)
    assert spent.usd == pytest.approx((180 * 1_000 + 120 * 100 + 15 * 10_000) / 1e6)
    assert "315 tokens (120 of them cached)" in spent.told()
    assert rlm_dsl.verify(tmp_path / "run.trace").ok
    _, rows = traces.sql(tmp_path / "run.trace", "select sum(cached_tokens) from calls")
    assert list(map(tuple, rows)) == [(120,)]


@pytest.mark.parametrize(
    "told", [{"cached_tokens": 1_000}, {"cached_tokens": "many"}, {"cached_tokens": -1}, "x", None]
)
def test_what_cannot_be_is_not_believed(tmp_path: Path, told: Any) -> None:
    (tmp_path / "t.jsonl").write_text('{"x": "text"}\n')
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": told}
    with ScriptedServer(lambda sent: completion('{"label": "a"}', usage=usage)) as server:
        found = rlm_dsl.run(
            'answer t | classify(on=x, labels=["a", "b"], into=y) | count()',
            {"t": str(tmp_path / "t.jsonl")},
            model="m",
            base_url=server.base_url,
            store=str(tmp_path / "s.sqlite"),
        )
    assert (found.spent.prompt_tokens, found.spent.cached_tokens) == (100, 0)


def test_a_price_has_two_to_four_parts() -> None:
    assert (
        Price.read("1/2") == Price(1, 2)
        and Price.read("1/2/0.5") == Price(1, 2, 0.5)
        and Price.read("3") == Price(3, 3)
        and Price.read("1/2/0.5/0.25") == Price(1, 2, 0.5, 0.25)
    )
    assert Price(10, 20, 1).of(100, 10, 40) == pytest.approx((60 * 10 + 40 * 1 + 200) / 1e6)
    assert Price(10, 20).of(100, 10, 40) == Price(10, 20).of(100, 10) == Price(10, 20).of(100, 10, by_batch=True)
    assert Price(10, 20, 1, 0.5).of(100, 10, 40, by_batch=True) == pytest.approx((60 * 10 + 40 * 1 + 200) / 2e6)
    assert known_price("gpt-5-mini") == Price(0.25, 2.00, 0.025, 0.5)
    for price in (Price(1, 2), Price(1, 2, 0.5), Price(1, 2, None, 0.5), Price(1, 2, 0.5, 0.5)):
        assert Price(*price.as_json()) == price
    for wrong in ("1/2/3/4/5", "a", "1/", "1/2/"):
        with pytest.raises(UserError, match="no price"):
            Price.read(wrong)
