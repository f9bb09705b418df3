"""The doctor: what about a run would not come out the same another time, said before it is paid for.

In: a program with its settings and data, or a trace. Out: findings, each with what to do. Law: no model is asked,
nothing is run or changed, and no secret's value is told; what is found is on this machine now, local servers among it.

The language has no clock and no randomness of its own (`sample` takes a seed), so programs themselves give nothing to
find: what varies is models, files and what is kept of a run.
"""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.files import archives
from rlm_dsl.context.files.find import STANDARD_INPUT, file_and_table, find
from rlm_dsl.context.files.read import size_of
from rlm_dsl.context.files.remote import is_elsewhere
from rlm_dsl.context.files.streams import open_bytes
from rlm_dsl.engine.run import versions
from rlm_dsl.language.edit.call_sites import calls_in
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.syntax.tree import Number
from rlm_dsl.models.request import ModelSettings
from rlm_dsl.models.server.address import WEIGHTS
from rlm_dsl.models.settings import Settings
from rlm_dsl.replay.sources import recorded_place
from rlm_dsl.trace.going_on import way_on
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.secrets import TELLING, telling

DATED = re.compile(r"(20\d\d-?[01]\d-?[0-3]\d)|-[0-3]\d[0-3]\d(?![0-9])|@[\w.:-]+$|sha256:")
"""A model's name that stands for one state of it: a date (2024-08-06, 20241022, -2411), a revision, a digest."""
NETWORKED = re.compile(r"nfs|cifs|smb|sshfs|9p|afs|ceph|gluster|lustre|webdav|davfs|s3fs|gcsfuse")
"""File systems of other machines, on which locks and renames may not hold."""
FRESH = 10.0
"""Seconds since a change within which a file may still be written to."""
WEAK = 16
"""Characters under which a secret may stand in a text by chance."""
LOOKED_THROUGH = 1 << 28
"""Bytes of the data that are looked through for secrets."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that would not come out the same: a stable code, what it is, and what to do."""

    code: str
    message: str
    advice: str

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "advice": self.advice}


def of_run(
    models: Mapping[str, ModelSettings],
    contexts: Mapping[str, str],
    places: Mapping[str, Path],
    environment: Mapping[str, str],
    now: float | None = None,
) -> list[Finding]:
    """Of a run to come: its models by alias, its data by name, the places (store, trace) it writes to."""
    moment = time.time() if now is None else now
    return [
        *of_models(models),
        *of_places({**places, **{f"context {name}": Path(path) for name, path in contexts.items()}}),
        *(finding for name, path in contexts.items() for finding in of_files(name, path, moment)),
        *of_secrets(environment, contexts),
    ]


def of_models(models: Mapping[str, ModelSettings], served: Iterable[str] = ()) -> Iterator[Finding]:
    """The findings on each model, told once of all aliases that it holds for."""
    aliases: dict[Finding, list[str]] = {}
    for alias, model in models.items():
        for finding in of_model(model, served):
            aliases.setdefault(finding, []).append(alias)
    for finding, names in aliases.items():
        yield replace(finding, message=f"{', '.join(names)}: {finding.message}")


def of_model(model: ModelSettings, served: Iterable[str]) -> Iterator[Finding]:
    """Names that may stand for another model tomorrow, and answers that are drawn. Weights of the user's own are named
    by their digest, and their server takes the likeliest token unless it is told otherwise."""
    dated = sorted(name for name in served if DATED.search(name))
    own = WEIGHTS.fullmatch(model.base_url) is not None
    if not own and not DATED.search(model.model):
        instead = f"name what it stood for: {dated[0]}" if dated else "name a dated one, or pin its revision"
        yield Finding("moving-model", f"the name {model.model} may stand for another model later", instead)
    parameters = model.parameters
    if parameters.get("temperature", 0 if own else None) != 0 and "seed" not in parameters:
        message = "answers are drawn: temperature is not 0, and there is no seed"
        yield Finding("sampling", message, "set --parameter temperature=0, or --parameter seed=1")


def of_slots(settings: Settings) -> Iterator[Finding]:
    """More requests at once than a local server works on, as it tells of itself (`within_limits`)."""
    for url, slots in settings.slots.items():
        at_once = settings.server(url).concurrency or settings.concurrency or 0
        if at_once > slots:
            message = (
                f"{url} works on {counted(slots, 'request')} at once and {at_once} are asked: "
                "what is answered together may come out otherwise from run to run"
            )
            yield Finding("more-than-slots", message, "set --concurrency 1, with which answers come out equal")


def of_packs(program: Any, pack: int) -> Iterator[Finding]:
    """Calls of a program's tree whose rows may go together, `pack` at most where they do not say."""
    operators = table_operators()
    for call in calls_in(program):
        step = operators[call.operator].model if call.operator in operators else None
        said = [each.value.value for each in call.arguments if each.name == "pack" and isinstance(each.value, Number)]
        scored = any(each.name == "probability" for each in call.arguments)
        if step is not None and not step.explores and not scored and (said[0] if said else pack) != 1:
            message = "rows go together in one request: what stands beside a row may change its answer"
            yield Finding("neighbours", f"{call.operator}: {message}", "write pack=1, or set --pack 1, at its price")
            return


def of_places(places: Mapping[str, Path]) -> Iterator[Finding]:
    """What lies on a file system of another machine."""
    mounts = mount_points()
    for what, path in places.items():
        kind = file_system(path, mounts)
        if NETWORKED.search(kind):
            message = f"{what} lies on a network file system ({kind}): locks and renames may not hold there"
            yield Finding("network-files", message, "keep it on a disk of this machine")


def mount_points(table: Path = Path("/proc/self/mounts")) -> dict[str, str]:
    """File systems by where they are mounted; nothing where the system does not say."""
    try:
        lines = table.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    parts = [line.split(" ") for line in lines]
    return {part[1].replace("\\040", " "): part[2] for part in parts if len(part) > 2}


def file_system(path: Path, mounts: Mapping[str, str]) -> str:
    """The kind of file system that a path lies on, or would."""
    real = path.expanduser().resolve()
    above = (str(folder) for folder in (real, *real.parents))
    return next((mounts[folder] for folder in above if folder in mounts), "")


def of_files(name: str, given: str, now: float) -> Iterator[Finding]:
    """Data that may not read the same twice."""
    if given == STANDARD_INPUT:
        yield Finding("unkept-data", f"{name} is standard input: nobody can read it again", "keep it in a file first")
        return
    if is_elsewhere(given):
        return
    for found in dict.fromkeys(on_disk(file.path) for file in find(file_and_table(given)[0])):
        held = found.stat()
        if not stat.S_ISREG(held.st_mode):
            yield Finding("no-file", f"{name}: {found} is no regular file", "copy it to a file first")
        elif held.st_mtime > now + 1:
            message = f"{name}: {found} was changed in the future: clocks differ, or it is being written"
            yield Finding("changing-data", message, "wait, or set the clock right")
        elif now - held.st_mtime < FRESH:
            message = f"{name}: {found} was changed {max(0, now - held.st_mtime):.0f} s ago and may still be written to"
            yield Finding("changing-data", message, "wait until it is whole, or load a copy")


def on_disk(path: str) -> Path:
    """The file itself, of one in an archive the archive."""
    inner = archives.split(path)
    return Path(inner[0] if inner else path)


def of_secrets(environment: Mapping[str, str], contexts: Mapping[str, str]) -> Iterator[Finding]:
    """Values of the environment that would be taken out of texts which are no secrets, or stand in the data."""
    secrets = secrets_of(environment)
    for name, value in sorted(secrets.items()):
        if len(value) < WEAK and value.isalpha():
            message = f"the value of {name} is a plain word: it is taken out wherever a text has it"
            yield Finding("plain-secret", message, f"rename the variable if it is no secret: unset {name}")
    for context, given in contexts.items():
        for name in sorted(found_in(secrets, given)):
            message = f"{context} holds the value of {name}: it is taken out of what models read and of the trace"
            yield Finding("secret-in-data", message, "take it out of the data, or out of the environment")


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The secrets of an environment by the names of their variables."""
    named = {name: value.strip() for name, value in environment.items() if TELLING.search(name)}
    return {name: value for name, value in named.items() if telling(value)}


def found_in(secrets: Mapping[str, str], given: str) -> set[str]:
    """Names of the secrets that stand in the first bytes of the data."""
    held = {name: value.encode("utf-8", "surrogatepass") for name, value in secrets.items()}
    found: set[str] = set()
    left = LOOKED_THROUGH
    if not secrets or given == STANDARD_INPUT or is_elsewhere(given):
        return found
    for file in find(file_and_table(given)[0]):
        with open_bytes(file.path) as opened:
            content = opened.read(max(0, left))
        left -= len(content)
        found |= {name for name, value in held.items() if value in content}
    return found


def of_trace(trace: Trace, environment: Mapping[str, str], now: float | None = None) -> list[Finding]:
    """Of a recorded run: whether a stranger could check it, and run it again."""
    if not trace.finished:
        message = f"{trace.name} has no seal: the run did not end, and nobody can check it"
        return [Finding("unsealed", message, f"finish it: {way_on(trace.folder, trace.place)}")]
    header = trace.header
    models = {alias: ModelSettings.from_json(value) for alias, value in header["models"].items()}
    served = [str(one["model"]) for one in header.get("served", ())]
    asked = any(step.get("asked") for step in trace.steps) or bool(header.get("question"))
    places = {} if trace.held is not None else {"the trace": trace.folder}
    return [
        *(of_models(models, served) if asked else ()),
        *of_places(places),
        *of_versions(header.get("versions", {})),
        *(finding for recorded in header["contexts"] for finding in of_recorded(recorded, trace.folder)),
        *of_marks(header.get("taken_out", ())),
    ]


def of_versions(recorded: Mapping[str, str]) -> Iterator[Finding]:
    for name, own in versions().items():
        if recorded.get(name, own) != own:
            message = f"recorded with {name} {recorded[name]}, and here is {own}"
            package = name.replace("_", "-")
            yield Finding("other-version", message, f"if it does not verify: pip install {package}=={recorded[name]}")


def of_recorded(recorded: Mapping[str, Any], folder: Path) -> Iterator[Finding]:
    """Data that is no longer where and what it was, as far as its size tells."""
    name, given = recorded["name"], recorded["given"]
    if not recorded["sources"] or is_elsewhere(given):
        return
    try:
        sizes = [size_of([file]) for file in find(file_and_table(recorded_place(recorded, folder))[0])]
    except UserError:
        advice = f"say where it lies: verify --context {name}=PATH"
        yield Finding(
            "data-gone", f"{name} is not at {given} any more, or is not opened there for a trace alone", advice
        )
        return
    if sorted(sizes) != sorted(source["size"] for source in recorded["sources"]) and not given.endswith(".rlmctx"):
        message = f"{name}: {given} has other files or sizes than were recorded"
        yield Finding("data-changed", message, "verify tells which; keep the data that was read")


def of_marks(places: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    for place in places:
        if "context" not in place:
            message = f"{place['mark']} was taken out, and no row of the data has it as it was: others cannot redo it"
            yield Finding("unplaced-secret", message, "run again without that secret in params, texts made of parts")
