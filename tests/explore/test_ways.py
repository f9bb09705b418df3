"""Ways to explore: typed answers, depth, several explorations, a judge, direct ways, params from the question, and the
first look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl import traces
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Source
from rlm_dsl.context.loading import load
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.ask import ExploreOptions, most_agreed
from rlm_dsl.explore.first_look import first_look, templates_of
from rlm_dsl.explore.loop import Exploration, NoAnswer
from rlm_dsl.explore.modes import answer_by_mode
from rlm_dsl.explore.params import with_params
from rlm_dsl.explore.typed_answers import WrongType
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Settings
from rlm_dsl.testing import serve
from rlm_dsl.trace.reader import Trace
from tests.support import runs

ROWS = 24
TOTAL = "answer billing | count()"
FIRST = 'topics = tickets | classify(on=body, labels=["billing", "other"], into=topic)\n'
BILLING = 'billing = topics | where(topic == "billing")\n'


class Desk:
    """Tickets and an endpoint that labels them, judges by a rule, and answers anything else with 6."""

    def __init__(self, folder: Path, *turns: str) -> None:
        (folder / "tickets.csv").write_text(runs.csv(ROWS))
        self.folder, self.judged = folder, 0
        self.server = serve(gold=self.found, script=list(turns))

    def found(self, shown: Any, schema: Any) -> dict[str, Any]:
        asked = schema["properties"]
        if "supported" in asked:
            self.judged += 1
            right = "billing | count()" in str(shown) or "wanted" in str(shown)
            return {"supported": right, "problem": "" if right else "it counts all tickets"}
        if "label" in asked:
            return {"label": "billing" if runs.BILLING in str(shown) else "other"}
        return dict.fromkeys(asked, 6)

    def ask(self, question: str = "How many are about billing?", **more: Any) -> Any:
        contexts = {"tickets": str(self.folder / "tickets.csv")}
        with self.server:
            given = {"store": str(self.folder / "s.sqlite"), "trace": self.folder / "t.trace", **more}
            found = rlm_dsl.ask(question, contexts, model="m", base_url=self.server.base_url, **given)
        assert rlm_dsl.verify(self.folder / "t.trace").ok
        return found


def test_an_answer_of_another_type_is_sent_back(tmp_path: Path) -> None:
    told: list[Any] = []
    desk = Desk(tmp_path, f"{FIRST}{BILLING}answer billing | take(1)", TOTAL)
    assert desk.ask(returns="int", shown=told.append).value == 6
    assert "does not have the type asked for" in told[0].observation and len(told) == 2
    with pytest.raises(WrongType, match="whole number"):
        Desk(tmp_path, "answer tickets | take(1)").ask(returns="int", turns=1, trace=tmp_path / "u.trace")
    with pytest.raises(UserError, match="no type"):
        Desk(tmp_path, TOTAL).ask(returns="integerish", trace=tmp_path / "v.trace")


def test_depth_0_asks_no_model_about_rows(tmp_path: Path) -> None:
    told: list[Any] = []
    desk = Desk(tmp_path, f"{FIRST}{BILLING}", 'answer tickets | where(contains(body, "charged")) | count()')
    assert desk.ask(depth=0, shown=told.append).value == 6 and desk.server.calls == 2
    assert "no model may be asked in this run" in told[0].observation
    with pytest.raises(NoAnswer):
        Desk(tmp_path, f"{FIRST}{BILLING}{TOTAL}").ask(depth=0, turns=1, trace=tmp_path / "u.trace")


def test_a_step_that_is_too_dear_is_told_with_its_price_and_what_to_do(tmp_path: Path) -> None:
    told: list[Any] = []
    desk = Desk(tmp_path, FIRST, f"{FIRST.replace('tickets |', 'tickets | take(8) |')}{BILLING}{TOTAL}")
    assert desk.ask(budget={"calls": 12}, shown=told.append).value == 2
    assert "needs 24 new model calls, and the budget of 12 has 11 left" in told[0].observation
    assert "narrow the rows first" in told[0].observation and desk.server.calls == 2 + 8


def test_several_explorations_agree_and_the_cheapest_program_is_kept(tmp_path: Path) -> None:
    desk = Desk(tmp_path, f"{FIRST}{BILLING}{TOTAL}")
    found = desk.ask(n=3)
    assert found.value == 6 and found.agreement == (3, 3)
    assert desk.server.calls == 3 + ROWS, "a root turn each; rows are asked once"
    assert Trace.open(tmp_path / "t.trace").header["agreement"] == {"explored": 3, "agree": 3}

    def explored(value: Any, asked: int, text: str) -> Exploration:
        return Exploration("answered", (), None, parse(Source("p", text)), value, asked)

    tried = [
        explored(5, 0, "answer 5"),
        explored(6, 9, "answer 6"),
        explored(6, 3, "answer 6 + 0"),
        Exploration("turns", ()),
    ]
    best, agree = most_agreed(tried)
    assert best is tried[2] and agree == 2 and most_agreed(tried[3:]) == (tried[3], 0)


def test_a_judge_sees_the_evidence_before_an_answer_is_taken(tmp_path: Path) -> None:
    told: list[Any] = []
    desk = Desk(tmp_path, f"{FIRST}{BILLING}answer topics | count()", TOTAL)
    assert desk.ask(verify_answer=True, shown=told.append).value == 6
    assert "A second look at what the answer rests on says: it counts all tickets" in told[0].observation
    assert desk.judged == 2
    steps = traces.sql(tmp_path / "t.trace", "select count(*) from calls where step = 'answer/judge'")
    assert steps[1] == [(2,)], "bounded, within the budget and recorded"


def test_a_short_context_goes_straight_to_the_model(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "show tickets | take(1)", f"{FIRST}{BILLING}{TOTAL}")
    direct = desk.ask(mode="auto", returns="int")
    assert direct.value == 6 and desk.server.calls == 1 and "reduce(" in direct.program
    contexts = {"tickets": load("tickets", str(tmp_path / "tickets.csv"))}
    again = Desk(tmp_path, f"{FIRST}{BILLING}{TOTAL}")
    with again.server:
        settings = Settings(models={"root": "m", "sub": "m"}, base_url=again.server.base_url, store=":memory:")
        more = {"keys": Keys({}), "progress": NoProgress(), "shown": lambda told: None, "trace": None}
        asked = "How {many}?"
        by_size = answer_by_mode("auto", asked, contexts, settings, short=100, **more)  # type: ignore[arg-type]
        both = answer_by_mode("compare", asked, contexts, settings, ExploreOptions("int"), **more)  # type: ignore[arg-type]
    assert list(by_size) == ["explore"] and list(both) == ["explore", "direct"]
    with pytest.raises(UserError, match="there is no mode"):
        desk.ask(mode="fast")


@pytest.mark.parametrize(
    ("question", "program", "expected"),
    [
        ("What did u17 say?", 'answer t | where(user == "u17")',
         'param wanted_user: text = "u17"\n\nanswer t | where(user == wanted_user)'),
        ("The top 5 of 2024?", "answer t | where(id > 2024) | take(5)",
         "param wanted_id: int = 2024\nparam wanted_rows: int = 5\n\n"
         "answer t | where(id > wanted_id) | take(wanted_rows)"),
        ("u1 or u2?", 'answer t | where(user in ["u1", "u2"])',
         'param wanted_user: list[text] = ["u1", "u2"]\n\nanswer t | where(user in wanted_user)'),
        ("What did u17 say?", 'answer t | where(user == "u1")', 'answer t | where(user == "u1")'),
        ("Which 1 is it?", "answer t | take(1)", "answer t | take(1)"),
        ("money?", 'answer t | grep(r"money", on=user)', 'answer t | grep(r"money", on=user)'),
    ],
)  # fmt: skip
def test_constants_of_the_question_become_params(question: str, program: str, expected: str) -> None:
    tree = parse(Source("p", f"context t: table(id: int, user: text)\n{program}\n"))
    types = {"t": rlm_dsl.load([{"id": 1, "user": "u"}]).schema}
    assert show(with_params(tree, question, types)).split("\n", 1)[1].strip() == expected


def test_an_explored_program_is_run_for_another_param(tmp_path: Path) -> None:
    desk = Desk(
        tmp_path, f'mine = tickets | where(user == "u1")\n{FIRST.replace("tickets |", "mine |")}{BILLING}{TOTAL}'
    )
    assert desk.ask("How many billing tickets did u1 send?").value == len(runs.billing_of("u1", ROWS))
    with serve(gold=desk.found) as server:
        other = rlm_dsl.rerun(
            tmp_path / "t.trace", params={"wanted_user": "u2"}, base_url=server.base_url, store=":memory:"
        )
    assert other.result.value == len(runs.billing_of("u2", ROWS))


def log_line(n: int) -> str:
    when = f"2024-03-{1 + n % 28:02d} 10:00:{n % 60:02d}"
    lost = f"ERROR db[{n}]: connection to 10.0.0.{n % 250} lost"
    return f"{when} {lost if n % 4 == 0 else f'INFO web[{1000 + n}]: GET /item/{n} took {n % 90} ms'}"


def test_the_first_look_tells_templates_values_and_ends(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("".join(f"{log_line(n)}\n" for n in range(2_000)))
    looks = []
    for threads in (1, 4):
        context = load("log", str(tmp_path / "log.txt"))
        with Warehouse(threads, contexts=[context]) as warehouse:
            looks.append(first_look("log", warehouse.contexts["log"], warehouse))
    assert looks[0] == looks[1] and len(looks[0]) < 2_500
    assert "<date> INFO web[<n>]: GET /item/<n> took <n> ms 75%" in looks[0]
    assert "<date> ERROR db[<n>]: connection to <ip> lost 25%" in looks[0]
    assert "middle: 1000 |" in looks[0] and "end: 2000 |" in looks[0]
    assert list(templates_of(["a 1 x", "a 2 y", "a 3 z", *["b"] * 9])) == [*["a <n> *"] * 3, *["b"] * 9]


def test_the_first_look_is_bounded_however_wide_and_odd_the_rows(tmp_path: Path) -> None:
    rows = [{f"column_{n}": "\x1b[31m" + "long " * 400 if k % 2 else None for n in range(60)} for k in range(900)]
    context = rlm_dsl.load(rows)
    with Warehouse(2, contexts=[context]) as warehouse:
        look = first_look("data", warehouse.contexts["data"], warehouse)
    assert len(look) < 10_000 and "\x1b" not in look and "more columns" in look and "% null" in look
