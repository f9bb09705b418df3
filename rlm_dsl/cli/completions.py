"""What a shell offers while a command is typed: steps of a trace, levels, commands, the path behind `NAME=`.

In: what was typed so far. Out: words to go on with. Law: completing reads names alone, raises nothing and prints
nothing else; what is no trace has no steps.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from click import Context, Parameter
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, split_arg_string

Offered = list[CompletionItem]
MOST = 500
BREAKS = ("=", ":")
"""Where bash cuts the words that it hands over (COMP_WORDBREAKS), and this program's words are whole."""
SPECIAL = re.compile(r"""([\s'"\\$&;()<>|*?`!#\[\]{}~])""")
SOURCE = r"""%(complete_func)s() {
    local IFS=$'\n' response completion type value
    response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD %(complete_var)s=bash_complete $1)
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        if [[ $type == 'dir' ]]; then
            COMPREPLY=()
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            COMPREPLY=()
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=("$value")
            [[ $value == */ ]] && compopt -o nospace
        fi
    done
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


def starting(incomplete: str, words: Iterable[str]) -> Offered:
    return [CompletionItem(word) for word in words if word.lower().startswith(incomplete.lower())]


def steps(context: Context, _: Parameter, incomplete: str) -> Offered:
    """The steps of the trace that was named before."""
    from rlm_dsl.common.diagnostics import UserError
    from rlm_dsl.trace.archive import is_trace
    from rlm_dsl.trace.reader import Trace
    from rlm_dsl.trace.unfinished import steps_so_far

    # where an option waits for its value, click has not come to the arguments yet
    typed = [context.params.get("trace"), *split_arg_string(os.environ.get("COMP_WORDS", ""))[2:]]
    for path in (Path(word) for word in typed if isinstance(word, str) and is_trace(Path(word))):
        with suppress(UserError, OSError, KeyError, TypeError, ValueError):
            trace = Trace.open(path, unfinished=True, changed=True)
            found = trace.steps if trace.finished else steps_so_far(trace)
            return starting(incomplete, dict.fromkeys(str(step["step"]) for step in found))
    return []


def levels(_: Context, __: Parameter, incomplete: str) -> Offered:
    from rlm_dsl.trace.divergence import LEVELS

    return starting(incomplete, LEVELS)


def commands(context: Context, _: Parameter, incomplete: str) -> Offered:
    """Commands by name; below a group that was named, its own."""
    held: Any = context.find_root().command
    for word in context.params.get("words") or ():
        held = getattr(held, "commands", {}).get(word)
    return starting(incomplete, getattr(held, "commands", {}))


def named_paths(_: Context, __: Parameter, incomplete: str) -> Offered:
    """The files and folders behind `NAME=`."""
    given, separator, path = incomplete.partition("=")
    if not separator:
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(f"{given}={found}") for found in islice(paths(path), MOST)]


def paths(begun: str) -> Iterator[str]:
    """What a path that was begun may become; folders end in a slash."""
    above, _, own = begun.rpartition("/")
    folder = Path(f"{above}/" if "/" in begun else ".").expanduser()
    with suppress(OSError):
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith(own) and (own or not entry.name.startswith(".")):
                yield f"{above}/" * ("/" in begun) + entry.name + "/" * entry.is_dir()


class Bash(BashComplete):
    """bash, which cuts words at `=` and `:`, and takes back only what stands behind the last of them."""

    source_template = SOURCE
    cut = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        before, incomplete = super().get_completion_args()
        words = whole_words([*before, incomplete])
        *before, incomplete = words or [""]
        value = incomplete.partition("=")[2] if incomplete.startswith("--") else incomplete
        self.cut = value[: max(value.rfind(each) for each in BREAKS) + 1]
        return before, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        if item.type != "plain":
            return super().format_completion(item)
        return "plain," + SPECIAL.sub(r"\\\1", item.value.removeprefix(self.cut))


def whole_words(cut: Iterable[str]) -> list[str]:
    """Words that bash cut at `=` and `:` put together again."""
    words: list[str] = []
    for word in cut:
        if words and (word in BREAKS or words[-1].endswith(BREAKS)):
            words[-1] += word
        else:
            words.append(word)
    return words


def prepare() -> None:
    """Let this bash be the one that completions are made for, where a shell asks for some."""
    if any(name.endswith("_COMPLETE") for name in os.environ):
        add_completion_class(Bash)
