"""A tuned program: what optimizing found, as data beside the program, `PROGRAM.tuned.yaml`.

In: the file, a program's text. Out: the program's text with the file's settings in it, and the proxies that it names.
Law: what runs, and what a trace records, is the whole tuned text: instructions and examples are arguments of steps, and
so a part of their keys; no other place knows that a program was tuned.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.atomic_write import write_files
from rlm_dsl.common.diagnostics import ProgramError, UserError, did_you_mean
from rlm_dsl.common.hashing import identity
from rlm_dsl.common.own_files import PROXIES, TUNED, require_own
from rlm_dsl.common.source import Source
from rlm_dsl.common.yaml_file import YamlReader, is_mapping, yaml_source
from rlm_dsl.language.edit.set_arguments import Setting, with_settings
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show
from rlm_dsl.models.proxies import proxies_of
from rlm_dsl.models.settings import Settings

if TYPE_CHECKING:
    from yaml import Node

SCHEMA = "rlm-tuned/1"
NONE = "none"
"""Instead of a file: the program as it is."""


@dataclass(frozen=True, slots=True)
class TunedCall:
    """Arguments of one call, by name: `call` is its operator, with a number where a step has several of it."""

    step: str
    call: str
    set: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a tuned file says. `program` is the digest of the text that it was made from; `text` is another program in
    its stead, where more than arguments changed; `made` and `scores` tell where it comes from."""

    program: str
    calls: tuple[TunedCall, ...] = ()
    rows_per_call: Mapping[str, int] = field(default_factory=dict)
    text: str = ""
    made: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    proxies: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def yaml(self) -> str:
        """The file's text; its proxies go into a file of their own."""
        steps: dict[str, list[dict[str, Any]]] = {}
        for call in self.calls:
            steps.setdefault(call.step, []).append({"call": call.call, "set": dict(call.set)})
        whole = {
            "schema": SCHEMA,
            "program": self.program,
            "made": dict(self.made),
            "scores": dict(self.scores),
            "steps": steps,
            "rows_per_call": dict(self.rows_per_call),
            "text": self.text,
        }
        return yaml_text({name: value for name, value in whole.items() if value})


def yaml_text(value: Any) -> str:
    """YAML for people: in the order given, long texts over several lines."""
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        pass

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value.strip() else None)

    Dumper.add_representer(str, text)
    return str(yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110))


def program_digest(text: str) -> str:
    """The digest of a program, layout and comments apart."""
    return identity("program-v1", show(replace(parse(Source("program", text)), comments=(), blank_lines=())))


def tuned_path(program: Path) -> Path:
    return program.with_suffix(".tuned.yaml")


def proxies_path(tuned: Path) -> Path:
    """Where the proxies of a tuned file stand: beside it, `PROGRAM.proxies.json`."""
    return tuned.with_name(tuned.name.removesuffix(".yaml").removesuffix(".tuned") + ".proxies.json")


def write_tuned(program: Path, tuned: Tuned) -> list[str]:
    """The tuned file, and its proxies where it has some; their names."""
    target = tuned_path(program)
    files = {target: tuned.yaml()}
    if tuned.proxies:
        files = {proxies_path(target): proxies_text(tuned), **files}
    write_files(files)
    return [str(path) for path in files]


def proxies_text(tuned: Tuned) -> str:
    return json.dumps(dict(tuned.proxies), ensure_ascii=False, indent=1) + "\n"


def require_place(program: Path, force: bool) -> None:
    """Raise UserError where the tuned file of a program would be written over another's file."""
    require_own(tuned_path(program), TUNED, force)
    require_own(proxies_path(tuned_path(program)), PROXIES, force)


def find_tuned(program: Path, given: str | None) -> Tuned | None:
    """The tuned file that is named, else the one beside the program, else none. Raises UserError, ProgramError."""
    if given == NONE or (given is None and not tuned_path(program).is_file()):
        return None
    return open_tuned(Path(given) if given else tuned_path(program))


def open_tuned(path: Path) -> Tuned:
    return with_proxies(replace(read_tuned(yaml_source(path, "name another with --tuned")), name=path.name), path)


def with_proxies(found: Tuned, path: Path) -> Tuned:
    """With the proxies that it names, which stand beside its file. Raises UserError where one does not."""
    named = {call.set["proxy"] for call in found.calls if "proxy" in call.set}
    if not named:
        return found
    beside = proxies_path(path)
    try:
        held = json.loads(beside.read_bytes())
        missing = named - held.keys()
    except (OSError, ValueError, AttributeError):
        raise UserError(f"{path} names a proxy, and {beside} holds none", "optimize again") from None
    if missing:
        raise UserError(f"{beside} has no proxy {min(missing)[:12]}", "optimize again")
    proxies_of({digest: held[digest] for digest in named})
    return replace(found, proxies={digest: held[digest] for digest in sorted(named)})


def read_tuned(source: Source) -> Tuned:
    """Raises ProgramError with every problem of the file."""
    reader = _Reader(source)
    found = reader.tuned()
    if reader.problems:
        raise ProgramError(reader.problems, source)
    return found


class _Reader(YamlReader):
    def tuned(self) -> Tuned:
        root = self.root()
        if root is None:
            return Tuned("")
        readers = {
            "schema": lambda node: self.choice(node, SCHEMA),
            "program": self.text,
            "made": self.plain_mapping,
            "scores": self.plain_mapping,
            "steps": lambda node: self.each(node, lambda each: self.listed(each, self.call)),
            "rows_per_call": lambda node: self.each(node, self.count),
            "text": self.text,
        }
        held = self.record(root, readers, needs=("schema",))
        steps: dict[str, list[tuple[str, dict[str, Any]]]] = held.pop("steps", {})
        held.pop("schema", None)
        calls = tuple(TunedCall(step, *call) for step, listed in steps.items() for call in listed)
        return Tuned(**{"program": "", **held, "calls": calls})

    def call(self, node: Node) -> tuple[str, dict[str, Any]]:
        held = self.record(node, {"call": self.text, "set": self.settings}, needs=("call", "set"))
        return held.get("call", ""), held.get("set", {})

    def settings(self, node: Node) -> dict[str, Any]:
        if not is_mapping(node):
            self.report(node, "arguments with their values are expected here", "such as guide: what decides")
            return {}
        found = {}
        for key, value in node.value:
            found[str(key.value)] = self.plain(value)
            if not has_literal(found[str(key.value)]):
                self.report(
                    value, "the language has no literal for this", "texts, numbers, true, false, lists, records"
                )
        return found


def has_literal(value: Any) -> bool:
    """Whether a value can be written out in a program."""
    if isinstance(value, list):
        return all(map(has_literal, value))
    if isinstance(value, dict):
        return all(isinstance(name, str) and has_literal(each) for name, each in value.items())
    return value is None or isinstance(value, bool | int | float | str)


def literal_of(value: Any) -> t.Expression:
    """A plain value as it is written out in a program."""
    match value:
        case None | bool():
            return t.Constant(value)
        case int() | float():
            return t.Unary("-", t.Number(-value)) if value < 0 else t.Number(value)
        case str():
            return t.Text(value)
        case list() | tuple():
            return t.Items(tuple(t.Argument(None, literal_of(item)) for item in value))
        case Mapping():
            return t.Entries(tuple(t.Entry(name, literal_of(item)) for name, item in value.items()))
        case _:
            raise TypeError(f"no literal for {type(value).__name__}")


def merge_calls(calls: Iterable[TunedCall]) -> tuple[TunedCall, ...]:
    """One entry for each call, with all that is set in it."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for call in calls:
        found.setdefault((call.step, call.call), {}).update(call.set)
    return tuple(TunedCall(step, call, arguments) for (step, call), arguments in found.items())


def with_calls(source: Source, calls: Iterable[TunedCall]) -> str:
    """A program's text with arguments set. Raises UserError for a step or call that is not there."""
    text = source.text
    for call in calls:
        operator, _, number = call.call.removesuffix("]").partition("[")
        settings = [
            Setting(operator, int(number) if number.isdigit() else None, name, literal_of(value), f"{call.call}.{name}")
            for name, value in call.set.items()
        ]
        text = with_settings(Source(source.name, text), call.step, settings)
    return text


def tuned_source(source: Source, tuned: Tuned) -> Source:
    """A program as it was tuned. Raises UserError where the file is not about this program any more."""
    if tuned.text and tuned.program != program_digest(source.text):
        raise UserError(
            f"{source.name} is no longer what {tuned.name} was made from",
            "optimize again, or run it as it is: --tuned none",
            code="tuned",
        )
    base = Source(source.name, tuned.text or source.text)
    steps = {s.name for s in parse(base).statements if isinstance(s, t.Binding)} | {"answer"}
    for call in tuned.calls:
        if call.step not in steps:
            raise UserError(
                f"{tuned.name} tunes `{call.step}`, which {source.name} has not",
                "; ".join(did_you_mean(call.step, sorted(steps), what="steps"))
                + "; or optimize again, or run it as it is: --tuned none",
                code="tuned",
            )
    return Source(source.name, with_calls(base, tuned.calls))


def apply_tuned(source: Source, tuned: Tuned | None, settings: Settings) -> tuple[Source, Settings, dict[str, Any]]:
    """What is run instead of a program, with what, and what the run's header says of it."""
    if tuned is None:
        return source, settings, {}
    said = {"file": tuned.name, "made": dict(tuned.made), "scores": dict(tuned.scores), "before": source.text}
    more = replace(
        settings,
        rows_per_call={**tuned.rows_per_call, **settings.rows_per_call},
        proxies={**tuned.proxies, **settings.proxies},
    )
    return tuned_source(source, tuned), more, {"tuned": said}


def tuning_line(source: Source, tuned: Tuned) -> str:
    """One line for whoever runs it."""
    what = ", ".join(dict.fromkeys([*(call.step for call in tuned.calls), *tuned.rows_per_call]))
    stale = tuned.program and tuned.program != program_digest(source.text)
    note = "; the program has changed since, and its scores may not hold: optimize again" if stale else ""
    return f"tuned by {tuned.name}: {what or 'the program'}{note}"


def proxy_lines(proxies: Mapping[str, Any]) -> list[str]:
    """Of each proxy, what it was certified by."""
    return [f"its proxy {': '.join(certificate_words(value['certificate']))}" for _, value in sorted(proxies.items())]


def certificate_words(certificate: Any) -> tuple[str, ...]:
    """What a proxy was certified by: of all rows, and of those that it decides, as far as its certificate says it."""
    if not isinstance(certificate, Mapping) or not {"decided", "rows", "wrong", "target"} <= certificate.keys():
        return ("has a certificate of another form",)
    decided, rows, wrong = (certificate[name] for name in ("decided", "rows", "wrong"))
    bounds = {"most_wrong": "of all rows", "most_wrong_of_decided": "of those that it decides"}
    most = [f"{share(certificate[name])} {of}" for name, of in bounds.items() if name in certificate]
    aim = f"{certificate['target']}, delta {certificate.get('delta', '?')}"
    return (
        f"decided {decided} of {rows} rows when certified, {wrong} of these {decided} unlike the model",
        f"at most {' and '.join(most)} ({aim})" if most else f"within {aim}",
    )


def share(value: Any) -> str:
    """A share, as certificates write it, in hundredths."""
    try:
        return f"{float(value):.1%}"
    except (TypeError, ValueError):
        return str(value)
