"""The answers that a folder's traces are held to: `blessed.yaml`, beside them.

In: a folder, answers. Out: what was blessed there. Law: nothing but a blessing writes the file, and it is whole or as
it was; one that was changed by hand, so that its parts no longer belong together, is refused.
"""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

from rlm_dsl.common.atomic_write import write_file
from rlm_dsl.common.diagnostics import UserError, printable
from rlm_dsl.common.hashing import identity, without_floats

BLESSED = "blessed.yaml"
HEAD = "# What `rlm-dsl test` holds these traces to, and `rlm-dsl bless` writes.\n"
LARGEST = 1 << 26
"""Bytes of the file."""
LONGEST = 4_000
"""Characters of an answer that is written out; of a longer one the digest alone is."""


def answer_digest(parts: Any) -> str:
    return identity("answer-v1", without_floats(parts))


def read_blessed(folder: Path, *, to_bless: bool = False) -> dict[str, Any]:
    """What was blessed in a folder. Raises UserError for a file that is none of ours, and for an answer that was
    changed by hand, unless it is read `to_bless`: one entry is written anew then, and the others stay as they are."""
    import yaml

    path = folder / BLESSED
    if not os.path.lexists(path):
        return {}
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
            raise UserError(f"{path} is no file that is read", "remove it, and bless the traces anew")
        found = parsed(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError, RecursionError) as failure:
        raise UserError(f"{path} cannot be read: {str(failure).splitlines()[0]}") from None
    if not isinstance(found, dict) or not found or not all(is_entry(name, entry) for name, entry in found.items()):
        raise UserError(f"{path} is not what `rlm-dsl bless` writes", "remove it, and bless the traces anew")
    for name, entry in found.items():
        if not to_bless and "parts" in entry and answer_digest(entry["parts"]) != entry["digest"]:
            told = (
                f"{path}: the answer of {printable(name)} and its digest do not belong together: it was changed by hand"
            )
            raise UserError(told, f"take it back, or bless the trace anew: rlm-dsl bless {folder / name}")
    return found


def parsed(text: str) -> Any:
    """YAML as `bless` writes it: no key twice, nothing that stands for something else. Raises yaml.YAMLError."""
    import yaml

    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken):
            raise yaml.YAMLError(f"line {token.start_mark.line + 1} has an anchor or a tag, which is never written")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    stack = [] if root is None else [root]
    while stack:
        node = stack.pop()
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(keys)) < len(node.value):
                raise yaml.YAMLError(f"line {node.start_mark.line + 1} has a name twice")
            stack += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            stack += node.value
    return None if root is None else yaml.safe_load(text)


def is_entry(name: Any, entry: Any) -> bool:
    """Whether this is the blessing of a trace in the same folder."""
    if not isinstance(name, str) or Path(name).name != name or not isinstance(entry, dict):
        return False
    fields = {"head": str, "digest": str, "parts": list, "blessed": str}
    return {"head", "digest"} <= entry.keys() <= fields.keys() and all(isinstance(entry[f], fields[f]) for f in entry)


def as_read(parts: list[Any]) -> Any:
    """What YAML makes of an answer, which may be another one: of halves of surrogate pairs, for one."""
    import yaml

    text = yaml.safe_dump(parts, allow_unicode=True).encode("utf-8", "backslashreplace").decode("utf-8")
    return yaml.safe_load(text)


def gone(folder: Path) -> list[Path]:
    """The traces of a folder that something was blessed for, and that are not there."""
    return [folder / name for name in read_blessed(folder) if not os.path.lexists(folder / name)]


def write_blessed(trace: Path, head: str, parts: list[Any]) -> Path:
    """An answer as the one that its trace is held to; the file that says so."""
    import yaml

    entry: dict[str, Any] = {
        "head": head,
        "blessed": datetime.date.today().isoformat(),
        "digest": answer_digest(parts),
    }
    if len(json.dumps(parts)) <= LONGEST and answer_digest(as_read(parts)) == entry["digest"]:
        entry["parts"] = parts
    blessed = {**read_blessed(trace.parent, to_bless=True), trace.name: entry}
    path = trace.parent / BLESSED
    write_file(path, HEAD + yaml.safe_dump(blessed, allow_unicode=True, sort_keys=True, width=120))
    return path
