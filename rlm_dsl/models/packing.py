"""Which rows go together, and whether their packs' answers count.

In: the requests of a round, what is known of their answers, a way to ask. Out: answers kept for rows, by the rows' own
keys. Law: no answer counts that was not checked: a pack must have every row by its number, and its canaries, rows whose
answer is known, answered alike; what fails is asked again in halves and at last row by row. What is asked follows from
requests and answers alone, never from when they come, so that a run that was stopped asks the same packs again and
finds their answers.

Where nobody says how many rows go together, a run finds out: some rows are asked alone, then a pack of many with those
among them, and a smaller one where they are not answered alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
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
"""The agreement that canaries must not speak against, for a size to be taken: it is within their interval of 95 %."""


class Known(Protocol):
    """What is known of answers, and where they are kept."""

    def held(self, requests: Iterable[Request]) -> Mapping[str, str]:
        """The answers that there are, as JSON, by key."""

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
    answers: Mapping[str, str] = field(default_factory=dict)
    compared: dict[tuple[str, str], bool] = field(default_factory=dict)
    """By pack and canary, whether it was answered alike."""

    @cached_property
    def asking(self) -> str:
        return tagged("asking-v1", asking(self.requests[0]).encode("utf-8", "surrogatepass"))

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

    def planned(self) -> list[Request]:
        """What is likely to be asked first, so that a budget can be asked before anything leaves; none where every
        row goes alone."""
        fresh = self.fresh()
        size = self.chosen_size(fresh)
        if size is None:
            return []
        if size != AUTO:
            return [pack_of(rows) for rows in self.chunks(fresh, size) if len(rows) > 1] if size > 1 else []
        alone = self.sampled()
        taken = {row.key for row in alone}
        rest = [row for row in fresh if row.key not in taken]
        return [*alone, *(pack_of(rows) for rows in self.chunks(rest, SIZES[0]))]

    def chosen_size(self, fresh: Sequence[Request]) -> int | None:
        """How many go together: said, known of earlier, or AUTO where it is to be found out; None for each alone."""
        if not fresh:
            return None
        if self.pack.size != AUTO:
            return self.pack.size
        found = self.known.size(self.asking, self.requests)
        if found is not None:
            return found
        return AUTO if self.pack.alike and len(fresh) >= FEW else None

    def fresh(self) -> list[Request]:
        """The rows without an answer that may go with others."""
        self.answers = self.known.held(self.requests)
        return [row for row in self.requests if row.key not in self.answers and self.is_short(row)]

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
        fresh = self.fresh()
        size = self.chosen_size(fresh)
        if size is None:
            return
        if size == AUTO:
            size = self.found_size(fresh)
            fresh = self.fresh()
        level, chunks = 0, list(self.chunks(fresh, size)) if size > 1 else []
        while left := [self.together(rows, level) for rows in chunks if len(rows) > 1]:
            failed = self.asked(left)
            if not level:
                self.remember(size, len(failed), len(left))
            level += 1
            if 2 * len(failed) > len(left) and len(left) > 2:
                return  # packs do not go well here: the rest goes row by row
            chunks = [half for each in failed for half in halved(each.fresh)]

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

    def canaries(self) -> list[Request]:
        """The rows whose own request was answered, and read; some of them."""
        some: list[Request] = []
        for row in sorted((row for row in self.requests if row.key in self.answers), key=lambda row: row.key):
            if len(some) < SAMPLED[1] and self.is_short(row) and self.alone(row.key) is not None:
                some.append(row)
        return some

    def found_size(self, fresh: Sequence[Request]) -> int:
        """How many rows go together, as a sample tells; 1 where packs are answered otherwise."""
        alone = self.sampled()
        self.known.ask_all(self.step, alone, self.pack)
        asked = {row.key for row in alone}
        fresh = [row for row in fresh if row.key not in asked]
        self.answers = self.known.held(self.requests)
        canaries = self.canaries()
        for size in SIZES:
            if size > self.most or (size > 2 * len(fresh) and size != SIZES[-1]):
                continue
            among = canaries[: max(1, size // 2)]
            rows = next(self.chunks(fresh, size - len(among)), [])
            if not rows or not among:
                break
            probe = self.mixed(rows, among)
            if self.holds(probe, self.known.ask_all(self.step, [probe.request], self.pack)[0], agrees):
                self.known.learn(self.asking, size, *self.agreement())
                return size
        self.known.learn(self.asking, 1, *self.agreement())
        return 1

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

    def together(self, rows: Sequence[Request], level: int) -> Together:
        """A pack of rows with one canary, where there is one: another one at each level."""
        canaries = self.canaries_now
        if not canaries:
            return self.mixed(rows, [])
        return self.mixed(rows, [canaries[(int(rows[0].key[:8], 16) + level) % len(canaries)]])

    @cached_property
    def canaries_now(self) -> list[Request]:
        return self.canaries()

    def mixed(self, rows: Sequence[Request], canaries: Sequence[Request]) -> Together:
        """Canaries among rows, at places that follow from their keys."""
        found = list(rows)
        for canary in canaries:
            found.insert(int(canary.key[:8], 16) % (len(found) + 1), canary)
        return Together(pack_of(found), tuple(found), frozenset(row.key for row in canaries))

    def asked(self, packs: Sequence[Together]) -> list[Together]:
        """Ask packs at once; those whose answers do not count."""
        answers = self.known.ask_all(self.step, [each.request for each in packs], self.pack)
        return [each for each, answer in zip(packs, answers, strict=True) if not self.holds(each, answer, all_agree)]

    def holds(self, pack: Together, answer: Answer, enough: Callable[[Sequence[bool]], bool]) -> bool:
        """Whether an answer counts, its canaries answered alike; then its rows' answers are kept."""
        found = [held for _, held in row_answers(pack.request, answer, pack.rows[0])]
        if not found:
            return False
        alike = []
        for row, held in zip(pack.rows, found, strict=True):
            if row.key in pack.canaries:
                alike.append(self.pack.read(held.text) == self.alone(row.key))
                self.compared[pack.request.key, row.key] = alike[-1]
        if not enough(alike):
            return False
        self.known.keep((r, held) for r, held in zip(pack.rows, found, strict=True) if r.key not in pack.canaries)
        return True


def agrees(alike: Sequence[bool]) -> bool:
    """Whether the agreement wanted is within the interval of what was found."""
    return not alike or wilson(sum(alike) / len(alike), len(alike))[1] >= ALIKE


def all_agree(alike: Sequence[bool]) -> bool:
    return all(alike)


def halved(rows: Sequence[Request]) -> list[list[Request]]:
    middle = (len(rows) + 1) // 2
    return [list(rows[:middle]), list(rows[middle:])]
