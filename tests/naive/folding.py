"""Terms in any script, said character by character: what `search` finds and `match` compares.

In: a text, and what becomes of a run of a script without spaces. Out: its terms, in order. Law: the kind of a character
is told by its name and category in the Unicode character database, by nothing else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import groupby, pairwise
from typing import Literal

SCRIPTS = (
    *("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "VERTICAL IDEOGRAPHIC", "HANGZHOU"),
    *(
        f"IDEOGRAPHIC {which}"
        for which in ("ITERATION", "CLOSING", "NUMBER", "LEVEL", "RISING", "DEPARTING", "ENTERING")
    ),
    *("HIRAGANA", "KATAKANA", "HENTAIGANA", "COMBINING KATAKANA", "VERTICAL KANA", "MASU MARK", "BOPOMOFO", "HANGUL"),
    *("THAI ", "LAO ", "KHMER ", "MYANMAR ", "TAI ", "NEW TAI ", "BALINESE ", "JAVANESE ", "YI SYLLABLE"),
)
UNSEEN = ("VARIATION SELECTOR", "MONGOLIAN FREE VARIATION", "COMBINING GRAPHEME JOINER", "KHMER VOWEL INHERENT")
READ = (
    *("NUMBER", "SANAH", "FOOTNOTE", "SAFHA", "SAMVAT", "AYAH", "POUND", "PIASTRE"),
    *("ABBREVIATION", "ANNOTATION", "HIEROGLYPH"),
)
"""In the names of format characters that are seen."""


def name(character: str) -> str:
    return unicodedata.name(character, "")


def compatible(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def unseen(character: str) -> bool:
    called = name(character)
    if unicodedata.category(character) == "Cf":
        return not any(word in called for word in READ)
    return called.startswith(UNSEEN) or (called.startswith(("HANGUL", "HALFWIDTH HANGUL")) and "FILLER" in called)


@cache
def apart(character: str) -> str:
    """A sign that stands for others as these, with spaces around; an accent by itself as a space."""
    if unseen(character):
        return ""
    stands_for = compatible(character)
    if stands_for == character or "RADICAL" in name(character):
        return character
    if stands_for[0] == " " and len(stands_for) > 1:
        return " "
    category, how = unicodedata.category(character), unicodedata.decomposition(character).split()[0]
    letters = category[0] in "SP" and any(kind(each) for each in stands_for)
    numbers = category == "No" and how in ("<circle>", "<fraction>", "<compat>")
    return f" {stands_for} " if letters or numbers else character


@cache
def kind(character: str) -> Literal["", "word", "run"]:
    """Whether it is a part of a word, or of a run of a script whose words are not parted, or of neither."""
    if unicodedata.category(character)[0] not in "LMN":
        return ""
    return "run" if name(character).startswith(SCRIPTS) else "word"


def folded(text: str) -> str:
    composed = unicodedata.normalize("NFC", text)
    cased = "".join(character.casefold() for character in compatible("".join(map(apart, composed))))
    return "".join("i" if character == "ı" else character for character in compatible(cased).replace("i\u0307", "i"))


def terms(text: str, of_run: Callable[[str], list[str]]) -> list[str]:
    found: list[str] = []
    for found_kind, characters in groupby(folded(text), kind):
        part = "".join(characters)
        found += of_run(part) if found_kind == "run" else [part] if found_kind == "word" else []
    return found


def neighbours(run: str) -> list[str]:
    return [one + other for one, other in pairwise(run)]
