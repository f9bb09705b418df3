"""What stands in a text to be searched by, in whatever script: its characters folded, its unspaced runs written out.

In: a text, of a row or of a query. Out: a text whose runs of letters, marks and digits are its terms. Law: what differs
in case, in how a character is composed or in its width alone is folded to the same; a row has every term of a query
that is a part of one of its unspaced runs; text of ASCII is its lower case.

Thai, Chinese and Japanese do not part words by spaces, and Korean words carry their endings: there each pair of
neighbours is a term, and in a row each character by itself too, so that a query of one finds it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import add

from rlm_dsl.language.patterns.validate import compiled

TERM = r"[\pL\pM\pN]+"
"""A term is a run of letters, marks and digits."""
INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Soft hyphens, joiners, marks of direction, selectors of a glyph: nothing that is read."""
SIGNS = (
    "\u00bc-\u00be\u20a8\u2100\u2101\u2103\u2105\u2106\u2109\u2116\u2120-\u2122\u213b\u2150-\u215f\u2189\u2460-\u24ea"
    "\u3196-\u319f\u3200-\u321e\u3220-\u3247\u3250-\u327e\u3280-\u33ff\ufdfc\U0001f100-\U0001f10a"
    "\U0001f110-\U0001f12e\U0001f130-\U0001f14f\U0001f16a-\U0001f16c\U0001f190\U0001f200-\U0001f202"
    "\U0001f210-\U0001f23b\U0001f240-\U0001f248\U0001f250\U0001f251"
)
"""Signs that stand for words or numbers, such as ™, ㎏, ① and ½: each is words of its own."""
ACCENTS = (
    "\u00a8\u00af\u00b4\u00b8\u02d8-\u02dd\u037a\u0384\u0385\u1fbd\u1fbf-\u1fc1\u1fcd-\u1fcf\u1fdd-\u1fdf\u1fed\u1fee"
    "\u1ffd\u1ffe\u2017\u203e\u309b\u309c\ufc5e-\ufc63\ufe49-\ufe4c\ufe70\ufe72\ufe74\ufe76\ufe78\ufe7a\ufe7c\ufe7e\uffe3"
)
"""Accents that stand by themselves: they part words, as other punctuation does."""
UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e50-\u0e59\u0e81-\u0ede\u0edf"  # Thai, Lao
    "\u1000-\u1049\u1050-\u109d\ua9e0-\ua9fe\uaa60-\uaa76\uaa7a-\uaa7f"  # Myanmar
    "\u1780-\u17d3\u17d7\u17dc\u17dd\u17e0-\u17e9\u17f0-\u17f9"  # Khmer
    "\u1950-\u19da\u1a20-\u1a99\u1aa7\uaa80-\uaac2\uaadb-\uaadd"  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\u1b00-\u1b4c\u1b50-\u1b59\u1b6b-\u1b73\ua980-\ua9c0\ua9cf-\ua9d9"  # Balinese, Javanese
    "\u1100-\u11ff\ua960-\ua97c\uac00-\ud7fb"  # Hangul
    "\u3005-\u3007\u3021-\u302f\u3031-\u3035\u303b\u303c\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f"
    "\u31a0-\u31bf\u31f0-\u31ff\U0001aff0-\U0001b167"  # kana, Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
    "\ua000-\ua48c"  # Yi
)
"""Letters, marks and digits of the scripts whose words are not parted, or carry their endings."""
PLAIN = (
    r"\x00-\x7f\x{a0}-\x{a7}\x{a9}\x{ab}\x{ac}\x{ae}\x{b0}\x{b1}\x{b6}\x{b7}\x{bb}\x{bf}"  # ASCII, signs
    r"\x{c0}-\x{12f}\x{134}-\x{13e}\x{141}-\x{148}\x{14a}-\x{17e}"  # Latin
    r"\x{386}\x{388}-\x{38a}\x{38c}\x{38e}-\x{3a1}\x{3a3}-\x{3ce}"  # Greek
    r"\x{400}-\x{482}\x{48a}-\x{52f}\x{5d0}-\x{5ea}\x{621}-\x{64a}\x{660}-\x{669}"  # Cyrillic, Hebrew, Arabic
    r"\x{2010}-\x{2016}\x{2018}-\x{2027}\x{2030}-\x{203d}\x{20ac}\x{1f300}-\x{1f6ff}\x{1f900}-\x{1f9ff}"
)
"""For the engine's patterns: characters that `plainly_folded` folds, and that make no third with a neighbour."""
PLAIN_RUNS = (
    r"\x{3000}-\x{3004}\x{3008}-\x{3020}\x{3041}-\x{3096}\x{30a1}-\x{30fc}"  # their punctuation, kana
    r"\x{3400}-\x{4dbf}\x{4e00}-\x{9fff}\x{ac00}-\x{d7a3}"  # Han, Hangul
)
"""The same of scripts without spaces."""

SPECIAL = re.compile(f"[{INVISIBLE}{SIGNS}{ACCENTS}]")
IS_INVISIBLE = re.compile(f"[{INVISIBLE}]")
IS_ACCENT = re.compile(f"[{ACCENTS}]")
RUN = re.compile(f"[{UNSPACED}]+")


def folded(text: str) -> str:
    """A text without what its writing may differ in: NFKC and full case folding, the dots of i left out, for capitals
    do not tell Turkish ı from i."""
    plain = SPECIAL.sub(parted, unicodedata.normalize("NFC", text))
    cased = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", plain).casefold())
    return cased.replace("i\u0307", "i").replace("ı", "i")


def parted(sign: re.Match[str]) -> str:
    """A special character as what it stands for, apart from its neighbours."""
    if IS_INVISIBLE.match(sign[0]):
        return ""
    return " " if IS_ACCENT.match(sign[0]) else f" {unicodedata.normalize('NFKC', sign[0])} "


def written_out(text: str) -> str:
    """A row's text folded, its unspaced runs replaced by their characters and pairs."""
    return RUN.sub(characters_and_pairs, folded(text))


def wanted(text: str) -> str:
    """A query's text folded, its unspaced runs replaced by their pairs."""
    return RUN.sub(pairs, folded(text))


def sought(text: str, terms: str) -> str:
    """As `written_out`, but of the unspaced runs only those of some terms, which are parted by |: most others are never
    looked at."""
    plain = folded(text)
    found = (
        " ".join([term] * (plain.count(term) if places is None else len(places.findall(plain))))
        for term, places in run_terms(terms)
    )
    return " ".join([RUN.sub(" ", plain), *found])


@lru_cache(16)
def run_terms(terms: str) -> list[tuple[str, re.Pattern[str] | None]]:
    """Those of unspaced scripts; one that may overlap itself with a pattern of all its places."""
    held = [term for term in terms.split("|") if RUN.match(term)]
    return [(term, re.compile(f"(?={term})") if len(set(term)) < len(term) else None) for term in held]


def characters_and_pairs(run: re.Match[str]) -> str:
    text = run[0]
    return f" {' '.join(text)} {' '.join(map(add, text, text[1:]))} "


def pairs(run: re.Match[str]) -> str:
    text = run[0]
    return f" {' '.join(map(add, text, text[1:])) or text} "


def wanted_terms(words: str) -> list[str]:
    """The terms of a query, each once."""
    return list(dict.fromkeys(compiled(TERM).findall(wanted(words))))


ENGINE_FUNCTIONS: Mapping[str, Callable[..., str]] = {
    "folded_text": folded,
    "written_out_text": written_out,
    "sought_text": sought,
    "wanted_text": wanted,
}
"""By the names that queries call them: the engine has no compatible composition and no full case folding."""
ENGINE_MACROS: Mapping[str, str] = {
    "plainly_folded(t)": "replace(replace(lower(t), 'ß', 'ss'), 'ς', 'σ')",
    "in_years(m)": "CASE WHEN m BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999' THEN m END",
    "minutes_ahead(o)": (
        "CASE WHEN o = '' THEN 0 ELSE (CASE WHEN o[1] = '-' THEN -1 ELSE 1 END) * (CAST(o[2:3] AS BIGINT) * 60 + "
        "CASE WHEN length(o) > 3 THEN CAST(right(o, 2) AS BIGINT) ELSE 0 END) END"
    ),
    "iso_moment(t)": (
        r"in_years(TRY_CAST(regexp_replace(t, '(:\d\d(?:\.\d+)?)(?:Z|[+-]\d\d(?::?\d\d)?)$', '\1') AS TIMESTAMP) - "
        r"to_minutes(minutes_ahead(regexp_extract(t, ':\d\d(?:\.\d+)?([+-]\d\d(?::?\d\d)?)$', 1))))"
    ),
    "is_plain(t)": f"NOT regexp_matches(t, '[^{PLAIN}]')",
    "is_plain_or_run(t)": f"NOT regexp_matches(t, '[^{PLAIN}{PLAIN_RUNS}]')",
}
"""By their heads: a text folded by the engine's own means, and whether these are enough for it; a moment in UTC from an
ISO text with or without an offset."""
