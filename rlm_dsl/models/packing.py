"""Which rows go together, and whether their packs' answers count.

In: the requests of a round, what was known of their answers before it, a way to ask. Out: answers kept for rows, by the
rows' own keys. Law: a pack counts only if it has every row by its number, and its canaries, rows of known answer that
stand among the others wherever there are such, are answered alike; what fails is asked again in halves and at last row
by row. What is asked follows from requests and answers alone, never from when they come, so that a run that was stopped
asks the same packs again and finds their answers.

Where nobody says how many rows go together, a run finds out: some rows are asked alone, then a pack of many with those
among them, and a smaller one where they are not answered alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from typing import Any, Protocol

from rlm_dsl.common.hashing import tagged
from rlm_dsl.common.intervals import wilson
from rlm_dsl.models.budget import most_output
from rlm_dsl.models.packs import asking, form_of, line, pack_of, packable, row_answers
from rlm_dsl.models.protocol import AUTO, Pack
from rlm_dsl.models.request import Answer, Request, estimated_tokens

SIZES = (100, 50, 20, 10, 5)
"""Rows together that are tried, the most first."""
MOST_OBJECTS = 20
"""Rows together where each is answered by an object."""
FEW = 30
"""Rows that are too few to find out how many go together."""
SAMPLED = 8, 40
"""Rows that are asked alone to compare with, at least and at most; one in EVERY between."""
EVERY = 125
LONG = 2
"""A row goes alone that takes so many times the tokens of what is said about it: there is little to save."""
MOST_TOKENS = 6_000
"""Estimated tokens of a pack's rows."""
CODE_TOKENS, OBJECT_TOKENS = 6, 40
"""Estimated tokens of a row's answer, from above: a code; of an object each property."""
ALIKE = 0.95
"""The agreement that canaries must not speak against, for a size to be taken: it is within their interval of 95 %. For
a pack to count, all must be answered alike."""
LAST = 4
"""Canaries that end a pack, of different answers by turns: a model that lost its place is wrong from there on, and
shows it there."""
WATCHED = 5
"""Rows for each canary of a small pack."""
SMALL = 10
"""Rows of a pack below which halves are not worth their requests where most packs fail."""


class Known(Protocol):
    """What is known of answers, and where they are kept."""

    def before(self, step: str, requests: Sequence[Request]) -> Mapping[str, str]:
        """The answers that there were before this round, as JSON, by key: of a run that goes on, before it was
        stopped in it."""

    def ask_all(self, step: str, requests: Sequence[Request], pack: Pack) -> list[Answer]:
        """Answers to requests, in their order; the budget is asked first."""

    def keep(self, answers: Iterable[tuple[Request, Answer]]) -> None:
        """Keep rows' answers that were taken from packs, safely."""

    def size(self, asking: str, requests: Sequence[Request]) -> int | None:
        """How many rows went together before, where that is known."""

    def learn(self, asking: str, size: int, agreed: int, compared: int) -> None:
        """Remember how many go together."""


@dataclass(frozen=True, slots=True)
class Together:
    """A pack on its way: its request, its rows, and those of them that are canaries."""

    request: Request
    rows: tuple[Request, ...]
    canaries: frozenset[str]

    @property
    def fresh(self) -> tuple[Request, ...]:
        return tuple(row for row in self.rows if row.key not in self.canaries)


@dataclass
class Packing:
    """One round's packs. `requests` are all of the round's, each once, in their order."""

    step: str
    requests: Sequence[Request]
    pack: Pack
    known: Known
    compared: dict[tuple[str, str], bool] = field(default_factory=dict)
    """By pack and canary, whether it was answered alike."""

    @cached_property
    def answers(self) -> dict[str, str]:
        """Answers by key, as JSON: those from before, and what rows are answered alone."""
        return dict(self.known.before(self.step, self.requests))

    @cached_property
    def fresh(self) -> list[Request]:
        """The rows without an answer that may go with others."""
        return [row for row in self.requests if row.key not in self.answers and self.is_short(row)]

    @cached_property
    def size(self) -> int | None:
        """How many go together: said, known of earlier, or AUTO where it is to be found out; None for each alone."""
        if not self.fresh:
            return None
        if self.pack.size != AUTO:
            return self.pack.size
        found = self.known.size(self.asking, self.requests)
        if found is not None:
            return found
        return AUTO if self.pack.alike and len(self.fresh) >= FEW else None

    @cached_property
    def asking(self) -> str:
        return tagged("asking-v1", asking(self.fresh[0]).encode("utf-8", "surrogatepass"))

    @cached_property
    def said(self) -> int:
        """Tokens of what is said about each row."""
        row = self.requests[0]
        return row.prompt_tokens - estimated_tokens(row.messages[-1].content)

    @cached_property
    def most(self) -> int:
        """The most rows that one answer has room for."""
        schema = self.requests[0].schema
        assert schema is not None
        coded = bool(form_of(schema).codes)
        each = CODE_TOKENS if coded else OBJECT_TOKENS * (1 + len(schema["properties"]))
        room = most_output(self.requests[0]) // (2 * each)
        return max(1, min(room, SIZES[0] if coded else MOST_OBJECTS))

    @cached_property
    def of_known_size(self) -> list[Together]:
        """The packs of all rows, where it is known how many go together."""
        assert self.size
        return self.packs(self.fresh, self.size)

    def planned(self) -> list[Request]:
        """What is likely to be asked first, so that a budget can be asked before anything leaves; none where every
        row goes alone."""
        if self.size is None:
            return []
        if self.size != AUTO:
            return [each.request for each in self.of_known_size]
        alone = self.sampled()
        taken = {row.key for row in alone}
        rest = [row for row in self.fresh if row.key not in taken]
        return [*alone, *(pack_of(rows) for rows in self.chunks(rest, SIZES[0]))]

    def alone(self, key: str) -> Any:
        """The value of an answer that the row's own request was given; None where it has none that reads."""
        text = self.answers.get(key)
        if text is None:
            return None
        held = Answer.from_json(json.loads(text))
        return None if held.pack or not held.keepable else self.pack.read(held.text)

    def is_short(self, row: Request) -> bool:
        text = row.messages[-1].content
        return packable(row) and (len(text) < LONG * self.said or estimated_tokens(text) <= LONG * self.said)

    def run(self) -> None:
        """Ask in packs, as far as they hold; what is left has no answer yet."""
        if self.size is None:
            return
        if self.size == AUTO:
            size, fresh = self.found_size()
            left = self.packs(fresh, size)
        else:
            size, left = self.size, self.of_known_size
        level = 0
        while left:
            failed = self.asked(left)
            if not level:
                self.remember(size, len(failed), len(left))
            level += 1
            if 2 * len(failed) > len(left) > 2 and all(len(each.fresh) <= SMALL for each in left):
                return  # packs do not go well here: the rest goes row by row
            halves = [half for each in failed for half in halved(each.fresh)]
            left = [self.watched(rows, level) for rows in halves if len(rows) > 1]

    def remember(self, size: int, failed: int, packs: int) -> None:
        """What this round says about the size, for the next one."""
        if self.pack.size == AUTO:
            smaller = next((each for each in SIZES if each < size), 1)
            self.known.learn(self.asking, smaller if 5 * failed > packs > 2 else size, *self.agreement())

    def agreement(self) -> tuple[int, int]:
        return sum(self.compared.values()), len(self.compared)

    def sampled(self) -> list[Request]:
        """The rows that are asked alone, to compare with: by their keys, which are no order of the data's."""
        least, most = SAMPLED
        count = max(least, min(most, len(self.requests) // EVERY))
        short = [row for row in self.requests if self.is_short(row)]
        found = sorted(short, key=lambda row: row.key)[:count]
        return [row for row in found if row.key not in self.answers]

    @cached_property
    def canaries(self) -> list[Request]:
        """Some of the rows whose own request was answered, and read; as far as may be of different answers: a lost
        place does not show between two that are answered alike."""
        by_value: dict[str, list[Request]] = {}
        found = sorted((row for row in self.requests if row.key in self.answers), key=lambda row: row.key)
        for row in found:
            if self.is_short(row) and (value := self.alone(row.key)) is not None:
                by_value.setdefault(json.dumps(value, default=str), []).append(row)
        turns = zip_longest(*by_value.values())
        return [row for turn in turns for row in turn if row is not None][: SAMPLED[1]]

    @cached_property
    def value_of(self) -> Mapping[str, str]:
        """The canaries' answers, as JSON, by key."""
        return {row.key: json.dumps(self.alone(row.key), default=str) for row in self.canaries}

    def found_size(self) -> tuple[int, list[Request]]:
        """How many rows go together, as a sample tells, 1 where packs are answered otherwise; and the rows that are
        left."""
        alone = self.sampled()
        for row, answer in zip(alone, self.known.ask_all(self.step, alone, self.pack), strict=True):
            self.answers[row.key] = json.dumps(answer.as_json())
        fresh = [row for row in self.fresh if row.key not in self.answers]
        for size in SIZES:
            if size > self.most or (size > 2 * len(fresh) and size != SIZES[-1]):
                continue
            among = self.canaries[: max(1, size // 2)]
            rows = next(self.chunks(fresh, size - len(among)), [])
            if not rows or not among:
                break
            probe = self.mixed(rows, among)
            alike = self.alike(probe, self.known.ask_all(self.step, [probe.request], self.pack)[0])
            if alike and agrees(alike):
                self.known.learn(self.asking, size, *self.agreement())
                taken = {row.key for row in rows} if all(alike) else set()
                return size, [row for row in fresh if row.key not in taken]
        self.known.learn(self.asking, 1, *self.agreement())
        return 1, fresh

    def packs(self, rows: Sequence[Request], size: int) -> list[Together]:
        """Rows in packs of so many, their canaries among them; without those that would stand alone."""
        if size > 1 and self.canaries:
            size = max(2, size * WATCHED // (WATCHED + 1), size - min(LAST, len(self.canaries)))
        return [self.watched(some, 0) for some in self.chunks(rows, size) if len(some) > 1]

    def chunks(self, rows: Sequence[Request], size: int) -> Iterator[list[Request]]:
        """Rows in order, so many together at most, and no more than fit."""
        held: list[Request] = []
        room = MOST_TOKENS
        for row in rows:
            cost = estimated_tokens(line(1, row.messages[-1].content)) + 2
            if held and (len(held) >= min(size, self.most) or cost > room):
                yield held
                held, room = [], MOST_TOKENS
            held.append(row)
            room -= cost
        if held:
            yield held

    def watched(self, rows: Sequence[Request], level: int) -> Together:
        """A pack of rows that ends in canaries, as far as there are: others at each level."""
        count = min(max(1, len(rows) // WATCHED), LAST, len(self.canaries))
        first = (int(rows[0].key[:8], 16) + level) % max(1, len(self.canaries))
        left, last = [*self.canaries[first:], *self.canaries[:first]], list[Request]()
        for _ in range(count):
            before = self.value_of.get(last[-1].key) if last else None
            last.append(next((row for row in left if self.value_of[row.key] != before), left[0]))
            left.remove(last[-1])
        return Together(pack_of([*rows, *last]), (*rows, *last), frozenset(row.key for row in last))

    def mixed(self, rows: Sequence[Request], canaries: Sequence[Request]) -> Together:
        """Canaries spread among rows, each at a place of its share that follows from its key."""
        total, count = len(rows) + len(canaries), len(canaries)
        placed: dict[int, Request] = {}
        for number, canary in enumerate(canaries):
            first, past = number * total // count, (number + 1) * total // count
            placed[first + int(canary.key[:8], 16) % (past - first)] = canary
        others = iter(rows)
        found = tuple(placed[place] if place in placed else next(others) for place in range(total))
        return Together(pack_of(found), found, frozenset(row.key for row in canaries))

    def asked(self, packs: Sequence[Together]) -> list[Together]:
        """Ask packs at once; those whose answers do not count."""
        answers = self.known.ask_all(self.step, [each.request for each in packs], self.pack)
        found = [self.alike(each, answer) for each, answer in zip(packs, answers, strict=True)]
        return [each for each, alike in zip(packs, found, strict=True) if alike is None or not all(alike)]

    def alike(self, pack: Together, answer: Answer) -> list[bool] | None:
        """Of each of a pack's canaries whether it is answered alike; None for an answer that does not count. Where all
        are, its rows' answers are kept: who lost its place is wrong from there on, and few canaries may stand there."""
        found = [held for _, held in row_answers(pack.request, answer, pack.rows[0])]
        if not found:
            return None
        for row, held in zip(pack.rows, found, strict=True):
            if row.key in pack.canaries:
                self.compared[pack.request.key, row.key] = self.pack.read(held.text) == self.alone(row.key)
        alike = [self.compared[pack.request.key, row.key] for row in pack.rows if row.key in pack.canaries]
        if all(alike):
            self.known.keep((r, held) for r, held in zip(pack.rows, found, strict=True) if r.key not in pack.canaries)
        return alike


def agrees(alike: Sequence[bool]) -> bool:
    """Whether the agreement wanted is within the interval of what was found."""
    return wilson(sum(alike) / len(alike), len(alike))[1] >= ALIKE


def halved(rows: Sequence[Request]) -> list[list[Request]]:
    middle = (len(rows) + 1) // 2
    return [list(rows[:middle]), list(rows[middle:])]
