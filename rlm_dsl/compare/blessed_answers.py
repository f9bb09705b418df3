"""The answers that a folder's traces are held to: `blessed.yaml`, beside them.

In: a folder, answers. Out: what was blessed there. Law: nothing but a blessing writes the file, and it is whole or as
it was.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from rlm_dsl.common.atomic_write import write_file
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import identity, without_floats

BLESSED = "blessed.yaml"
HEAD = "# What `rlm-dsl test` holds these traces to, and `rlm-dsl bless` writes.\n"
LONGEST = 4_000
"""Characters of an answer that is written out; of a longer one the digest alone is."""


def answer_digest(parts: Any) -> str:
    return identity("answer-v1", without_floats(parts))


def read_blessed(folder: Path) -> dict[str, Any]:
    """What was blessed in a folder. Raises UserError for a file that is none of ours."""
    import yaml

    path = folder / BLESSED
    if not path.exists():
        return {}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as failure:
        raise UserError(f"{path} cannot be read: {str(failure).splitlines()[0]}") from None
    if not isinstance(found, dict) or not all(isinstance(v, dict) and "digest" in v for v in found.values()):
        raise UserError(f"{path} is not what `rlm-dsl bless` writes", "remove it, and bless the traces anew")
    return found


def write_blessed(trace: Path, head: str, parts: list[Any]) -> Path:
    """An answer as the one that its trace is held to; the file that says so."""
    import yaml

    entry: dict[str, Any] = {
        "head": head,
        "blessed": datetime.date.today().isoformat(),
        "digest": answer_digest(parts),
    }
    if len(json.dumps(parts)) <= LONGEST:
        entry["parts"] = parts
    blessed = {**read_blessed(trace.parent), trace.name: entry}
    path = trace.parent / BLESSED
    write_file(path, HEAD + yaml.safe_dump(blessed, allow_unicode=True, sort_keys=True, width=120))
    return path
