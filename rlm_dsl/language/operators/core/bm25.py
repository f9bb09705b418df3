"""BM25 as SQL, for `search` and `match`: terms, idf and the score of a text for some words.

In: a table of texts and a query of wanted words. Out: a query of scores. Law: a score is a sum in the alphabetical
order of the terms, rounded to 6 digits, so that it is the same on every machine.
"""

from __future__ import annotations

from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.patterns.validate import compiled
from rlm_dsl.language.sql import Sql, bound, joined, name, sql

TERM = r"[\pL\pM\pN]+"
"""A term is a run of letters, marks and digits, in lower case."""
K1, B = 1.2, 0.75
"""How fast a term's repetitions saturate, and how much a long text is held back (Robertson and Zaragoza 2009)."""


def terms(text: Sql) -> Sql:
    return sql("regexp_extract_all(lower(coalesce({t}, '')), {p})", t=text, p=sql(f"'{TERM}'"))


def holding(text: Sql, words: str) -> Sql:
    """Whether a text may have one of the words as a term: far cheaper than to take its terms."""
    found = compiled(TERM).findall(words)
    each = [sql("contains(lower({t}), lower({w}))", t=text, w=bound(word, "word")) for word in dict.fromkeys(found)]
    return sql("({any})", any=joined(" OR ", each))


def scores(table: Sql, text: Sql, likely: Sql, wanted: Sql) -> Sql:
    """Rows `asker, text, score` for every asker and text that share a term.

    The texts are those of a table, known by their rows' `#ord`; those that are not `likely` share none. `wanted` gives
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
        terms=terms(text),
        likely=likely,
        wanted=wanted,
        k1=sql(f"{K1}::DOUBLE"),
        b=sql(f"{B}::DOUBLE"),
    )
