"""Draws: the same whatever the order of rows, and more of them later is the same draw gone on with."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from rlm_dsl.review.design import Design, draw
from rlm_dsl.review.doubt import doubts

DIGESTS = [f"row {number}" for number in range(300)]
STRATA = ["rare" if number % 50 == 0 else "often" for number in range(300)]


def test_a_draw_follows_from_seed_and_content_alone() -> None:
    first = draw(Design("answer", 7), DIGESTS, STRATA)
    order = random.Random(1).sample(range(300), 300)
    other = draw(Design("answer", 7), [DIGESTS[n] for n in order], [STRATA[n] for n in order])
    told = [[DIGESTS[row] for row in first.strata[name]] for name in first.strata]
    assert told == [[DIGESTS[order[row]] for row in other.strata[name]] for name in other.strata]
    assert [*first.strata] == ["often", "rare"]
    assert draw(Design("answer", 8), DIGESTS, STRATA).strata != first.strata


def test_more_rows_later_are_the_same_draw_gone_on_with() -> None:
    drawn = draw(Design("answer"), DIGESTS, STRATA)
    for count in (1, 8, 40, 60, 300, 900):
        few, more = drawn.first(count), drawn.first(count + 20)
        assert more[: len(few)] == few and len(few) == min(count, 300)
        assert drawn.sizes(count) == {**dict.fromkeys(drawn.strata, 0), **Counter(name for name, _ in few)}
    assert drawn.sizes(40)["rare"] == 5 and drawn.sizes(80)["rare"] == 6  # all of the few that there are


def test_rows_that_show_the_same_are_drawn_one_by_one() -> None:
    same, contents = ["same"] * 40 + ["other"] * 10, [f"id {n}" for n in range(50)]
    first = draw(Design(), same, [""] * 50, contents)
    turned = draw(Design(), same[::-1], [""] * 50, contents[::-1])
    assert sorted(first.strata[""]) == [*range(50)]
    assert [contents[row] for row in first.strata[""]] == [contents[::-1][row] for row in turned.strata[""]]
    places = [place for place, row in enumerate(first.strata[""]) if same[row] == "other"]
    assert max(places) - min(places) > 10


def test_the_sample_is_what_was_drawn_and_reviewed_without_a_gap() -> None:
    drawn = draw(Design(), DIGESTS, [""] * 300)
    order = drawn.strata[""]
    reviewed = {*order[:10], *order[12:20]}
    by_draw = {*order[:8], *order[12:20]}  # the ninth and tenth were reviewed for another reason

    def sample(rows: set[int], own: set[int]) -> tuple[int, ...]:
        return drawn.sampled([n in rows for n in range(300)], [n in own for n in range(300)])[""]

    assert sample(reviewed, by_draw) == order[:8]
    assert sample(reviewed | {order[10], order[11]}, by_draw) == order[:20]
    assert sample({order[5]}, {order[5]}) == ()


def test_every_row_is_as_likely_to_be_drawn_as_any_other() -> None:
    counts: Counter[int] = Counter()
    for seed in range(400):
        counts.update(row for _, row in draw(Design("simple", seed), DIGESTS[:20], [""] * 20).first(5))
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 43.8  # chi square, 19 degrees, 0.1 %


def test_doubt_is_about_rows_whose_words_speak_for_another_answer() -> None:
    texts = ["pay the invoice", "invoice to pay", "the invoice", "cannot log in", "log in fails", "pay the invoice now"]
    answers = ["billing", "billing", "billing", "account", "account", "account"]
    found = doubts(texts, answers)
    assert found.index(max(found)) == 5 and found[5] > 0.5
    assert doubts(texts[::-1], answers[::-1])[::-1] == pytest.approx(found)
