"""The review's page: rows answered by the keyboard in a real browser, and who may write through the server."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

pytest.importorskip("jinja2")

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.report.reviewing.desk import Desk, Reviewing
from rlm_dsl.report.server import Serving
from rlm_dsl.review.labels.file import Labels, read_labels
from tests.support.browser import CONTRAST, browser, console, faults, needs_browser, shot
from tests.support.processes import Process, command_started
from tests.support.reviews import MANY, label, reviewed

JSON = "application/json"


@contextmanager
def serving(folder: Path, **how: Any) -> Iterator[Serving]:
    with Serving(folder, "127.0.0.1", 0, {}, Desk(Reviewing(**how))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def kept(folder: Path) -> Labels:
    return read_labels(folder / "run.labels.jsonl")


class Page:
    """A review's page without its browser: what its script would send."""

    def __init__(self, port: int, step: str = "t", **more: str) -> None:
        self.port, self.query = port, urlencode({"t": "run.trace", "s": step, **more})
        status, text = self.sent("GET", "")
        self.text, self.token = text, text.partition('data-token="')[2].partition('"')[0]
        assert status == 200 and self.token, text

    def sent(self, method: str, body: str, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request(method, f"/review?{self.query}", body.encode() or None, headers)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()

    def ask(self, asked: Any, **headers: str) -> tuple[int, Any]:
        own = {"Content-Type": JSON, "Origin": f"http://127.0.0.1:{self.port}", "X-Review-Token": self.token}
        body = asked if isinstance(asked, str) else json.dumps(asked)
        status, text = self.sent("POST", body, **{**own, **{name.replace("_", "-"): v for name, v in headers.items()}})
        return status, json.loads(text)

    def say(self, number: int, id: str, **said: Any) -> tuple[int, Any]:
        return self.ask({"do": "answer", "number": number, "id": id * 32, **said})


def wait(driver: Any, condition: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 20, 0.01).until(lambda at: at.execute_script(f"return {condition}"))


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver, 0).send_keys(*keys).perform()


def answered(driver: Any, done: int) -> None:
    wait(driver, f'document.getElementById("bar").value === {done} && !document.querySelector("#review[aria-busy]")')


def shown(driver: Any) -> str:
    return str(driver.find_element("id", "shown").text)


@needs_browser
def test_sixty_rows_by_the_keyboard_alone(tmp_path: Path) -> None:
    """Blind, one key a row; undo, cannot tell, back, away and again; at the end the numbers have their intervals."""
    from selenium.webdriver.common.keys import Keys

    reviewed(tmp_path, "labels")
    keys = dict(zip(("billing", "technical", "account", "shipping"), "1234", strict=True))
    with serving(tmp_path) as server, browser() as driver:

        def key() -> str:
            return keys[label(int(shown(driver).rpartition("(")[2][:-1]))]

        address = f"{server.url}review?t=run.trace&s=t"
        driver.get(address)
        answered(driver, 0)
        assert not driver.find_element("id", "model").is_displayed() and driver.find_element("id", "last").text == ""
        press(driver, key())
        answered(driver, 1)
        assert "you said" in driver.find_element("id", "last").text
        press(driver, "u")
        answered(driver, 0)
        press(driver, "?")
        answered(driver, 1)
        for done in range(1, 30):
            press(driver, key())
            answered(driver, done + 1)
        driver.get(address)
        answered(driver, 30)
        press(driver, Keys.ARROW_LEFT)
        wait(driver, 'document.getElementById("model").textContent.startsWith("You said")')
        assert driver.find_element("css selector", ".labels .said").is_displayed()
        press(driver, Keys.ENTER)
        wait(driver, 'document.getElementById("where").textContent.startsWith("Row 31 ")')
        press(driver, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
        answered(driver, 31)
        for done in range(31, 60):
            press(driver, key())
            answered(driver, done + 1)
        wait(driver, 'document.activeElement.id === "more"')
        wait(driver, 'document.getElementById("numbers").textContent.includes("by the model")')
        assert driver.execute_script(CONTRAST) == [] and faults(driver) == [] and console(driver) == []
        shot(driver, "review-done")
    held = kept(tmp_path).held
    assert len({each.row for each in held}) == 60 and sum(each.answer is None for each in held) == 1
    assert sum(not each.blind for each in held) == 1, "the row that was taken back was not answered blind again"


FORMS: dict[str, tuple[list[str], list[dict[str, Any]]]] = {
    "yes": (["n"], [{"holds": False}]),
    "pairs": (["y"], [{"holds": True}]),
    "scores": (["3\ue007"], [{"score": 3}]),
    "many": (["ask card\ue007", "LOST_C\ue015\ue007"], [{"label": "ask_for_card"}, {"label": "lost_card"}]),
    "fields": (
        ["12.50\ue0042026-11-03\ue004y\ue004a\ue004word for word\ue007"],
        [{"amount": "12.50", "day": "2026-11-03", "urgent": True, "mood": "angry", "words": "word for word"}],
    ),
}


@needs_browser
def test_every_form_of_answer_at_any_width_and_light(tmp_path: Path) -> None:
    """Yes and no, both rows of a pair, scores, labels that are typed to be found, and fields."""
    for kind in FORMS:
        (tmp_path / kind).mkdir()
        reviewed(tmp_path / kind, kind)
    for width, dark in ((1200, False), (400, True)):
        with serving(tmp_path) as server, browser(width, 900, dark=dark) as driver:
            for kind, (typed, _) in FORMS.items():
                driver.get(f"{server.url}review?t={kind}/run.trace&s=t")
                before = len(kept(tmp_path / kind).held)
                answered(driver, before)
                if kind == "pairs":
                    assert len(driver.find_elements("css selector", "#shown .side")) == 2 and "Town" in shown(driver)
                for count, keys in enumerate(typed, before + 1):
                    press(driver, *keys)
                    wait(driver, 'document.getElementById("last").textContent.includes("you said")')
                    answered(driver, count)
                assert driver.execute_script(CONTRAST) == [] and console(driver) == []
                assert not dark or faults(driver) == []
                assert driver.execute_script("return document.documentElement.scrollWidth") <= width
                shot(driver, f"review-{kind}-{width}")
    for kind, (_, said) in FORMS.items():
        assert [dict(each.answer or {}) for each in kept(tmp_path / kind).held] == said * 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    reviewed(folder, "labels")
    return folder


def test_only_a_page_of_this_server_writes_and_only_for_its_own_review(folder: Path) -> None:
    with serving(folder) as server:
        page = Page(server.server_address[1])
        said = {"do": "answer", "number": 1, "id": "a" * 32, "label": 0}
        other = Page(page.port, by="answer")
        assert page.token != other.token
        for status, wrong in (
            (403, {"Origin": "http://evil.example"}),
            (403, {"Origin": "null"}),
            (403, {"Origin": ""}),
            (403, {"Host": "evil.example", "Origin": "http://evil.example"}),
            (403, {"Sec_Fetch_Site": "cross-site"}),
            (403, {"X_Review_Token": ""}),
            (403, {"X_Review_Token": other.token}),
            (415, {"Content_Type": "text/plain"}),
            (413, {"Content_Length": "9999999"}),
        ):
            assert page.ask(said, **wrong)[0] == status, wrong
        for bad in ("[]", "nonsense", "{}", '{"do": "at", "number": 0}', '{"do": "at", "number": true}', "[" * 9999):
            assert page.ask(bad)[0] in (400, 422), bad
        for odd in ({"label": 9}, {"label": -1}, {"label": "billing"}, {}, {"values": ["x"]}):
            assert page.say(1, "a", **odd)[0] == 422
        assert page.ask({**said, "id": "../x"})[0] == 422 and not kept(folder).held
        assert page.say(1, "a", label=0)[0] == page.say(1, "a", label=0)[0] == 200
        assert [each.id for each in kept(folder).held] == ["a" * 32], "sent twice, kept once"
        status, told = page.ask({"do": "undo"})
        assert status == 200 and told["undone"] and not kept(folder).held
    with Serving(folder, "127.0.0.1", 0, {}) as plain:
        assert plain.answer("/review?t=run.trace")[0] == 404
    with pytest.raises(UserError, match="on this machine alone"):
        Serving(folder, "0.0.0.0", 0, {}, Desk(Reviewing()))


def test_a_row_is_blind_until_it_is_answered_and_texts_are_data(tmp_path: Path) -> None:
    (tmp_path / "a.trace").mkdir()
    reviewed(tmp_path, "many")
    with serving(tmp_path) as server:
        page = Page(server.server_address[1])
        item = page.ask({"do": "next"})[1]["item"]
        assert item["model"] is None and item["answered"] is None and item["columns"][0][0] == "id"
        number = int(item["text"].rpartition("(")[2][:-1])
        status, told = page.say(item["number"], "b", label=MANY.index("lost_a"))
        assert status == 200 and told["kept"]["model"] == MANY[number % len(MANY)] and told["item"]["model"] is None
        assert "numbers" in page.ask({"do": "numbers"})[1]
    with serving(tmp_path, blind=False) as server:
        assert Page(server.server_address[1]).ask({"do": "next"})[1]["item"]["model"] in MANY


def test_a_kill_of_the_server_loses_nothing_that_was_acknowledged(folder: Path) -> None:
    before = len(kept(folder).held)
    with command_started(folder, "serve", ".", "--review", "--port", "0") as process:
        page = Page(urlsplit(address(process)).port or 0)
        told = page.ask({"do": "next"})[1]
        assert told["progress"]["done"] == before
        assert page.say(told["item"]["number"], "c", label=2)[1]["kept"]["said"] == "account"
        process.send(signal.SIGKILL)
        assert process.ended().code == -signal.SIGKILL
    assert len(kept(folder).held) == before + 1


def address(process: Process) -> str:
    """Where a server that was started says that it is."""
    while process.running and "Ctrl-C" not in process.err.read_text():
        time.sleep(0.01)
    return process.err.read_text().split()[0]
