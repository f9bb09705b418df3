"""BM25 as SQL, for `search` and `match`: terms, idf and the score of a text for some words.

In: queries of texts and of wanted words. Out: a query of scores. Law: a score is a sum in the alphabetical order of the
terms, rounded to 6 digits, so that it is the same on every machine.
"""

from __future__ import annotations

from rlm_dsl.sql import Sql, sql

TERM = r"[\pL\pM\pN]+"
"""A term is a run of letters, marks and digits, in lower case."""
K1, B = 1.2, 0.75
"""How fast a term's repetitions saturate, and how much a long text is held back (Robertson and Zaragoza 2009)."""


def terms(text: Sql) -> Sql:
    return sql("regexp_extract_all(lower(coalesce({t}, '')), {p})", t=text, p=sql(f"'{TERM}'"))


def scores(texts: Sql, wanted: Sql) -> Sql:
    """Rows `asker, text, score` for every asker and text that share a term.

    `texts` gives `text, terms` (each text's id and its list of terms), `wanted` gives `asker, term`, each pair once.
    """
    return sql(
        'WITH "#texts" AS ({texts}), "#wanted" AS ({wanted}), '
        '"#corpus" AS (SELECT count(*)::DOUBLE AS n, avg(len(terms)) AS mean FROM "#texts"), '
        '"#found" AS (SELECT text, length, term, count(*)::DOUBLE AS tf FROM (SELECT text, len(terms) AS length, '
        'unnest(terms) AS term FROM "#texts") SEMI JOIN "#wanted" USING (term) GROUP BY ALL), '
        '"#idf" AS (SELECT term, ln(1 + (n - count(*) + 0.5) / (count(*) + 0.5)) AS idf FROM "#found", "#corpus" '
        "GROUP BY term, n), "
        '"#part" AS (SELECT text, term, idf * tf * ({k1} + 1) / (tf + {k1} * (1 - {b} + {b} * length / mean)) AS part '
        'FROM "#found" JOIN "#idf" USING (term), "#corpus") '
        'SELECT asker, text, round(sum(part ORDER BY term), 6) AS score FROM "#wanted" JOIN "#part" USING (term) '
        "GROUP BY asker, text",
        texts=texts,
        wanted=wanted,
        k1=sql(f"{K1}::DOUBLE"),
        b=sql(f"{B}::DOUBLE"),
    )
