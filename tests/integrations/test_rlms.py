"""`rlm_dsl.RLM`, with the cases that the peers' own suites test of theirs: parsing, turns, types, batches, budgets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.explore.loop import END, NOTHING, NoAnswer
from rlm_dsl.explore.typed_answers import WrongType
from rlm_dsl.integrations.rlms import RLM, TEXT_NAME
from rlm_dsl.models.protocol import BudgetExceeded
from rlm_dsl.testing import serve
from tests.support.paths import DOCS
from tests.support.runs import body, gold

TEXTS = [body(n) for n in range(1, 41)]

COUNT = "answer prompt | count()"
LABELS = "topics = prompt | classify(on=text, labels=['billing', 'other'], into=topic)"


class Bench:
    """An endpoint with scripted turns, and an RLM that asks it."""

    def __init__(self, store: Path, script: list[Any], **faults: Any) -> None:
        self.server = serve(gold=gold(40), script=script, **faults)
        self.given = {"base_url": self.server.base_url, "api_key": "none", "store": str(store)}

    def rlm(self, **more: Any) -> RLM:
        return RLM({"root": "root", "sub": "rows"}, **{**self.given, **more})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Any]:
    made: list[Bench] = []

    def start(*script: Any, **faults: Any) -> Bench:
        made.append(Bench(tmp_path / f"{len(made)}.sqlite", list(script), **faults))
        return made[-1]

    yield start
    for each in made:
        each.server.stop()


def test_a_completion_holds_answer_turns_usage_and_program(bench: Any, tmp_path: Path) -> None:
    held = bench("show prompt | take(2)", LABELS, "answer topics | where(topic == 'billing') | count()")
    done = held.rlm(traces=tmp_path / "traces").completion(TEXTS, "How many are about billing?")
    assert (done.response, done.value, done.root_model) == ("10", 10, "root")
    assert [turn["iteration"] for turn in done.metadata["iterations"]] == [1, 2, 3]
    assert done.metadata["iterations"][-1]["final_answer"] == 10
    usage = done.usage_summary.model_usage_summaries
    assert (usage["root"].total_calls, usage["rows"].total_calls) == (3, 40), "rows count as well as turns"
    assert done.usage_summary.total_input_tokens == held.server.stats()["tokens"]["prompt"]
    assert done.trace is not None and rlm_dsl.verify(done.trace, {"prompt": texts_table()}).ok
    again = rlm_dsl.run(done.program, {"prompt": texts_table()}, model="rows", **held.given)
    assert again.value == 10 and again.spent.calls == 0
    assert json.loads(json.dumps(done.to_dict()))["response"] == "10"


def texts_table() -> list[dict[str, Any]]:
    return [{"number": n, "text": text} for n, text in enumerate(TEXTS, 1)]


# ---- parsing: what stands around the statements ----


@pytest.mark.parametrize(
    "reply",
    [
        COUNT,
        f"```repl\n{COUNT}\n```",
        f"```python\n{COUNT}\n```",
        f"I look first.\n```\nshow prompt | take(1)\n```\nand then\n```\n{COUNT}\n```\nDone.",
        f"~~~~\n{COUNT}\n~~~~",
        f"```rlm\n{COUNT}",
        f"<think>```\nanswer 7\n```</think>\n{COUNT}",
        f"The count comes next.\n{COUNT}\nThat is all.",
    ],
    ids=["bare", "repl", "python", "two blocks", "tildes", "open fence", "thinking", "prose"],
)
def test_a_reply_is_read_whatever_stands_around_its_statements(bench: Any, reply: str) -> None:
    assert bench(reply).rlm().completion(TEXTS, "How many?").value == 40


def test_a_reply_without_statements_is_told_so_and_costs_one_turn(bench: Any) -> None:
    done = bench("I believe it is forty.", COUNT).rlm().completion(TEXTS, "How many?")
    assert done.metadata["iterations"][0]["code_blocks"] == [] and done.value == 40
    held = bench("FINAL(40)", "So it is.", "print(context)", COUNT)
    assert held.rlm().completion(TEXTS, "How many?").value == 40
    asked = [json.dumps(request.body["messages"]).replace("\\n", "\n") for request in held.server.requests]
    assert (
        END.format(table=TEXT_NAME) in asked[1]
        and NOTHING.format(table=TEXT_NAME) in asked[2]
        and "write: show expression" in asked[3]
    )


def test_code_of_another_language_is_answered_and_never_run(bench: Any, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    done = bench(f"```python\nimport pathlib\npathlib.Path({str(touched)!r}).touch()\n```", COUNT)
    assert done.rlm().completion(TEXTS, "How many?").value == 40 and not touched.exists()


# ---- turns ----


def test_the_last_turn_is_announced_and_can_still_answer(bench: Any) -> None:
    held = bench("show prompt | take(1)", "show prompt | take(2)", COUNT)
    assert held.rlm(max_iterations=3).completion(TEXTS, "How many?").value == 40
    assert "last turn" in held.server.requests[-1].body["messages"][-1]["content"]


def test_out_of_turns_there_is_no_answer_rather_than_an_invented_one(bench: Any) -> None:
    with pytest.raises(NoAnswer):
        bench("show prompt | nothing()").rlm(max_iterations=2).completion(TEXTS, "How many?")


def test_names_live_from_turn_to_turn_and_not_from_completion_to_completion(bench: Any) -> None:
    rlm = bench("one = prompt | take(1)", "answer one | count()").rlm()
    first, second = rlm.completion(TEXTS, "How many?"), rlm.completion(TEXTS[:7], "How many?")
    assert (first.value, second.value) == (1, 1)
    assert first.program != "" and "one = prompt" in second.program


def test_an_error_in_a_turn_leaves_what_was_bound(bench: Any) -> None:
    done = bench("a = prompt | take(3)\nb = a | wher(number > 1)", "answer a | count()").rlm()
    assert done.completion(TEXTS, "How many?").value == 3


# ---- types ----


@pytest.mark.parametrize(
    ("returns", "expression", "value"),
    [
        ("int", "prompt | count()", 40),
        ("text", "prompt | count()", "40"),
        ("float", "prompt | count()", 40.0),
        ("bool", "count(prompt) > 3", True),
        ("list[int]", "prompt | where(number < 3) | select(number)", [1, 2]),
        ("int", "prompt | select(number) | take(1)", 1),
        ('enum["many", "few"]', "if(count(prompt) > 3, 'many', 'few')", "many"),
        ("{n: int, last: int}", "{n: count(prompt), last: max(prompt, number)}", {"n": 40, "last": 40}),
        ("table(number: int)", "prompt | where(number < 2) | select(number)", [{"number": 1}]),
    ],
)
def test_answers_come_in_the_type_asked_for(bench: Any, returns: str, expression: str, value: Any) -> None:
    found = bench(f"answer {expression}").rlm().completion(TEXTS, "What?", returns=returns)
    assert found.value == value and type(found.value) is type(value)


def test_an_answer_of_another_type_is_an_error_that_shows_it(bench: Any) -> None:
    with pytest.raises(WrongType, match="whole number"):
        bench("answer prompt | first(text)").rlm().completion(TEXTS, "How many?", returns="int")
    with pytest.raises(rlm_dsl.UserError, match="no type: 'number'"):
        bench(COUNT).rlm().completion(TEXTS, "How many?", returns="number")


# ---- what is handed in ----


def test_a_text_is_never_a_path_and_a_path_is_a_file(bench: Any, tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("one\ntwo\n")
    rlm = bench("answer prompt | values(text)").rlm()
    assert rlm.completion(str(tmp_path / "two.txt"), "Which lines?").value == [str(tmp_path / "two.txt")]
    assert rlm.completion(tmp_path / "two.txt", "Which lines?").value == ["one", "two"]


def test_data_by_name_may_be_called_like_words_of_the_language(bench: Any) -> None:
    prompt = {"context": "a\nb", "answer": [{"show": 1}], "count": "c"}
    done = bench("answer {a: count(context), b: count(answer), c: count(count)}").rlm()
    assert done.completion(prompt, "How many?").value == {"a": 2, "b": 1, "c": 1}


def test_without_a_question_the_prompt_is_asked_itself(bench: Any) -> None:
    long = "Count the lines of this text.\n" + "filler\n" * 2_000
    held = bench(COUNT)
    assert held.rlm().completion(long).value == 2_001
    opening = held.server.requests[0].body["messages"][1]["content"]
    assert "Count the lines of this text." in opening and len(opening) < 12_000
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How many messages?"}]
    assert held.rlm().completion(chat).value == 2
    with pytest.raises(rlm_dsl.UserError, match="no question is asked"):
        held.rlm().completion([{"a": 1}])


# ---- batches and budget ----


def test_answers_of_rows_come_back_in_the_rows_own_order(bench: Any) -> None:
    held = bench(LABELS + "\nanswer topics | values(topic)", latency=0.002, jitter=1.0)
    labels = held.rlm().completion(TEXTS, "Label them.").value
    assert labels == [row["label"] for row in gold(40)] and held.server.max_in_flight > 4


def test_one_failed_row_fails_its_step_or_is_null_where_that_is_said(bench: Any) -> None:
    texts = [*TEXTS[:5], "nobody knows this one"]
    asked = "l = prompt | classify(on=text, labels=['billing', 'other'], into=topic{})\nanswer l | values(topic)"
    known = [*gold(40)[:5], {"text": texts[-1], "label": "neither", "topic": 7}]
    with serve(gold=known, script=[asked.format(", on_error='null'")]) as server:
        rlm = RLM("m", base_url=server.base_url, api_key="none", store=bench(COUNT).given["store"])
        assert rlm.completion(texts, "Label them.").value == [*(row["label"] for row in gold(40)[:5]), None]
    with serve(gold=known, script=[asked.format("")]) as server:
        rlm = RLM("m", base_url=server.base_url, api_key="none", max_iterations=1, store=bench(COUNT).given["store"])
        with pytest.raises(rlm_dsl.UserError):
            rlm.completion(texts, "Label them.")


def test_one_budget_holds_for_turns_and_rows_and_is_refused_before_a_step(bench: Any) -> None:
    held = bench(LABELS, COUNT)
    held.rlm(budget={"calls": 20}).completion(TEXTS, "Label them.")
    assert held.server.calls == 2, "the turns alone were asked: the model is told that the step is too dear"
    with pytest.raises(BudgetExceeded, match="needs 40 new model calls"):
        bench(LABELS).rlm(budget={"calls": 20}, max_iterations=1).completion(TEXTS, "Label them.")
    with pytest.raises(BudgetExceeded):
        bench(LABELS).rlm(max_tokens=1_000).completion(TEXTS, "Label them.")


def test_completions_run_side_by_side(bench: Any) -> None:
    rlm = bench(COUNT, latency=0.1).rlm()

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(rlm.acompletion(TEXTS[:n], "How many?") for n in (1, 2, 3)))

    assert [done.value for done in asyncio.run(all_of_them())] == [1, 2, 3]


# ---- what `rlms` takes ----


def test_a_server_is_named_as_in_rlms(bench: Any) -> None:
    held = bench(COUNT)
    kwargs = {"model_name": "root", "base_url": held.server.base_url, "api_key": "none"}
    rlm = RLM(backend="vllm", backend_kwargs=kwargs, store=held.given["store"], sampling_args={"max_tokens": 99})
    assert rlm.completion(TEXTS, "How many?").value == 40
    assert held.server.requests[0].body["max_completion_tokens"] == 99
    assert "none" not in repr(rlm)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"custom_tools": {"f": len}}, "takes no `custom_tools`"),
        ({"environment": "docker"}, "nothing else of theirs is executed"),
        ({"backend": "anthropic"}, "OpenAI-compatible"),
        ({"backend_kwargs": {"default_headers": {}}}, "backend_kwargs has no default_headers"),
        ({"max_timeout": 3}, "timeout_seconds"),
    ],
)
def test_what_makes_no_sense_here_is_refused_with_a_reason(given: dict[str, Any], says: str) -> None:
    with pytest.raises(rlm_dsl.UserError) as failure:
        RLM("m", **given)
    assert says in str(failure.value)
    with pytest.raises(rlm_dsl.UserError, match="no model is named"):
        RLM()
    with pytest.raises(TypeError, match="temprature"):
        RLM("m", temprature=0)


def test_the_example_of_the_documents_runs(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DOCS / "interfaces.md").read_text(encoding="utf-8")
    example = text.partition("```python\n")[2].partition("```")[0]
    held = bench("answer prompt | count()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", held.server.base_url)
    monkeypatch.setenv("RLM_DSL_STORE", held.given["store"])
    (tmp_path / "tickets.csv").write_text("id,body\n" + "".join(f"{n},text {n}\n" for n in range(16)))
    names: dict[str, Any] = {}
    exec(example, names)
    assert names["done"].response == "16" and (tmp_path / "runs" / "0001.trace" / "seal.json").is_file()
