"""Programs in words: every operator has its phrase, and what is said is the program's own."""

from __future__ import annotations

import re

import pytest

from rlm_dsl.common.source import Source
from rlm_dsl.language.operators.core.registry import aggregates, table_operators
from rlm_dsl.language.reference.in_words import ARGUMENT, ONLY_WITH, in_words
from rlm_dsl.language.syntax.parse import parse
from tests.support.cases import accept, corpus_cases
from tests.support.paths import CORPUS

WORDS = CORPUS / "in_words.txt"


@pytest.mark.parametrize("title", corpus_cases(WORDS))
def test_a_program_is_told_in_words(title: str, request: pytest.FixtureRequest) -> None:
    program, expected = corpus_cases(WORDS)[title]
    got = "\n".join(in_words(parse(Source("p", program))))
    if request.config.getoption("--accept"):
        accept(WORDS, title, "words", got)
        return
    assert got == expected


@pytest.mark.parametrize("name", sorted(table_operators()))
def test_every_operator_has_a_phrase_of_its_own_arguments(name: str) -> None:
    operator = table_operators()[name]
    said = [found[1] for found in ARGUMENT.finditer(operator.words)]
    asked = [found[2] for found in ONLY_WITH.finditer(operator.words)]
    known = {p.name for p in operator.parameters} | {p for p, _ in getattr(aggregates().get(name), "parameters", ())}
    assert operator.words and {*said, *asked} <= known
    for example in operator.examples:
        (line,) = in_words(parse(Source("p", f"x = {example.program}")))[:1]
        told = "\n".join(in_words(parse(Source("p", f"x = {example.program}"))))
        assert line.startswith("`x` ") and " does " not in told
        assert not re.search(r"\[!?\w+:|\{\w+\|", told), told
