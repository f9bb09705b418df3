"""A shell at a terminal: its prompt, keys, colours and history.

In: what a person types. Out: entries, one after the other, until the person leaves. Law: Ctrl-C cancels the line or the
running step and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rlm_dsl.cli.output import note, safe
from rlm_dsl.cli.shell.commands import Left
from rlm_dsl.cli.shell.completion import completions
from rlm_dsl.cli.shell.entries import Lines, entries
from rlm_dsl.cli.shell.evaluate import evaluate
from rlm_dsl.cli.shell.session import Shell
from rlm_dsl.integrations.editor.reading import goes_on


def at_terminal(shell: Shell) -> int:
    """Ask for entries until the person leaves. What went wrong was seen, so the code is 0."""
    ask = prompt_for(shell)
    note(safe(shell.names()))
    note(":help tells what there is, Ctrl-D leaves")
    while True:
        try:
            lines = Lines(ask())
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        try:
            for entry in entries(lines, lines.following):
                evaluate(shell, entry)
        except KeyboardInterrupt:
            note("interrupted")
        except Left:
            return 0


def prompt_for(shell: Shell) -> Callable[[], str]:
    """How to ask for an entry: with history, completion and highlighting."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.output import create_output

    class Completing(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
            text = document.text
            start, found = completions(text, document.cursor_position, shell.session.environment)
            for candidate in found:
                back = start - document.cursor_position
                yield Completion(candidate.text, back, display_meta=safe(candidate.detail.split("\n")[0]))

    keys = KeyBindings()

    @keys.add("enter")
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None and buffer.complete_state.current_completion is not None:
            buffer.complete_state = None
        elif wants_more(buffer.text):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    session: PromptSession[str] = PromptSession(
        "rlm> ",
        multiline=True,
        prompt_continuation=lambda width, number, wrapped: "...> ".rjust(width),
        completer=Completing(),
        complete_while_typing=False,
        key_bindings=keys,
        lexer=highlighting(),
        history=history(),
        output=create_output(always_prefer_tty=True),
    )
    return session.prompt


def highlighting() -> Any:
    """Colours for what is typed, where Pygments is installed."""
    from prompt_toolkit.lexers import PygmentsLexer

    try:
        from rlm_dsl.integrations.editor.lexer import RlmLexer
    except ModuleNotFoundError:
        return None
    return PygmentsLexer(RlmLexer)


def wants_more(text: str) -> bool:
    """Whether Enter goes on to a further line; an empty line ends the entry in any case."""
    return not text.lstrip().startswith(":") and not text.endswith("\n") and bool(text.strip()) and goes_on(text)


def history() -> Any:
    """What was entered before, in the user's data folder; only of this session if that cannot be written."""
    import platformdirs
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    path = Path(platformdirs.user_data_dir("rlm-dsl", appauthor=False)) / "shell_history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.open("ab").close()
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))
