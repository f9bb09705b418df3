"""BM25 as SQL, for `search` and `match`: terms, idf and the score of a text for some words.

In: a table of texts and a query of wanted words. Out: a query of scores. Law: a score is a sum in the alphabetical
order of the terms, rounded to 6 digits, so that it is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.operators.core.terms import TERM, wanted_terms
from rlm_dsl.language.patterns.validate import compiled
from rlm_dsl.language.sql import Sql, bound, joined, name, sql

K1, B = 1.2, 0.75
"""How fast a term's repetitions saturate, and how much a long text is held back (Robertson and Zaragoza 2009)."""


@dataclass(frozen=True, slots=True)
class TermRule:
    """What terms are: those of a row's text, all or of those in a query's known words; those of a query; and whether a
    row may have one of known words, which is far cheaper to see than its terms are to take."""

    of_row: Callable[[Sql, str | None], Sql]
    of_query: Callable[[Sql], Sql]
    holding: Callable[[Sql, str], Sql]


def lower_case_terms(text: Sql, words: str | None = None) -> Sql:
    return extracted(sql("lower({t})", t=sql("coalesce({t}, '')", t=text)))


def lower_case_holding(text: Sql, words: str) -> Sql:
    found = compiled(TERM).findall(words)
    each = [sql("contains(lower({t}), lower({w}))", t=text, w=bound(word, "word")) for word in dict.fromkeys(found)]
    return sql("({any})", any=joined(" OR ", each))


LOWER_CASE = TermRule(lower_case_terms, lower_case_terms, lower_case_holding)
"""Runs of letters, marks and digits in lower case: the rule of runs whose headers tell of no operators."""


def row_terms(text: Sql, words: str | None) -> Sql:
    t = sql("coalesce({t}, '')", t=text)
    if words is None:
        return folded_terms(t, sql("written_out_text({t})", t=t))
    return folded_terms(t, sql("sought_text({t}, {any})", t=t, any=any_of(wanted_terms(words))))


def query_terms(text: Sql) -> Sql:
    t = sql("coalesce({t}, '')", t=text)
    return folded_terms(t, sql("wanted_text({t})", t=t))


def folded_terms(text: Sql, other: Sql) -> Sql:
    """The terms of a text, written out as `other` where the engine's own means are not enough; of ASCII they are."""
    return extracted(
        sql(
            "CASE WHEN strlen({t}) = length({t}) THEN lower({t}) "
            "WHEN is_plain({t}) THEN plainly_folded({t}) ELSE {other} END",
            t=text,
            other=other,
        )
    )


def folded_holding(text: Sql, words: str) -> Sql:
    """A text of ASCII is looked through for terms of ASCII alone."""
    terms = wanted_terms(words)
    ascii = [sql("contains(lower({t}), {w})", t=text, w=bound(term, "word")) for term in terms if term.isascii()]
    return sql(
        "(CASE WHEN strlen({t}) = length({t}) THEN {ascii} ELSE regexp_matches("
        "CASE WHEN is_plain_or_run({t}) THEN plainly_folded({t}) ELSE folded_text({t}) END, {any}) END)",
        t=text,
        ascii=joined(" OR ", ascii or [sql("false")]),
        any=any_of(terms),
    )


def any_of(terms: Iterable[str]) -> Sql:
    """A pattern of terms, which are letters, marks and digits and stand in it as they are."""
    return bound("|".join(terms), "any_term")


def extracted(text: Sql) -> Sql:
    return sql("regexp_extract_all({t}, {p})", t=text, p=sql(f"'{TERM}'"))


FOLDED = TermRule(row_terms, query_terms, folded_holding)
"""Terms in any script, as `terms` says."""


def scores(table: Sql, text: Sql, terms: Sql, likely: Sql, wanted: Sql) -> Sql:
    """Rows `asker, text, score` for every asker and text that share a term.

    The texts are those of a table, known by their rows' `#ord`, with their `terms`; those that are not `likely` share
    none. `wanted` gives
    `asker, term`, each pair once. How long a text is, is counted in bytes: that needs no look at its terms.
    """
    return sql(
        'WITH "#wanted" AS ({wanted}), '
        '"#corpus" AS (SELECT count(*)::DOUBLE AS n, sum(strlen({t}))::DOUBLE / count(*) AS mean FROM {table}), '
        '"#found" AS (SELECT text, length, term, count(*)::DOUBLE AS tf FROM (SELECT {ord} AS text, '
        "strlen({t})::DOUBLE AS length, unnest({terms}) AS term FROM {table} WHERE {likely}) "
        'SEMI JOIN "#wanted" USING (term) GROUP BY ALL), '
        '"#idf" AS (SELECT term, ln(1 + (n - count(*) + 0.5) / (count(*) + 0.5)) AS idf FROM "#found", "#corpus" '
        "GROUP BY term, n), "
        '"#part" AS (SELECT text, term, idf * tf * ({k1} + 1) / (tf + {k1} * (1 - {b} + {b} * length / mean)) AS part '
        'FROM "#found" JOIN "#idf" USING (term), "#corpus") '
        'SELECT asker, text, round(sum(part ORDER BY term), 6) AS score FROM "#wanted" JOIN "#part" USING (term) '
        "GROUP BY asker, text",
        table=table,
        t=text,
        ord=name(ORD),
        terms=terms,
        likely=likely,
        wanted=wanted,
        k1=sql(f"{K1}::DOUBLE"),
        b=sql(f"{B}::DOUBLE"),
    )
