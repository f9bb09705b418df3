"""Which rows go together and what counts, against a model that reads packs and loses its place as it is told to."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.models.packing import FEW, LAST, SAMPLED, Packing
from rlm_dsl.models.packs import answers_of
from rlm_dsl.models.protocol import AUTO, Pack
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request
from rlm_dsl.plan.bounds import ASKS, TRIED
from rlm_dsl.testing.packs import STEADY, Lapses, several

LABELS = ["good", "bad", "odd", "none"]
SCHEMA = {"type": "object", "properties": {"label": {"type": "string", "enum": LABELS}}}
NONE = "no answer of any type"
HEAD = f"Which of these is it? {json.dumps(LABELS)}"


def rows(count: int, text: str = "text") -> list[Request]:
    settings = ModelSettings("m", "http://model/v1", parameters={"max_completion_tokens": 4_000})
    return [
        Request(settings, (Message("system", HEAD), Message("user", f"{text} {n}")), SCHEMA, 0, "topics")
        for n in range(count)
    ]


def right(text: str) -> str:
    return random.Random(text).choice(LABELS)


def read(text: str) -> Any:
    return None if text == NONE else json.loads(text)["label"]


class Stopped(Exception):
    pass


@dataclass
class Played:
    """A model with a memory: what it was asked, answered, and what was kept. It stops when `left` is used up."""

    lapses: Lapses = STEADY
    left: int = 10**9
    answers: dict[str, str] = field(default_factory=dict)
    earlier: dict[str, str] = field(default_factory=dict)
    kept: dict[str, Answer] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    learned: list[int] = field(default_factory=list)
    known_size: int | None = None
    spoiled: frozenset[int] = frozenset()

    def before(self, step: str, requests: Sequence[Request]) -> Mapping[str, str]:
        return self.earlier

    def ask_all(self, step: str, requests: Sequence[Request], pack: Pack) -> list[Answer]:
        return [self.answer(request) for request in requests]

    def answer(self, request: Request) -> Answer:
        if request.key not in self.answers:
            if not self.left:
                raise Stopped
            self.left -= 1
            self.asked.append(request)
            self.answers[request.key] = self.said(request)
        return Answer(self.answers[request.key])

    def said(self, request: Request) -> str:
        if len(self.asked) in self.spoiled:
            return NONE
        assert request.schema is not None
        pack = several(request.messages[1].content, request.messages[0].content, request.schema)
        if pack is None:
            return json.dumps({"label": right(request.messages[1].content)})
        return pack.answer([json.dumps({"label": right(text)}) for text in pack.texts], self.lapses)

    def keep(self, answers: Iterable[tuple[Request, Answer]]) -> None:
        self.kept |= {row.key: answer for row, answer in answers}

    def size(self, asking: str, requests: Sequence[Request]) -> int | None:
        return self.known_size

    def learn(self, asking: str, size: int, agreed: int, compared: int) -> None:
        self.learned.append(size)

    def run(self, requests: Sequence[Request], size: int = AUTO) -> None:
        """The packs, then the rest row by row, twice where the first answer is none."""
        Packing("topics", requests, Pack(size, read), self).run()
        for row in requests:
            if row.key not in self.earlier and row.key not in self.kept and self.answer(row).text == NONE:
                self.answer(row.again(NONE, "That is none."))

    @property
    def packs(self) -> list[Request]:
        return [request for request in self.asked if request.rows]

    def wrong(self, requests: Sequence[Request]) -> int:
        return sum(read(self.kept[r.key].text) != right(r.messages[1].content) for r in requests if r.key in self.kept)


def alone(requests: Iterable[Request]) -> dict[str, str]:
    """These rows as answered before, each alone."""
    return {
        row.key: json.dumps(Answer(json.dumps({"label": right(row.messages[1].content)})).as_json()) for row in requests
    }


def test_a_sample_then_one_pack_of_a_hundred_then_the_rest() -> None:
    model, all_ = Played(), rows(1_000)
    model.run(all_)
    singles = [request for request in model.asked if not request.rows]
    assert len(singles) == SAMPLED[0] and len(model.kept) == 1_000 - SAMPLED[0] and not model.wrong(all_)
    assert [len(pack.rows) for pack in model.packs[:-1]] == [100] * (len(model.packs) - 1) and len(model.packs) <= 12
    assert set(model.learned) == {100}
    for pack in model.packs[1:]:
        known = [place for place, key in enumerate(pack.rows) if key in {row.key for row in singles}]
        assert known == list(range(len(pack.rows) - LAST, len(pack.rows))), "a lost place shows at the end"
        values = [model.answers[pack.rows[place]] for place in known]
        assert all(one != other for one, other in pairwise(values)), "of different answers by turns"


@pytest.mark.parametrize(("most", "size"), [(99, 50), (20, 20), (5, 5), (1, 1)])
def test_the_most_rows_that_are_answered_alike_go_together(most: int, size: int) -> None:
    model, all_ = Played(Lapses(most=most)), rows(400)
    model.run(all_)
    assert model.learned[-1] == size and not model.wrong(all_)
    assert {
        len(pack.rows) for pack in model.packs if model.kept and pack.key in {a.pack for a in model.kept.values()}
    } <= set(range(1, size + 1))
    again = Played(Lapses(most=most), known_size=size, earlier=alone(all_[:20]))
    again.run(all_)
    assert size == 1 or (again.packs == again.asked and max(len(pack.rows) for pack in again.packs) <= size)
    assert size > 1 or not again.packs


def test_what_is_left_out_costs_requests_and_what_is_shifted_few_rows() -> None:
    """One line in 200, over runs of 1,000 rows each."""
    wrong = []
    for seed in range(4):
        skipping, shifting = Played(Lapses(skip=0.005, seed=seed)), Played(Lapses(shift=0.005, seed=seed))
        all_ = rows(1_000, f"text {seed}")
        for model in (skipping, shifting):
            model.run(all_)
            assert len(model.asked) < 150
        assert not skipping.wrong(all_)
        wrong.append(shifting.wrong(all_))
    assert sum(wrong) < 60, wrong


@pytest.mark.parametrize("size", [AUTO, 2, 7, 20, 100])
@pytest.mark.parametrize("count", [1, 2, 3, 40, 333])
def test_each_row_is_answered_once_whatever_goes_wrong_and_within_the_bound(size: int, count: int) -> None:
    troubles = [Lapses(most=1), Lapses(skip=1.0), Lapses(skip=0.02), STEADY]
    spoils = [frozenset(range(1, 10_000)), frozenset(range(1, 10_000, 2)), frozenset({1}), frozenset({12, 13})]
    for lapses, spoiled in [(each, frozenset[int]()) for each in troubles] + [(STEADY, each) for each in spoils]:
        model, all_ = Played(lapses, spoiled=spoiled), rows(count)
        model.run(all_, size)
        shown = [request.key for request in model.asked]
        assert len(shown) == len(set(shown)), "nothing is asked twice"
        assert all(row.key in model.kept or row.key in model.answers for row in all_)
        assert len(model.asked) <= ASKS * count + (count // 2 + TRIED if count > 1 else 0)


@given(
    st.integers(0, 60),
    st.sampled_from([AUTO, 7, 20]),
    st.sampled_from([Lapses(skip=0.02), Lapses(shift=0.02), Lapses(most=20), STEADY]),
)
def test_a_run_that_was_stopped_asks_what_it_would_have_asked(stop: int, size: int, lapses: Lapses) -> None:
    all_, earlier = rows(200), alone(rows(200)[::7])
    whole = Played(lapses, earlier=earlier)
    whole.run(all_, size)
    stopped = Played(lapses, earlier=earlier, left=stop)
    try:
        stopped.run(all_, size)
    except Stopped:
        stopped = replace(stopped, left=10**9, kept={})
        stopped.run(all_, size)
    assert [request.key for request in stopped.asked] == [request.key for request in whole.asked]
    assert stopped.kept == whole.kept


def test_rows_that_are_long_few_or_in_a_models_own_words_go_alone() -> None:
    long = rows(2, "a long text " * 60)
    for all_, pack in [
        (rows(FEW - 1), Pack(AUTO, read)),
        (rows(60), Pack(AUTO, read, alike=False)),
        (rows(60), Pack(1, read)),
    ]:
        model = Played()
        packing = Packing("topics", all_, pack, model)
        assert packing.planned() == []
        packing.run()
        assert not model.asked
    model = Played()
    model.run([*long, *rows(40)], 20)
    assert not {row.key for row in long} & {key for pack in model.packs for key in pack.rows}
    assert len(model.asked) == 2 + 2


def test_a_pack_holds_no_more_than_answer_and_window_have_room_for() -> None:
    short = [
        replace(row, settings=replace(row.settings, parameters={"max_completion_tokens": 120})) for row in rows(40)
    ]
    model = Played()
    model.run(short, 100)
    assert {len(pack.rows) for pack in model.packs} == {10}
    words = "word " * 900
    told = [
        replace(row, messages=(Message("system", HEAD + words), Message("user", words + str(n))))
        for n, row in enumerate(rows(20))
    ]
    model = Played()
    model.run(told, 20)
    assert {len(pack.rows) for pack in model.packs} == {6, 2}


def test_what_is_planned_is_what_is_asked_first() -> None:
    for size in (AUTO, 20):
        model, all_ = Played(), rows(300)
        planned = Packing("topics", all_, Pack(size, read), model).planned()
        model.run(all_, size)
        assert abs(len(planned) - len(model.asked)) <= 1 and planned[0].key == model.asked[0].key


def test_answers_of_packs_are_those_of_their_rows() -> None:
    model, all_ = Played(), rows(30)
    model.run(all_, 15)
    for pack in model.packs:
        texts = answers_of(pack, all_[0], model.answers[pack.key])
        assert texts == [model.kept[key].text for key in pack.rows]


@pytest.mark.parametrize(("size", "packs"), [(10, 10), (20, 5 + 10), (40, 3 + 6 + 12)])
def test_where_most_packs_fail_halves_are_asked_down_to_ten_rows(size: int, packs: int) -> None:
    model = Played(Lapses(skip=1.0))
    model.run(rows(100), size)
    assert len(model.packs) in (packs, packs - 1, packs - 2), "the last pack is a shorter one"
    assert len(model.asked) == len(model.packs) + 100


def test_of_a_size_that_fails_often_a_smaller_one_is_remembered() -> None:
    all_ = rows(1_000)
    for skip, size in ((0.01, 50), (0.0, 100)):
        model = Played(Lapses(skip=skip), known_size=100, earlier=alone(all_[:20]))
        model.run(all_)
        assert model.learned == [size] and not model.wrong(all_)
