"""What a search takes: a score that chance may have made is not bought, and what was copied is no instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.language.types import Enum, Field, Record
from rlm_dsl.models.recording import Usage
from rlm_dsl.models.settings import Limits, ModelChoice, Settings
from rlm_dsl.optimize.steps import Tunable
from rlm_dsl.optimize.tuned import certificate_words, proxy_lines
from tests.support.optional import needs

pytestmark = needs("scipy", "sklearn", "dspy", "optuna")


def point(name: str, right: int, cost: float, *, of: int = 21, spoilt: int = 0, lapsed: bool = False) -> Any:
    """A candidate that has the first so many examples right, but for the first `spoilt`."""
    from rlm_dsl.optimize.pareto import Point

    scores = (*[0.0] * spoilt, *[1.0] * right, *[0.0] * (of - right - spoilt))
    return Point(name, sum(scores) / of, cost, 1000.0, None, scores=scores, lapsed=lapsed)


@pytest.mark.parametrize(
    ("others", "picked"),
    [
        ([point("demos", 13, 5.8)], "as it is"),  # one row of 21 for 5.8 times the tokens
        ([point("demos", 14, 5.8)], "as it is"),
        ([point("demos", 15, 5.8)], "demos"),  # three, and none worse: once in 8 by chance
        ([point("demos", 17, 100.0)], "as it is"),
        ([point("demos", 18, 100.0)], "demos"),  # six: once in 64, at any cost
        ([point("guide", 13, 1.0)], "guide"),  # as dear as it was
        ([point("guide", 13, 1.0), point("demos", 14, 5.8)], "guide"),
        ([point("guide", 13, 1.0), point("demos", 18, 5.8)], "demos"),
        ([point("packs", 12, 0.2)], "packs"),  # as good, for less
        ([point("packs", 12, 0.2), point("guide", 14, 1.0)], "guide"),  # what is within the usual cost counts alike
        ([point("packs", 11, 0.2)], "as it is"),  # less good
        ([point("mixed", 13, 1.0, spoilt=6)], "mixed"),  # 7 better, 6 worse: as a coin falls, and no dearer
        ([point("mixed", 13, 2.0, spoilt=6)], "as it is"),
        ([point("packs", 20, 0.2, lapsed=True)], "as it is"),  # asks no less often than row by row
        ([point("free", 12, 0.0), point("guide", 13, 1.0)], "guide"),
    ],
)
def test_a_score_is_weighed_with_what_it_costs(others: Sequence[Any], picked: str) -> None:
    from rlm_dsl.optimize.pareto import pick

    points = [point("as it is", 12, 1.0), *others]
    found = pick(points, "best")
    assert found.point.name == picked
    assert pick([points[0], *reversed(others)], "best").point.name == picked
    higher = [each.name for each in others if each.score > found.point.score and not each.lapsed]
    assert len(found.passed) == len(higher) and all("come by chance once in" in line for line in found.passed)
    assert pick(points, "cheapest").point.name in {"as it is", "packs", "free", "guide", "mixed"}


def test_why_is_told_in_figures() -> None:
    from rlm_dsl.optimize.pareto import pick

    found = pick([point("as it is", 12, 1.0), point("demos", 13, 5.8)], "best")
    assert found.passed == (
        "demos scores 0.619 and is passed over: 1 better and 0 worse of 21 come by chance once in 2.0 times, and for "
        "5.8 times the cost of as it is once in 6.8 is asked for",
    )


ROWS = (
    "I was charged twice for the same order in March, please send the money back",
    "where is my parcel?",
    "昨日届いた荷物が壊れていましたので交換してください",
    "lost or stolen card",
)
OWN = "Say which label fits the text of the message best."
STEP = Tunable(
    *("topics", "topics", "classify", "guide", OWN, ("body",)),
    Record((Field("label", Enum(("billing", "lost or stolen card", "other"))),)),
    "sub",
    (),
)
PROMPT = "In adhering to this structure, your objective is:\n  Use the information below to learn about a task."


@pytest.mark.parametrize(
    ("instruction", "refused"),
    [
        (ROWS[0], True),
        ("Text: I was charged twice, for the SAME order in March; please send", True),
        (f"{OWN} {ROWS[0]}", True),
        ("where is my parcel", True),
        ("昨日届いた荷物が壊れていましたので交換してください。", True),
        ("Use the information below to learn about a task.", True),
        ("[[ ## proposed_instruction ## ]] Choose a label.", True),
        (OWN, False),
        (f"{OWN} Write lost or stolen card where a card is gone, billing where money is asked for.", False),
        ("Choose billing, lost or stolen card or other.", False),
        (
            "Decide what the writer wants done first. A message about money is billing even if it names an order; one "
            'such as "where is my parcel?" is other, since no money is asked for. A card that is gone is lost or '
            "stolen card, whether somebody took it or not. In doubt, take what the last sentence asks for.",
            False,
        ),
        ("", False),
    ],
)
def test_an_instruction_is_not_made_of_what_its_writer_was_shown(instruction: str, refused: bool) -> None:
    from rlm_dsl.optimize.prompt_search.borrowed import Borrowed, told

    borrowed = Borrowed(ROWS)
    borrowed.asked(PROMPT)
    assert borrowed.refuses(STEP, instruction) == refused
    assert bool(borrowed.refused) == refused
    if refused:
        assert told([*borrowed.refused.items()]).startswith("an instruction was refused, such as ")


def test_a_budget_in_seconds_is_held_against_what_answers_take() -> None:
    from rlm_dsl.optimize.bounds import require_seconds

    given = Settings(limits=Limits(seconds=60), concurrency=2)
    require_seconds(given, 100, [])
    require_seconds(given, 100, [1.0, 1.4])
    require_seconds(replace(given, limits=Limits()), 10**9, [9.0])
    with pytest.raises(UserError, match=r"this may take 80 s, and the budget is 60 s: 100 questions at most, 1.60 s"):
        require_seconds(given, 100, [1.2, 2.0])
    with pytest.raises(UserError, match="at the very least"):
        require_seconds(given, 100_000, [])


def test_costs_are_in_the_unit_that_costs() -> None:
    from rlm_dsl.models.local.room import Serving
    from rlm_dsl.models.local.weights import Weights
    from rlm_dsl.optimize.cost import cost_in, unit_of
    from rlm_dsl.optimize.evaluator import Trial

    trial = Trial((), (Usage("small", False, 2, 2, 900, 100),), 2, 4.0, 2)
    weights: Any = Weights.__new__(Weights)
    serving = Serving(weights, 1, 1, 1)
    local = Settings(
        {"root": "big", "sub": ModelChoice("small", "http://w.local/v1")}, local={"http://w.local/v1": serving}
    )
    found = cost_in(unit_of(local, ["sub"], None), local, trial)
    assert found.unit == "seconds" and found.of(trial) == 4.0
    assert found.of(replace(trial, seconds=None)) == 4.0, "by what a token took"
    assert found.plainly_less(1.0, 0.79) and not found.plainly_less(1.0, 0.9)
    assert cost_in(unit_of(local, ["sub"], "tokens"), local, trial).of(trial) == 1000
    assert cost_in("seconds", local, replace(trial, seconds=None)).unit == "tokens"
    plain = Settings({"root": "big", "sub": "small"})
    assert unit_of(plain, ["sub"], None) == "tokens"
    written = {"root": "unpriced", "writer": "unpriced", "sub": "gpt-5-mini"}
    assert unit_of(Settings(written), ["sub"], None) == "usd", "who writes is no part of what a row costs"
    with pytest.raises(UserError, match="price of small"):
        unit_of(plain, ["sub"], "usd")


def test_a_slow_choice_is_told_of_whatever_costs_are_counted_in() -> None:
    from rlm_dsl.optimize.pareto import slower

    usual = replace(point("as it is", 13, 1.0), seconds=10.0)
    slow = replace(point("sub=large", 14, 0.9), seconds=400.0)
    assert slower(usual, slow) == (
        "sub=large is slow: 400.0 s of model time for 1,000, 40.0 times that of the program as it is"
    )
    for other in (usual, replace(slow, seconds=19.0), replace(slow, seconds=None)):
        assert not slower(usual, other)


def test_a_certificate_tells_of_the_rows_that_the_proxy_decides() -> None:
    from rlm_dsl.models.proxy_model import Proxy
    from rlm_dsl.optimize.certify import Target, certify_proxy
    from rlm_dsl.optimize.statistics import most_errors

    class Sure(Proxy):
        """Certain of 15 rows of 200, and wrong in 5 of these."""

        def margin(self, text: str) -> tuple[int, int]:
            return 0, 9 if int(text) < 15 else 1

    proxy = Sure(("a", "b"), 1, b"\0\0", (0, 0), (None, None), "1", "1/20", 20, {})
    pairs = [(str(n), "b" if n < 5 else "a") for n in range(200)]
    found = certify_proxy(proxy, pairs, Target.read("accuracy>=0.9", 0.05), [9, 8, 7], proxy.margin)
    assert found is not None
    held = found.certificate
    assert (held["decided"], held["wrong"], held["rows"]) == (15, 5, 200)
    assert float(held["most_wrong"]) < 0.06 and float(held["most_wrong_of_decided"]) > most_errors(5, 15, 0.05) > 0.55
    words = ": ".join(certificate_words(held))
    assert "15 of 200 rows" in words and "5 of these 15" in words and "of those that it decides" in words
    before = {name: value for name, value in held.items() if name != "most_wrong_of_decided"}
    words = ": ".join(certificate_words(before))
    assert "5 of these 15" in words and "of all rows" in words and "of those that it decides" not in words
    for other in ({}, None, [1]):
        assert proxy_lines({"d": {"certificate": other}}) == ["its proxy has a certificate of another form"]


def test_the_page_of_an_optimization_tells_why_and_those_from_before_are_read() -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("vl_convert")
    from rlm_dsl.report.pages import optimization_page

    tried = {"name": "as it is", "score": 0.5, "cost": 12.5, "calls": 1000.0, "seconds": None, "front": True}
    gain = {"mean": 0.0, "low": 0.0, "high": 0.0}
    before = {
        "program": "p.rlm",
        "picked": "as it is",
        "verdict": "unproved",
        "metric": "exact",
        "diff": "",
        "notes": [],
        "points": [tried],
        "test": {"examples": 9, "before": 0.5, "after": 0.5, "gain": gain},
        "bound": {"test": 9},
        "cost": {"unit": "tokens for 1,000", "before": 12.5, "after": 12.5},
        "spent": {"calls": 3},
    }
    assert "Picked" not in optimization_page(before)
    assert "Picked: nothing scores &lt;higher&gt;." in optimization_page({**before, "why": "nothing scores <higher>"})
