"""What a run tells of the time of its steps.

In: a run whose model step is a part of another step's query. Out: nothing but a verdict. Law: a model step's time is
what its answers took.
"""

from __future__ import annotations

import rlm_dsl
from rlm_dsl.cli.render.steps import duration
from rlm_dsl.testing import serve


def test_a_model_steps_time_is_what_its_answers_took() -> None:
    program = (
        'marked = t | classify(on=body, labels=["good", "bad"], into=mood)\n'
        'some = marked | where(mood == "good")\nanswer count(some)\n'
    )
    rows = [{"n": n, "body": f"text {n}"} for n in range(4)]
    with serve(gold=lambda shown, schema: {"label": "good"}) as server:
        result = rlm_dsl.run(program, {"t": rows}, model="m", base_url=server.base_url, store=":memory:")
    times = {step.name: step.seconds for step in result.steps}
    assert times["marked"] > times["some"] >= 0 and sum(times.values()) <= result.seconds
    assert [duration(each) for each in (0.0, 0.0264, 86.04)] == ["", "26 ms", "86.0 s"]
