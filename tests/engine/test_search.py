"""Searching in any script: what finds what, by the engine and by the naive language; runs of before mean what they did.

In: rows and words. Out: the rows found. Law: what differs in case, composition or width alone is found, and so is any
part of a text without spaces.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import re2

import rlm_dsl
from rlm_dsl import api
from rlm_dsl.common.diagnostics import ProgramError
from rlm_dsl.compare.matching import match_steps
from rlm_dsl.compare.sides import side_of_trace
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.operators.core.bm25 import FOLDED, scores
from rlm_dsl.language.operators.core.terms import PLAIN, PLAIN_RUNS, TERM, folded, wanted_terms, written_out
from rlm_dsl.language.sql import bound, sql
from rlm_dsl.language.types import INT, TEXT
from rlm_dsl.testing import serve
from rlm_dsl.trace.reader import Trace
from tests.naive.operators import query_terms, row_terms
from tests.support.paths import CORPUS

ROWS = {
    "Chinese": "東京都的天氣很好",
    "Japanese": "黒い猫がコーヒーを飲む",
    "narrow kana": "ｺｰﾋｰ豆",
    "Thai": "กรุงเทพมหานครเป็นเมืองหลวง",
    "Lao": "ພາສາລາວແມ່ນພາສາ",
    "Khmer": "ភាសា\u200bខ្មែរ",
    "Burmese": "မြန်မာဘာသာစကား",
    "Korean": "학교에서 친구를 만났다",
    "Korean, apart": unicodedata.normalize("NFD", "도서관에 갔다"),
    "Greek": "ΟΔΥΣΣΕΥΣ",
    "German": "Lange Straße 7",
    "German, upper": "LANGE STRASSE 8",
    "French": "un caf\u00e9 noir",
    "French, apart": "un cafe\u0301 cr\u00e8me",
    "Turkish": "İSTANBUL ISPARTA",
    "wide": "ＡＢＣ１２",
    "ligature": "the ﬁle, Windows™ 10½",
    "hyphens": "der Ver\u00adtrag, می\u200cخواهم",
    "heart": "❤\ufe0flove´s x² H₂O",
    "radicals": "⼈⼯智能",
    "Russian": "ПРИВЕТ, мир",
    "none": None,
    "other": "nothing of that",
}
FOUND = {
    "東京": ["Chinese"],
    "天氣": ["Chinese"],
    "猫": ["Japanese"],
    "コーヒー": ["Japanese", "narrow kana"],
    "กรุงเทพ": ["Thai"],
    "เมืองหลวง": ["Thai"],
    "ລາວ": ["Lao"],
    "ភាសាខ្មែរ": ["Khmer"],
    "စကား": ["Burmese"],
    "학교": ["Korean"],
    "친구": ["Korean"],
    "도서관": ["Korean, apart"],
    "οδυσσευς": ["Greek"],
    "strasse": ["German", "German, upper"],
    "STRAßE": ["German", "German, upper"],
    "caf\u00e9": ["French", "French, apart"],
    "CAFE\u0301": ["French", "French, apart"],
    "istanbul": ["Turkish"],
    "ısparta": ["Turkish"],
    "abc12": ["wide"],
    "file": ["ligature"],
    "windows": ["ligature"],
    "10": ["ligature"],
    "vertrag": ["hyphens"],
    "میخواهم": ["hyphens"],
    "love": ["heart"],
    "x2": ["heart"],
    "h2o": ["heart"],
    "人工": ["radicals"],
    "привет МИР": ["Russian"],
    "京東": [],
    "cafe": [],
}


def test_words_are_found_in_every_script() -> None:
    """By the query that `search` makes, without the run around it."""
    table = pa.table({"x": list(ROWS.values()), "#ord": range(len(ROWS))})
    with Warehouse(threads=1) as warehouse:
        warehouse.add("t", table, {"x": TEXT, "#ord": INT})
        found = {words: {list(ROWS)[place] for place in places(warehouse, words)} for words in FOUND}
    assert found == {words: set(names) for words, names in FOUND.items()}


def places(warehouse: Warehouse, words: str) -> list[int]:
    x = sql('"x"')
    wanted = sql("SELECT DISTINCT 0 AS asker, unnest({t}) AS term", t=FOLDED.of_query(bound(words, "words")))
    asked = scores(sql('"t"'), x, FOLDED.of_row(x, words), FOLDED.holding(x, words), wanted)
    return [int(place) for _, place, _ in warehouse.rows(asked)]


def test_words_that_come_from_a_param_find_the_same() -> None:
    rows = {"t": [{"id": name, "x": text} for name, text in ROWS.items()]}
    program = "param words: text\nanswer t | search(words, on=x) | select(id)"
    for words in ("東京", "CAFE\u0301", "학교"):
        found = rlm_dsl.run(program, rows, params={"words": words}).value
        assert [row["id"] for row in found] == FOUND[words]


def test_words_without_a_term_are_refused() -> None:
    with pytest.raises(ProgramError, match="there is no word to search for"):
        rlm_dsl.run('answer t | search("_ \u200b!")', {"t": [{"x": "a"}]})


def every_character() -> Iterator[str]:
    """Each assigned character, of the great blocks of ideographs and syllables only some."""
    for number in range(0x110000):
        great = 0x3500 <= number < 0x9F00 or 0xA100 <= number < 0xA400 or 0xAD00 <= number < 0xD700 or number >= 0x10000
        if unicodedata.category(chr(number)) not in ("Cn", "Co", "Cs") and (not great or number % 97 == 0):
            yield chr(number)


def test_every_character_makes_the_terms_that_the_naive_language_says() -> None:
    """Where the library of patterns and Python know a character from different years of Unicode, nothing is said."""
    characters = list(every_character())
    by_patterns = set(re2.findall(r"[\pL\pM\pN]", " ".join(characters)))
    known = [each for each in characters if (each in by_patterns) == (unicodedata.category(each)[0] in "LMN")]
    text = "".join(f"a{character}b " for character in known)
    assert re2.findall(TERM, written_out(text)) == row_terms(text)
    assert wanted_terms(text) == list(dict.fromkeys(query_terms(text)))


def test_what_is_plain_the_engine_folds_by_itself() -> None:
    plain = re2.compile(f"[{PLAIN}{PLAIN_RUNS}]")
    characters = [each for each in every_character() if plain.fullmatch(each)]
    assert len(characters) > 1_000
    assert not [each for each in characters if unicodedata.combining(each)]
    with Warehouse(threads=1) as warehouse:
        text = bound(" ".join(characters), "text")
        (by_engine,) = warehouse.rows(sql("SELECT plainly_folded({t})", t=text))[0]
    apart = [re2.findall(TERM, each) for each in by_engine.split(" ")]
    assert apart == [re2.findall(TERM, each) for each in (folded(each).strip() for each in by_engine.split(" "))]
    assert re2.findall(TERM, by_engine) == re2.findall(TERM, folded(" ".join(characters)))


# ---- runs of before ----


def test_a_trace_of_the_rule_before_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was recorded when terms were runs of letters in lower case, and its header told nothing of operators."""
    monkeypatch.chdir(CORPUS / "traces")
    report = api.verify("lower_case_terms.trace.zip")
    assert report.ok, report


def test_a_rerun_searches_as_its_parent_did_and_a_run_as_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rerun means by each operator what it meant then; diff says where a new run means another thing."""
    monkeypatch.setenv("RLM_DSL_STORE", str(tmp_path / "answers.sqlite"))
    monkeypatch.chdir(CORPUS / "traces")
    asked = [(y, x) for y in NOTES for x in PLACES]
    gold = [{"text": json.dumps({"y": y, "x": x}, ensure_ascii=False), "holds": True} for y, x in asked]
    before = Trace.open(Path("lower_case_terms.trace.zip"))
    contexts = {str(context["name"]): str(context["given"]) for context in before.header["contexts"]}
    with serve(gold=gold) as server:
        again = api.rerun("lower_case_terms.trace.zip", to=tmp_path / "again.trace", base_url=server.base_url)
        assert {told for asked in again.asked for _, told in asked.reasons} == {"server changed"}, again.asked
        new = {"model": "m", "base_url": server.base_url, "trace": tmp_path / "new.trace"}
        found = api.run(before.program, contexts, **new)
    assert api.verify(tmp_path / "again.trace").ok and api.verify(tmp_path / "new.trace").ok
    assert again.result.value == api.run(before.program, contexts, answers="lower_case_terms.trace.zip").value
    pairs = {(row["y"], row["x"]) for row in found.value["pairs"]}
    assert {("strasse", "Straße 7"), ("東京", "東京都の天気"), ("caf\u00e9", "cafe\u0301 noir")} <= pairs
    after = Trace.open(tmp_path / "new.trace")
    told = {
        pair.name: [change.message for change in pair.changes]
        for pair in match_steps(*map(side_of_trace, (before, after)))
    }
    assert told["found"] == ["meaning of search changed"]
    assert told["paired"][0] == "meaning of match changed"


NOTES = ["strasse", "東京", "late parcel", "caf\u00e9"]
PLACES = [
    *("the parcel is late", "STRASSE 5", "Straße 7", "東京都の天気", "caf\u00e9 au lait", "cafe\u0301 noir"),
    *("ΟΔΥΣΣΕΥΣ", "οδυσσευς ταξιδεύει", "a parcel came", "nothing"),
]
