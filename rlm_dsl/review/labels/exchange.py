"""Labels as other tools have them: CSV, JSON Lines, Label Studio's tasks and Argilla's records.

In: labels, or a file of another tool with the rows of a step. Out: the file's text, or labels. Law: what is brought in
is found again by its text, or by the row's digest that went out with it; what fits no row or answer is told, not taken.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError, did_you_mean, printable

FORMS = ("csv", "jsonl", "label-studio", "argilla")
CANNOT_TELL = "cannot tell"
META = ("row", "question", "reviewer", "when", "place", "blind")
BLIND = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
SHOWN = ("model", "prediction", "predictions", "predicted", "suggestion", "suggestions", "model_answer")
"""Names under which files hold what the model said."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A row as it goes out or comes in: its digest and text, what people said, and what the model had."""

    row: str
    text: str
    answer: Mapping[str, Any] | None
    told: bool = True
    """Whether a person said anything of it."""
    model: Mapping[str, Any] | None = None
    question: str = ""
    reviewer: str = ""
    when: str = ""
    place: str = ""
    blind: bool | None = None
    """Whether it was answered blind; None where the file does not say."""
    shown: bool = False
    """Whether the file holds what the model said, which whoever answered in it had in sight."""


def blind_of(said: Any) -> bool | None:
    """Whether a file says that a label is blind: as a truth value, or spelled."""
    return said if isinstance(said, bool) else BLIND.get(str(said).strip().casefold())


def shows_model(values: Mapping[Any, Any], fields: Sequence[str]) -> bool:
    """Whether any of these named values is what the model said."""
    return any(
        value not in (None, "", [], {})
        and name not in fields
        and isinstance(name, str)
        and (name.casefold() in SHOWN or name.casefold().endswith((".suggestion", "_suggestion", "_prediction")))
        for name, value in values.items()
    )


def require_form(form: str) -> str:
    if form not in FORMS:
        raise UserError(f"there is no form {form!r}", *did_you_mean(form, list(FORMS), what="forms")[:1])
    return form


def form_of(path: Path, form: str = "") -> str:
    """The form that is said, else the one that a file's ending tells."""
    if form:
        return require_form(form)
    ending = {".csv": "csv", ".jsonl": "jsonl", ".json": "label-studio"}.get(path.suffix.lower())
    if ending is None:
        raise UserError(f"{path.name} does not tell its form", f"say it: --form {'|'.join(FORMS)}")
    return ending


def written(rows: Sequence[Exchanged], form: str, fields: Sequence[str]) -> str:
    """Rows in a form, the labels' fields by name."""
    return WRITERS[require_form(form)](rows, fields)


def as_csv(rows: Sequence[Exchanged], fields: Sequence[str]) -> str:
    """A table for a sheet: what begins as a formula stands behind an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("text", *fields, *META))
    for row in rows:
        values = [cell(row.answer.get(name)) if row.answer else CANNOT_TELL if row.told else "" for name in fields]
        blind = "" if row.blind is None else cell(row.blind)
        held = (row.row, row.question, row.reviewer, row.when, row.place, blind)
        writer.writerow([harmless(v) for v in (row.text, *values, *held)])
    return out.getvalue()


def cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def harmless(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "'") else text


def bare(text: str) -> str:
    """What stood behind an apostrophe."""
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@", "\t", "\r", "'") else text


def as_lines(rows: Sequence[Exchanged], fields: Sequence[str]) -> str:
    told = []
    for row in rows:
        said = {"answer": None if row.answer is None else dict(row.answer)} if row.told else {}
        held: dict[str, Any] = {"row": row.row, "question": row.question, "reviewer": row.reviewer, "when": row.when}
        held |= {"place": row.place}
        known = {name: value for name, value in held.items() if value}
        told.append({"text": row.text, **said, **known, **({} if row.blind is None else {"blind": row.blind})})
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in told)


def as_label_studio(rows: Sequence[Exchanged], fields: Sequence[str]) -> str:
    """Tasks with annotations: text and truth values as choices, whole and other numbers as numbers, the rest as text.
    The model's answers go along as predictions."""

    def result(answer: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        if answer is None:
            return [choice("answer", CANNOT_TELL)]
        return [region(name, answer.get(name)) for name in fields]

    def region(name: str, value: Any) -> dict[str, Any]:
        if isinstance(value, bool):
            return choice(name, "yes" if value else "no")
        if isinstance(value, int | float):
            return {"from_name": name, "to_name": "text", "type": "number", "value": {"number": value}}
        if isinstance(value, str) and len(value) <= 80:
            return choice(name, value)
        told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return {"from_name": name, "to_name": "text", "type": "textarea", "value": {"text": [told]}}

    def choice(name: str, value: str) -> dict[str, Any]:
        return {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": [value]}}

    tasks = []
    for number, row in enumerate(rows, 1):
        made = {"result": result(row.answer), "was_cancelled": False, **({"created_at": row.when} if row.when else {})}
        model = [{"model_version": "rlm-dsl", "result": result(row.model)}] if row.model else []
        data = {"text": row.text, "rlm_row": row.row, "rlm_question": row.question, **beside(row)}
        if row.reviewer:
            data["rlm_reviewer"] = row.reviewer
        tasks.append({"id": number, "data": data, "annotations": [made] if row.told else [], "predictions": model})
    return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"


def beside(row: Exchanged) -> dict[str, Any]:
    """Of a label what other tools keep as data and do not read: its place, and whether it is blind."""
    place: dict[str, Any] = {"rlm_place": row.place} if row.place else {}
    return place | ({} if row.blind is None else {"rlm_blind": row.blind})


def held_beside(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"place": str(data.get("rlm_place") or ""), "blind": blind_of(data.get("rlm_blind"))}


def as_argilla(rows: Sequence[Exchanged], fields: Sequence[str]) -> str:
    """Records as Argilla 2 has them: fields, responses and suggestions by question."""
    records = []
    for row in rows:
        said = {name: row.answer.get(name) if row.answer else CANNOT_TELL for name in fields} if row.told else {}
        responses = {
            name: [{"value": value, "status": "submitted", **({"user_id": row.reviewer} if row.reviewer else {})}]
            for name, value in said.items()
        }
        suggested = {name: {"value": row.model.get(name), "agent": "rlm-dsl"} for name in fields} if row.model else {}
        records.append(
            {
                "id": row.row,
                "fields": {"text": row.text},
                "metadata": {"rlm_row": row.row, "rlm_question": row.question, **beside(row)},
                "responses": responses,
                "suggestions": suggested,
            }
        )
    return json.dumps(records, ensure_ascii=False, indent=1) + "\n"


WRITERS: Mapping[str, Callable[[Sequence[Exchanged], Sequence[str]], str]] = {
    "csv": as_csv,
    "jsonl": as_lines,
    "label-studio": as_label_studio,
    "argilla": as_argilla,
}


def taken_in(text: str, form: str, fields: Sequence[str]) -> Iterator[tuple[str, Exchanged]]:
    """The labelled rows of a file, each with where it stands in it. Raises UserError for what is not of the form."""
    readers = {"csv": from_csv, "jsonl": from_lines, "label-studio": from_label_studio, "argilla": from_argilla}
    try:
        yield from readers[require_form(form)](text, fields)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, csv.Error) as failure:
        told = printable(f"{type(failure).__name__}: {failure}")[:200]
        raise UserError(f"this is not of the form {form}: {told}", f"forms: {', '.join(FORMS)}") from None


def from_csv(text: str, fields: Sequence[str]) -> Iterator[tuple[str, Exchanged]]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    names = reader.fieldnames or []
    own = [name for name in fields if name in names] or (["label"] if "label" in names and len(fields) == 1 else [])
    if not own:
        raise UserError(f"the file has no column {' or '.join(fields)}", f"it has {', '.join(names) or 'none'}")
    for line in reader:
        values = {name: bare(line[column] or "") for name, column in zip(fields, own, strict=False)}
        if not any(values.values()):
            continue
        answer = None if CANNOT_TELL in values.values() else {name: read_cell(v) for name, v in values.items()}
        held: dict[str, Any] = {name: bare(line.get(name) or "") for name in ("row", "text", *META[1:])}
        held |= {"blind": blind_of(held["blind"]), "shown": shows_model(line, fields)}
        yield f"line {reader.line_num}", Exchanged(answer=answer, **held)


def read_cell(text: str) -> Any:
    """A cell as JSON has it where it is JSON, else its text; spelled truth values as such."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def from_lines(text: str, fields: Sequence[str]) -> Iterator[tuple[str, Exchanged]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        value = json.loads(line)
        answer = value["answer"] if "answer" in value else {name: value[name] for name in fields if name in value}
        if "answer" not in value and not answer and "label" in value:
            answer = {fields[0]: value["label"]}
        if answer is not None and not isinstance(answer, dict):
            answer = {fields[0]: answer}
        held: dict[str, Any] = {name: str(value.get(name) or "") for name in ("row", "text", *META[1:])}
        held |= {"blind": blind_of(value.get("blind")), "shown": shows_model(value, fields)}
        yield f"line {number}", Exchanged(answer=answer, **held)


def from_label_studio(text: str, fields: Sequence[str]) -> Iterator[tuple[str, Exchanged]]:
    for number, task in enumerate(json.loads(text), 1):
        data = task["data"]
        held: dict[str, Any] = {"row": data.get("rlm_row", ""), "question": data.get("rlm_question", "")}
        held |= {"text": data.get("text", ""), "reviewer": data.get("rlm_reviewer", ""), **held_beside(data)}
        predicted = bool(task.get("predictions") or task.get("total_predictions"))
        for made in task.get("annotations", ()):
            if made.get("was_cancelled"):
                continue
            values = {part["from_name"]: value_of(part) for part in made["result"] if part.get("value")}
            if not values:
                continue
            cannot = CANNOT_TELL in values.values()
            known = {name: values[name] for name in fields if name in values}
            known = known or {fields[0]: next(iter(values.values()))}
            when = str(made.get("created_at") or "")
            shown = predicted or bool(made.get("prediction") or made.get("parent_prediction"))
            yield f"task {number}", Exchanged(answer=None if cannot else known, when=when, shown=shown, **held)


def value_of(part: Mapping[str, Any]) -> Any:
    value = part["value"]
    for kind in ("choices", "text", "number", "rating"):
        if kind in value:
            held = value[kind]
            return held[0] if isinstance(held, list) else held
    raise UserError(f"labels of the kind {printable(str(part.get('type')))} are not known", "choices, text, number")


def from_argilla(text: str, fields: Sequence[str]) -> Iterator[tuple[str, Exchanged]]:
    for number, record in enumerate(json.loads(text), 1):
        meta = record.get("metadata") or {}
        held = {"row": meta.get("rlm_row", ""), "question": meta.get("rlm_question", ""), **held_beside(meta)}
        shown = record["fields"]
        held["text"] = str(shown.get("text") or next(iter(shown.values()), ""))
        held["shown"] = suggested(record.get("suggestions"))
        by_user: dict[str, dict[str, Any]] = {}
        for name, said in (record.get("responses") or {}).items():
            for response in said if isinstance(said, list) else [said]:
                if response.get("status", "submitted") == "submitted":
                    by_user.setdefault(str(response.get("user_id") or ""), {})[name] = response["value"]
        for user, values in by_user.items():
            cannot = CANNOT_TELL in values.values()
            known = {name: values[name] for name in fields if name in values}
            yield f"record {number}", Exchanged(answer=None if cannot else known, reviewer=user, **held)


def suggested(suggestions: Any) -> bool:
    """Whether a record suggests an answer: by question, or as a list."""
    held = suggestions.values() if isinstance(suggestions, Mapping) else suggestions or ()
    return any((each.get("value") if isinstance(each, Mapping) else each) is not None for each in held)
