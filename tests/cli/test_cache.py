"""`cache gc`: what goes of the answers that were paid for.

In: a store of answers by two models, of two ages. Out: nothing but a verdict. Law: each condition narrows what goes; it
is told first, and nothing goes without leave.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlm_dsl import cli
from rlm_dsl.models.cache.kinds.sqlite.store import SqliteStore
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Ten answers of each of two models, half of them kept in 1970."""
    path = tmp_path / "s.sqlite"
    held = SqliteStore(path)
    for model in ("dear", "cheap"):
        for number in range(10):
            asked = Request(ModelSettings(model, "http://h/v1"), (Message("user", f"row {number}"),))
            held.put(asked, Answer("x" * 10_000)).result()
    held.rows("UPDATE answers SET kept = 1 WHERE json_extract(request, '$.messages[0].content') < 'row 5'")
    held.close()
    return path


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        ("--model cheap --keep 1kB", {"cheap": 10}),
        ("--model cheap --keep 1GB", {}),
        ("--model cheap --older 1d", {"cheap": 5}),
        ("--model cheap --older 1d --keep 75kB", {"cheap": 3}),
        ("--model neither --keep 1kB", {}),
        ("--older 1d", {"cheap": 5, "dear": 5}),
        ("--keep 1kB", {"cheap": 10, "dear": 10}),
    ],
)
def test_conditions_narrow_and_what_goes_is_asked_first(
    store: Path, capsys: pytest.CaptureFixture[str], words: str, gone: dict[str, int]
) -> None:
    def left() -> dict[str, int]:
        cli.run(["cache", "stats", "--json", "--store", str(store)])
        return {each["model"]: each["answers"] for each in json.loads(capsys.readouterr().out)["models"]}

    gc = ["cache", "gc", "--store", str(store), *words.split()]
    assert cli.run(gc) == (3 if gone else 0)
    asked = capsys.readouterr()
    assert all(f"{count} of {model}" in asked.err for model, count in gone.items())
    assert left() == {"cheap": 10, "dear": 10}
    assert cli.run([*gc, "--yes"]) == 0
    capsys.readouterr()
    assert left() == {model: 10 - gone.get(model, 0) for model in ("cheap", "dear") if gone.get(model, 0) < 10}
