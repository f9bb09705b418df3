"""Pages and reports: what a run shows in a browser, a month after the other, hostile texts and faults of the file."""

from __future__ import annotations

import json
import os
import random
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

pytest.importorskip("jinja2")
pytest.importorskip("vl_convert")

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.local.choice import at_their_servers, with_local_models
from rlm_dsl.models.local.weights import read_weights
from rlm_dsl.models.settings import Settings
from rlm_dsl.replay.tables import Queried
from rlm_dsl.report.charts import Chart
from rlm_dsl.report.server import Serving
from rlm_dsl.testing import serve
from tests.models.test_local_models import gguf
from tests.support.browser import CONTRAST, browser, console, faults, look, needs_browser, shot
from tests.support.commands import Ran, command
from tests.support.runs import asked, csv, gold, recorded

REPORT = """\
title: Billing in {period}
contexts:
  tickets: data/{period}.csv
program: p.rlm
models:
  sub: gold
sections:
- heading: In short
  text: "{total} billing tickets came in {year}."
- findings:
  - "{per_user} users wrote them"
- table: per_user
  heading: Per user
- chart: per_user
  x: user
  y: n
- evidence: total
  limit: 2
"""
PROGRAM = """\
topics = tickets | where(user != "u0") | classify(on=body, labels=["billing", "other"], into=topic)
billing = topics | where(topic == "billing")
answer {total: count(billing), per_user: billing | group(by=user, n=count()) | sort(-n, user)}
"""
COUNTED = 'steps: "answer t | count()"\nsections:\n- text: "{answer} rows"\n'
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> "
    "\x1b[31mred\x07 \u202egnp.exe "
    "</pre></details> {{ 7 * 7 }} {% raw %} [link](javascript:alert(1)) `code` | pipe"
)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with a report and the data of two months."""
    (tmp_path / "data").mkdir()
    (tmp_path / "p.rlm").write_text(PROGRAM)
    (tmp_path / "report.yaml").write_text(REPORT)
    for period, count in (("2026-10", 40), ("2026-11", 60)):
        (tmp_path / f"data/{period}.csv").write_text(csv(count))
    return tmp_path


def report(folder: Path, url: str, period: str, *more: str) -> Ran:
    asked = ["report", "report.yaml", "--period", period, "--base-url", url]
    return command(folder, *asked, *more, OPENAI_API_KEY="k")


def test_the_second_month_asks_about_new_rows_and_says_what_changed(made: Path) -> None:
    with serve(gold=gold(60)) as server:
        first = report(made, server.base_url, "2026-10")
        assert first.code == 0 and "verified" in first.out, first.err
        before = server.calls
        rows = {n for n in range(1, 41) if n % 3}
        assert before == len(rows)
        (made / "s.sqlite").unlink()  # the last month's trace alone knows its answers
        second = report(made, server.base_url, "2026-11")
        assert second.code == 0, second.err
        assert server.calls - before == len({n for n in range(41, 61) if n % 3})
        assert "since 2026-10" in second.out and "total from 7 to 10 (+3" in second.out
        assert "is other (40 rows before, 60 now)" in second.out
        calls = server.calls
        again = report(made, server.base_url, "2026-11")
        assert again.code == 0 and server.calls == calls and "since 2026-10" in again.out
    folder = made / "reports/2026-11"
    held = json.loads((folder / "report.json").read_text())
    assert held["verified"] and held["runs"][0]["answer"][0]["value"] == 10
    told = (folder / "report.md").read_text()
    assert "10 billing tickets came in 2026." in told and "(chart-4.svg)" in told and "| u1 | 5 |" in told
    assert (folder / "chart-4.svg").read_text().startswith("<svg")


def test_a_report_over_monthly_files_by_glob_asks_about_what_came(made: Path) -> None:
    """A second file of the month, and one more: rows that were asked about before are paid for once."""
    (made / "report.yaml").write_text(REPORT.replace("data/{period}.csv", "data/{year}/{year}-*.csv"))
    (made / "p.rlm").write_text("context tickets: table(id: int, user: text, body: text)\n" + PROGRAM)
    header, *lines = csv(60).splitlines(keepends=True)
    (made / "data/2026").mkdir()
    (made / "data/2026/2026-10.csv").write_text(header + "".join(lines[:40]))
    with serve(gold=gold(60)) as server:
        first = report(made, server.base_url, "2026-10")
        assert first.code == 0 and "verified" in first.out, first.err
        before = server.calls
        (made / "data/2026/2026-11.csv").write_text(header + "".join(lines[40:]))
        (made / "data/2026/2026-12.csv").write_text(header)
        second = report(made, server.base_url, "2026-11")
        assert second.code == 0 and "is other (40 rows before, 60 now)" in second.out, second.err
        assert server.calls - before == len({n for n in range(41, 61) if n % 3})


@pytest.mark.parametrize("out", ["reports/{period}", "reports/{year}/{month}/all", "reports"])
def test_a_report_is_compared_with_the_last_period_before_it(made: Path, out: str) -> None:
    """A period made again, one left out and made later: never with a later one; months with months alone."""
    (made / "report.yaml").write_text(f"title: x\nout: {out}\ncontexts: {{t: 'data/2026-10.csv'}}\n" + COUNTED)
    since = {}
    for period in ("2026-03", "2026-01", "2026-Q4", "2026-02", "2026-03", "2026-01"):
        ran = report(made, "http://127.0.0.1:9", period, "--json")
        assert ran.code == 0, ran.err
        since[period] = json.loads(ran.out)["since"]
        if period == "2026-03":  # its clock stands in the future: when a trace was made says nothing of its period
            for seal in made.glob("reports/**/seal.json"):
                os.utime(seal, (4e9, 4e9))
    if out == "reports":  # it tells days: of a shared folder the period's own earlier run counts too
        assert len({*since.values()}) == 2 and not since["2026-Q4"]
    else:
        assert since == {"2026-03": "2026-02", "2026-01": "", "2026-Q4": "", "2026-02": "2026-01"}


def test_paths_names_and_charts_of_a_report_are_as_people_write_them(made: Path) -> None:
    """A report from a folder beside its data, made by `init`: plain paths, steps as code, numbers alone drawn."""
    (made / "p.rlm").write_text(
        'some = t | where(user != "u0")\nflags = some | derive(late=id > 3) | select(late, user) | take(2)\n'
        "answer {flags: flags, size: some | group(by=user, n=count()) | select(user, late=n > 1, n)}\n"
    )
    ran = command(made, "run", "p.rlm", "--context", "t=data/2026-10.csv", "--trace", "run.trace")
    assert ran.code == 0 and command(made, "report", "init", "run.trace", "--out", "mine").code == 0, ran.err
    text = (made / "mine/report.yaml").read_text()
    assert text.count("chart:") == 1 and "y: n\n" in text
    read = yaml.safe_load(text.replace("../data/2026-10.csv", text.partition("tickets: ")[2].partition("\n")[0]))
    assert read["contexts"] == {"t": "data/{period}.csv"}  # what its first line says can be written there
    evidence = text.replace("sections:", "sections:\n- evidence: flags")
    (made / "mine/report.yaml").write_text(evidence)
    ran = report(made / "mine", "http://127.0.0.1:9", "2026-10")
    assert ran.code == 0, ran.err
    told = (made / "mine/reports/2026-10/report.md").read_text()
    assert "(../data/2026-10.csv, line" in told and "mine/" not in told and "\\`" not in told
    ran = command(made, "report", "mine/report.yaml", "--period", "2026-11")
    told = (made / "mine/reports/2026-11/report.md").read_text()
    assert "(data/2026-10.csv, line" in told and ".." not in told.partition("0 model calls")[0].replace("...", "")
    (made / "mine/report.yaml").write_text(text.replace("y: n", "y: late"))
    ran = report(made / "mine", "http://127.0.0.1:9", "2026-10")
    assert ran.code == 2 and "`late` holds no numbers" in ran.err and "columns of numbers: n" in ran.err


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("title:", "titel:", "did you mean `title`?"),
        ("program: p.rlm", "program: q.rlm", " --> report.yaml:4:10"),
        ("program: p.rlm\n", "", "a report runs a program"),
        ("data/{period}.csv", "data/{perod}.csv", "{perod} is no name of a period"),
        ("- table: per_user", "- table: per_usr", "no answer has a part `per_usr`"),
        ("- table: per_user", "- tabel: per_user", "a section is one of text, findings, table, chart, evidence"),
        ("- table: per_user", "- table: total", "`total` is one value, and no table"),
        ("y: n", "y: m", "there is no column `m`"),
        ("y: n", "", "`y` is missing"),
        ("limit: 2", "limit: few", "this is no count: few"),
        ("{total} billing", "{totl} billing", "no answer has a part `totl`"),
        ("sections:", "outputs: [pdf]\nsections:", "`pdf` is none of these"),
        ("sections:", "baseline: nowhere.trace\nsections:", "is no finished trace"),
        ("title: Billing in {period}", "title: [", "this is no YAML"),
        ("  tickets: data/{period}.csv", "  tickets: {period}.csv", 'in quotes, such as "data/{period}.csv"'),
        ("\n  tickets: data/{period}.csv", " {tickets: data/{period}.csv}", 'in quotes, such as "data/{period}.csv"'),
        ("title: Billing in {period}", "title: {period}", 'in quotes, such as "data/{period}.csv"'),
    ],
)
def test_a_fault_of_the_file_is_told_with_its_place(made: Path, old: str, new: str, told: str) -> None:
    (made / "report.yaml").write_text(REPORT.replace(old, new, 1))
    with serve(gold=gold(60)) as server:
        ran = report(made, server.base_url, "2026-10")
    assert ran.code == 2 and told in ran.err, ran.err
    assert not list(made.glob("reports/*/report.html"))


@pytest.mark.parametrize("period", ["2026-13", "11/2026", "../2026-11", "2026-11\n"])
def test_a_period_is_digits_alone(made: Path, period: str) -> None:
    ran = command(made, "report", "report.yaml", "--period", period)
    assert ran.code == 2 and "this is no period" in ran.err


def test_init_makes_a_report_of_a_trace_that_runs(tmp_path: Path) -> None:
    recorded(tmp_path)
    assert command(tmp_path, "report", "init", "run.trace", "--out", "mine").code == 0
    again = command(tmp_path, "report", "init", "run.trace", "--out", "mine")
    assert again.code == 2 and "is there already" in again.err
    with serve(gold=gold(40)) as server:
        asked = ["report", "mine/report.yaml", "--period", "2026", "--base-url", server.base_url, "--json"]
        ran = command(tmp_path, *asked, OPENAI_API_KEY="k")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["runs"][0]["answer"][0]["value"] == 7
    assert (tmp_path / "mine/reports/2026/report.html").is_file()


def test_what_init_makes_asks_where_the_run_asked_and_what_is_known_costs_nothing(tmp_path: Path) -> None:
    text = 'answer t | classify(on=x, labels=["good", "bad"], into=mood) | group(by=mood, n=count())'
    (tmp_path / "p.rlm").write_text(text + "\n")
    (tmp_path / "t.csv").write_text("x\nfine\nawful\n")
    mood = {"fine": "good", "awful": "bad", "new": "bad"}
    with serve(gold=[{"text": each, "label": label} for each, label in mood.items()]) as server, serve() as other:
        run = ("run", "p.rlm", "--context", "t=t.csv", "--model", "m", "--trace", "run.trace")
        assert command(tmp_path, *run, "--base-url", server.base_url, OPENAI_API_KEY="k").code == 0
        assert command(tmp_path, "report", "init", "run.trace", "--out", "mine").code == 0
        calls = server.calls
        (tmp_path / "t.csv").write_text("x\nfine\nawful\nnew\n")
        environment = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": other.base_url}
        ran = command(tmp_path, "report", "mine/report.yaml", "--period", "2026", "--json", **environment)
        assert ran.code == 0, ran.err
        assert (server.calls - calls, other.calls) == (1, 0)


def test_weights_of_ones_own_stand_in_a_report_by_their_digest(tmp_path: Path) -> None:
    weights = read_weights(gguf(tmp_path))
    named = Settings(models={"root": "Small 1", "sub": "Small 1", "mine": f"local:{weights.path}"})
    found = at_their_servers(named, {"root": weights.url, "sub": "http://127.0.0.1:1/v1"})
    assert found.chosen("root").model == f"local:{weights.path}"
    assert found.chosen("sub").base_url == "http://127.0.0.1:1/v1"
    assert with_local_models(found).by_alias()["root"].base_url == weights.url
    with pytest.raises(UserError, match="not at hand"):
        at_their_servers(Settings(models={"root": "Small 1"}), {"root": weights.url})


def test_several_programs_and_steps_in_the_file(made: Path) -> None:
    (made / "count.rlm").write_text("answer tickets | count()\n")
    text = REPORT.replace("program: p.rlm", "programs:\n  topics: p.rlm\n  size: count.rlm")
    text = text.replace("{total}", "{topics.total} of {size}").replace("per_user", "topics.per_user")
    text = text.replace("evidence: total", "evidence: topics.total")
    (made / "report.yaml").write_text(text)
    with serve(gold=gold(60)) as server:
        ran = report(made, server.base_url, "2026-10")
    assert ran.code == 0, ran.err
    assert "7 of 40 billing tickets" in (made / "reports/2026-10/report.md").read_text()
    inline = 'steps: "answer tickets | count()"\n'
    (made / "report.yaml").write_text(REPORT.split("program:")[0] + inline + 'sections:\n- text: "{answer} rows"\n')
    ran = report(made, "http://127.0.0.1:9", "2026-11")
    assert ran.code == 0 and "60 rows" in (made / "reports/2026-11/report.md").read_text(), ran.err


def test_a_chart_is_drawn_and_told() -> None:
    rows = [{"user": f"u{n}", "n": n * n} for n in range(1, 6)]
    chart = Chart("bar", "user", "n", rows)
    assert chart.svg() == chart.svg() and chart.svg().startswith("<svg") and chart.png().startswith(b"\x89PNG")
    assert chart.svg("dark") != chart.svg("light")
    lines = chart.text(40).splitlines()
    assert lines[4].startswith("u5") and lines[4].count("█") > 4 * lines[1].count("█") > 0 and lines[4].endswith("25")
    one = ElementTree.fromstring(
        Chart("bar", "department of origin", "n", [{"department of origin": "u1", "n": 2}]).svg()
    )
    held = {each.text: each.get("transform", "") for each in one.iter("{http://www.w3.org/2000/svg}text")}
    assert "rotate(-90)" not in held["department of origin"]  # upright beside one bar it lay over labels
    hostile = Chart("bar", "a.b[0]", "n", [{"a.b[0]": "</svg><script>1</script>", "n": 1}])
    assert "<script" not in hostile.svg() and "n" in hostile.svg()


@needs_browser
def test_a_run_in_a_browser(tmp_path: Path) -> None:
    """The answer leads to its evidence, steps unfold, nothing is loaded or complained of, at any width and light."""
    asked(tmp_path)
    ran = command(tmp_path, "view", "run.trace", "--out", "page.html")
    assert ran.code == 0, ran.err
    page = (tmp_path / "page.html").as_uri()
    assert not re.search(r'(?:src|href)="(?!data:|#)', (tmp_path / "page.html").read_text())
    with browser() as driver:
        for width, dark in ((400, False), (400, True), (1200, False), (1600, True)):
            look(driver, width, 900, dark=dark)
            driver.get(page)
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
            assert driver.execute_script(CONTRAST) == []
            shot(driver, f"run-{width}-{'dark' if dark else 'light'}")
            if width == 1200:
                click_through(driver)
            if (width, dark) in ((400, True), (1200, False)):
                assert faults(driver) == [] and driver.execute_script(CONTRAST) == []
                assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        assert console(driver) == []


def click_through(driver: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    assert "Verified" in driver.find_element(By.CSS_SELECTOR, ".verdict").text
    driver.find_element(By.LINK_TEXT, "7").click()
    opened = driver.find_element(By.ID, "e-total")
    assert opened.get_attribute("open") and len(opened.find_elements(By.CSS_SELECTOR, ".place")) == 7
    assert "tickets.csv, line" in opened.text and "bytes" in opened.text and "charged twice" in opened.text
    driver.find_element(By.CSS_SELECTOR, "a[href='#e-per_user-1']").click()
    assert driver.find_element(By.ID, "e-per_user-1").get_attribute("open")
    place = driver.find_element(By.CSS_SELECTOR, "#e-total .place a")
    place.send_keys(Keys.ENTER)
    assert driver.current_url.endswith("#e-total-p1"), "each place has a link of its own"
    driver.find_element(By.CSS_SELECTOR, "svg.graph a[href='#s-topics']").send_keys(Keys.ENTER)
    opened = driver.find_element(By.ID, "s-topics")
    assert opened.get_attribute("open"), "a box of the pipeline opens its step"
    rows = opened.find_elements(By.CSS_SELECTOR, "table tbody tr")
    assert sum(row.is_displayed() for row in rows) == 25 < len(rows), "with its rows, a page of them"
    assert "charged twice" in opened.text and "other" in rows[0].text
    told = opened.text
    assert "Which label fits" in told and "SELECT" in told, "prompts and SQL open by the keyboard"
    timeline = driver.find_element(By.CSS_SELECTOR, "ol.turns").text
    assert "dead end" in timeline and "problems" in timeline
    printed = driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert len(printed["data"]) > 20_000
    shot(driver, "run-evidence")


@needs_browser
def test_hostile_texts_are_shown_and_do_nothing(tmp_path: Path) -> None:
    rows = [(n, f"u{n % 3}", HOSTILE if n % 2 else "plain") for n in range(1, 31)]
    with (tmp_path / "tickets.csv").open("w", newline="") as out:
        import csv as tables

        tables.writer(out).writerows([("id", "user", HOSTILE.replace("\x1b", "").replace("\x07", "")[:40]), *rows])
    (tmp_path / "p.rlm").write_text('bad = tickets | where(id % 2 == 1)\nanswer {all: bad | take(30), first: "<b>" }\n')
    ran = command(tmp_path, "run", "p.rlm", "--context", "tickets=tickets.csv", "--trace", "run.trace")
    assert ran.code == 0, ran.err
    assert command(tmp_path, "view", "run.trace", "--out", "page.html").code == 0
    text = (tmp_path / "page.html").read_text()
    assert "\x1b" not in text and "\u202e" not in text and "<img" not in text
    with browser() as driver:
        driver.get((tmp_path / "page.html").as_uri())
        assert driver.title == "run.trace" and console(driver) == []
        shown = driver.find_element("id", "answer").text
        assert "<script>document.title='owned'</script>" in shown and "\\x1b[31m" in shown and "{{ 7 * 7 }}" in shown
        assert driver.execute_script("return document.scripts.length") == 1
        shot(driver, "hostile")


@pytest.fixture
def served(made: Path) -> Iterator[Serving]:
    with serve(gold=gold(60)) as server:
        for period in ("2026-10", "2026-11"):
            assert report(made, server.base_url, period).code == 0
    with Serving(made / "reports", "127.0.0.1", 0, {}) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@needs_browser
def test_serve_lists_filters_and_compares(served: Serving) -> None:
    from selenium.webdriver.common.by import By

    with browser() as driver:
        driver.get(served.url)
        boxes = driver.find_elements(By.CSS_SELECTOR, "input[name=t]")
        assert len(boxes) == 2
        driver.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        assert driver.find_element(By.ID, "compare-told").text == "Choose two traces to compare."
        filter_ = driver.find_element(By.CSS_SELECTOR, "input[type=search]")
        filter_.send_keys("2026-10")
        assert sum(row.is_displayed() for row in driver.find_elements(By.CSS_SELECTOR, "tbody tr")) == 1
        filter_.clear()
        filter_.send_keys("2026")
        assert faults(driver) == []
        shot(driver, "list")
        for box in driver.find_elements(By.CSS_SELECTOR, "input[name=t]"):
            box.click()
        driver.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        assert "/diff?" in driver.current_url and "total" in driver.find_element(By.TAG_NAME, "main").text
        assert driver.execute_script(CONTRAST) == [] and faults(driver) == []
        shot(driver, "diff")
        driver.get((served.folder / "2026-11" / "report.html").as_uri())
        assert faults(driver) == [] and driver.execute_script(CONTRAST) == []
        shot(driver, "report")
        driver.get(served.url)
        driver.find_element(By.PARTIAL_LINK_TEXT, "2026-11").click()
        assert "Verified" in driver.find_element(By.CSS_SELECTOR, ".verdict").text
        assert console(driver) == []


def test_diff_as_a_page(made: Path) -> None:
    with serve(gold=gold(60)) as server:
        for period in ("2026-10", "2026-11"):
            assert report(made, server.base_url, period).code == 0
    traces = [f"reports/{period}/traces/report.trace" for period in ("2026-10", "2026-11")]
    ran = command(made, "diff", *traces, "--html", "d.html")
    assert ran.code == 1 and ran.out == "d.html\n", ran.err
    text = (made / "d.html").read_text()
    assert "total from 7 to 10" in text and "new data" in text and traces[0] in text
    same = command(made, "diff", traces[0], traces[0], "--html", "same.html")
    assert same.code == 0 and "Nothing changed" in (made / "same.html").read_text()


def test_a_page_without_its_sources_says_so(tmp_path: Path) -> None:
    recorded(tmp_path)
    (tmp_path / "tickets.csv").unlink()
    ran = command(tmp_path, "view", "run.trace", "--out", "page.html")
    assert ran.code == 0, ran.err
    text = (tmp_path / "page.html").read_text()
    assert "cannot be shown" in text and ("Does not verify" in text or "Not verified here" in text)
    assert "not verified: " in ran.err


def test_the_page_of_a_changed_trace_is_made_and_the_command_says_so(tmp_path: Path) -> None:
    recorded(tmp_path)
    answer = tmp_path / "run.trace" / "answer.json"
    answer.write_text(answer.read_text().replace('"value": 7', '"value": 8'))
    ran = command(tmp_path, "view", "run.trace", "--out", "page.html")
    assert (ran.code, ran.out) == (1, "page.html\n") and "does not verify: answer.json" in ran.err, ran
    assert "Does not verify" in (tmp_path / "page.html").read_text()


def test_refused_and_invalid_rows_stand_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text(csv(40))
    (tmp_path / "p.rlm").write_text(PROGRAM.replace("into=topic", 'into=topic, on_error="null"'))
    with serve(gold=gold(40), rate_refusal=0.2, seed=3) as server:
        asked = ["--context", "tickets=tickets.csv", "--model", "m", "--base-url", server.base_url]
        ran = command(tmp_path, "run", "p.rlm", *asked, "--max-failed", "1", "--trace", "run.trace", OPENAI_API_KEY="k")
    assert ran.code == 0, ran.err
    assert command(tmp_path, "view", "run.trace", "--out", "page.html").code == 0
    text = (tmp_path / "page.html").read_text()
    assert "rows have no valid answer" in text and "refused" in text


def test_a_large_run_stays_small_and_says_what_is_left_out(tmp_path: Path) -> None:
    chance = random.Random(1)
    words = [f"word{n}" for n in range(500)]
    with (tmp_path / "log.csv").open("w") as out:
        out.write("id,body\n")
        out.writelines(f"{n},{' '.join(chance.choices(words, k=40))}\n" for n in range(20_000))
    (tmp_path / "p.rlm").write_text('answer {n: log | count(), rows: log | where(body matches r"word1\\b")}\n')
    assert command(tmp_path, "run", "p.rlm", "--context", "log=log.csv", "--trace", "run.trace").code == 0
    ran = command(tmp_path, "view", "run.trace", "--out", "page.html", "--json")
    assert ran.code == 0 and json.loads(ran.out)["bytes"] < 5_000_000
    text = (tmp_path / "page.html").read_text()
    assert "Left out of this page" in text and "more places" in text and "<mark>word1</mark>" in text


def test_results_traces_and_diffs_show_in_a_notebook(made: Path) -> None:
    from rlm_dsl import traces as ours

    with serve(gold=gold(60)) as server:
        for period in ("2026-10", "2026-11"):
            assert report(made, server.base_url, period).code == 0
    traces = [made / f"reports/{period}/traces/report.trace" for period in ("2026-10", "2026-11")]
    told = ours.show(traces[0])._repr_html_()
    assert "topics" in told and "classify" in told and "<script" not in told
    found = ours.diff(*traces)._repr_html_()
    assert "total" in found and "10" in found
    assert "NOT" not in (checked := rlm_dsl.verify(traces[0])._repr_html_()) and "answers" in checked
    assert "classify" in ours.sql(traces[0], "from steps")._repr_html_()
    assert "as recorded" in ours.cite(traces[0])._repr_html_()


def test_what_a_notebook_keeps_is_bounded_and_no_markup() -> None:
    rows = [(f"<b>{n}</b>", "x" * 10_000) for n in range(20_000)]
    told = Queried(("n", "text"), rows)._repr_html_()
    assert len(told) < 60_000 and "19,900 more rows" in told and "(+9,700 characters)" in told and "<b>" not in told
    wide = rlm_dsl.load([{f"column {n}": n for n in range(500)}] * 2_000)._repr_html_()
    assert len(wide) < 60_000 and "440 more columns" in wide and "2,000 rows" in wide


@pytest.mark.proof
def test_a_month_of_a_gigabyte_and_the_next_that_pays_for_new_rows(tmp_path: Path) -> None:
    """A log of 1 GB: what is looked for is narrowed exactly, asked about, verified, shown; the second month has 5 %
    more lines, and asks about those of them alone."""
    (tmp_path / "data").mkdir()
    filler = "the request was served from the cache of the second node without any retry at all, as it should be"
    lines, gold_rows = 9_000_000, []
    with (tmp_path / "data/2026-10.log").open("w") as first, (tmp_path / "data/2026-11.log").open("w") as second:
        block: list[str] = []
        for number in range(int(lines * 1.05)):
            if number % 30_000 == 7:
                text = f"ERROR {number} {'payment refused' if number % 2 else 'disk full'} at node {number % 11}"
                gold_rows.append({"text": text, "label": "payment" if number % 2 else "disk"})
            else:
                text = f"INFO {number} {filler}"
            block.append(text + "\n")
            if len(block) == 300_000 or number in (lines - 1, int(lines * 1.05) - 1):
                second.writelines(block)
                if number < lines:
                    first.writelines(block)
                block = []
    assert (tmp_path / "data/2026-10.log").stat().st_size > 1_000_000_000
    (tmp_path / "p.rlm").write_text(
        'errors = log | grep("^ERROR")\n'
        'kinds = errors | classify(on=text, labels=["payment", "disk"], into=kind)\n'
        "answer {errors: errors | count(), kinds: kinds | group(by=kind, n=count()) | sort(-n, kind)}\n"
    )
    (tmp_path / "report.yaml").write_text(
        "title: Errors in {period}\ncontexts:\n  log: data/{period}.log\nprogram: p.rlm\nmodels: {sub: gold}\n"
        'sections:\n- text: "{errors} errors"\n- table: kinds\n- chart: kinds\n  x: kind\n  y: n\n- evidence: errors\n'
    )
    old = sum(int(row["text"].split()[1]) < lines for row in gold_rows)
    with serve(gold=gold_rows) as server:
        assert report(tmp_path, server.base_url, "2026-10").code == 0
        assert server.calls == old
        (tmp_path / "s.sqlite").unlink()
        ran = report(tmp_path, server.base_url, "2026-11", "--json")
        assert ran.code == 0, ran.err
        assert server.calls == len(gold_rows)
    told = json.loads(ran.out)
    assert told["verified"] and f"{len(gold_rows) - old:,} of {len(gold_rows):,} questions" in told["changed"]
    assert (tmp_path / "reports/2026-11/report.html").stat().st_size < 5_000_000
