"""`lsp`: serve an editor."""

from __future__ import annotations

import click

from rlm_dsl.common.diagnostics import UserError


@click.command("lsp")
def command() -> None:
    """Serve an editor over standard input and output: problems, completion, manual, formatting.

    Example: rlm-dsl lsp
    """
    try:
        from rlm_dsl.integrations.editor.server import serve
    except ModuleNotFoundError as failure:
        if (failure.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        raise UserError("the language server is not installed; get it with: pip install 'rlm-dsl[editor]'") from None
    serve()
