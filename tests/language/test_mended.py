"""Programs that do not check, mended: what a root model is sent when it makes an error again."""

from __future__ import annotations

import pytest

from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.edit.mended import mended
from rlm_dsl.language.syntax.parse import parse_prefix

LOG = parse_table_type("table(id: int, city: text, price: float, sent: date)")
assert LOG is not None
ONE, TWO = Environment({"log": LOG}), Environment({"log": LOG, "other": LOG})


@pytest.mark.parametrize(
    ("written", "sendable"),
    [
        ("answer data | count()", "answer log | count()"),
        ("answer count(df)", "answer count(log)"),
        ("answer avg(price)", "answer log | avg(price)"),
        ("answer sum(price) / count()", "answer sum(log, price) / count(log)"),
        ("answer log | avg(prise)", "answer log | avg(price)"),
        ('answer log | where(city = "Paris") | count()', 'answer log | where(city == "Paris") | count()'),
        ("answer log | where(city == Paris) | count()", 'answer log | where(city == "Paris") | count()'),
        ('answer log | where(city is "Paris") | count()', 'answer log | where(city == "Paris") | count()'),
        ('answer log[city == "Paris"] | count()', 'answer log | where(city == "Paris") | count()'),
        ('answer log.filter(city == "Paris").count()', 'answer log | where(city == "Paris") | count()'),
        ('answer log | count(city == "Paris")', 'answer log | where(city == "Paris") | count()'),
        ('answer count(log, city == "Paris")', 'answer log | where(city == "Paris") | count()'),
        ('log | where(city == "Paris") | count()', 'answer log | where(city == "Paris") | count()'),
        ('answer log | where(city == "a" && price > 3) | count(*)',
         'answer log | where(city == "a" and price > 3) | count()'),
        ('answer log | where(price > "3") | count()', "answer log | where(price > 3) | count()"),
        ('answer log | where(sent > "2024-01-01") | count()', "answer log | where(sent > @2024-01-01) | count()"),
        ("answer log | sort(price desc) | head(1)", "answer log | sort(-price) | take(1)"),
        ("answer log | group_by(city, n=count()) | order_by(-n)", "answer log | group(city, n=count()) | sort(-n)"),
        ('n = data | where(city == "Paris")\nanswer n | len()', 'n = log | where(city == "Paris")\nanswer n | count()'),
        ("SELECT COUNT(*) FROM orders WHERE city = 'Paris'", 'answer log | where(city == "Paris") | count()'),
        ("SELECT city, AVG(price) AS p FROM log GROUP BY city ORDER BY p DESC LIMIT 1;",
         "answer log | group(by=city, p=avg(price)) | sort(-p) | take(1)"),
        ("select count(distinct city) from log where sent between '2024-01-01' and '2024-02-01' and city like '%ar%'",
         'answer log\n     | where(sent between @2024-01-01 and @2024-02-01 and contains(city, "ar"))\n'
         "     | count_distinct(city)"),
    ],
)  # fmt: skip
def test_what_is_mended_can_be_sent(written: str, sendable: str) -> None:
    assert mended(written, ONE) == sendable
    assert not check(parse_prefix(Source("sent", sendable)).tree, ONE).problems


@pytest.mark.parametrize(
    "written",
    [
        "answer total",
        "answer log | nope()",
        "n = log | count()\nanswer n | where(x)",
        "SELECT city, COUNT(*) FROM log",
        "answer 'it''s' | (",
        "x" * 5_000,
        "",
    ],
)
def test_what_nobody_can_tell_is_left(written: str) -> None:
    assert mended(written, ONE) is None


def test_no_table_is_chosen_where_there_are_several_and_no_constant_is_lost() -> None:
    assert mended("answer data | count()", TWO) is None
    assert mended("SELECT COUNT(*) FROM data", TWO) is None
    assert "7" in (mended("answer log[price > 7] | len()", ONE) or "7")
