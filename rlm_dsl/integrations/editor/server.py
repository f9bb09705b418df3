"""The language server: problems, completion, hover and formatting for any editor that speaks the protocol.

In: messages on standard input. Out: messages on standard output. Law: it holds no logic of its own; a text is handed to
the functions of this folder, and places are translated to the units that the editor counts in (UTF-16 unless agreed
otherwise).
"""

from __future__ import annotations

import logging
import os
import sys

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from rlm_dsl.common.diagnostics import Diagnostic, ProgramError
from rlm_dsl.common.source import Source, Span
from rlm_dsl.common.version import version
from rlm_dsl.integrations.editor.completion import Candidate, complete
from rlm_dsl.integrations.editor.hover import hover
from rlm_dsl.integrations.editor.places import offset, position
from rlm_dsl.integrations.editor.problems import UNDECLARED, problems
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show

KINDS = {
    "operator": lsp.CompletionItemKind.Function,
    "aggregate": lsp.CompletionItemKind.Function,
    "function": lsp.CompletionItemKind.Function,
    "column": lsp.CompletionItemKind.Field,
    "name": lsp.CompletionItemKind.Variable,
    "argument": lsp.CompletionItemKind.Property,
    "type": lsp.CompletionItemKind.TypeParameter,
    "word": lsp.CompletionItemKind.Keyword,
}


def serve() -> None:
    """Answer an editor on standard input and output until it says goodbye."""
    logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)
    if sys.stdin.isatty():
        sys.stderr.write("this serves an editor, which starts it by itself; Ctrl-C leaves\n")
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        server().start_io(stdout=out)


def server() -> LanguageServer:
    made = LanguageServer("rlm-dsl", version(), text_document_sync_kind=lsp.TextDocumentSyncKind.Full)

    @made.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(server: LanguageServer, params: lsp.DidOpenTextDocumentParams) -> None:
        publish(server, params.text_document.uri)

    @made.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def changed(server: LanguageServer, params: lsp.DidChangeTextDocumentParams) -> None:
        publish(server, params.text_document.uri)

    @made.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(server: LanguageServer, params: lsp.DidCloseTextDocumentParams) -> None:
        server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(params.text_document.uri, []))

    @made.feature(
        lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=["|", "(", ".", ",", "=", ":", " "])
    )
    def completed(server: LanguageServer, params: lsp.CompletionParams) -> lsp.CompletionList:
        text, units = text_of(server, params.text_document.uri), units_of(server)
        at = offset(text, params.position.line, params.position.character, units)
        found = complete(text, at)
        span = span_range(text, Span(found.start, at), units)
        items = [item(candidate, rank, span) for rank, candidate in enumerate(found.candidates)]
        return lsp.CompletionList(is_incomplete=False, items=items)

    @made.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hovered(server: LanguageServer, params: lsp.HoverParams) -> lsp.Hover | None:
        text, units = text_of(server, params.text_document.uri), units_of(server)
        found = hover(text, offset(text, params.position.line, params.position.character, units))
        if found is None:
            return None
        content = lsp.MarkupContent(lsp.MarkupKind.Markdown, found.markdown)
        return lsp.Hover(content, span_range(text, found.span, units))

    @made.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def formatted(server: LanguageServer, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit]:
        text = text_of(server, params.text_document.uri)
        canonical = formatting(text)
        if canonical is None or canonical == text:
            return []
        return [lsp.TextEdit(span_range(text, Span(0, len(text)), units_of(server)), canonical)]

    return made


def formatting(text: str) -> str | None:
    """The canonical form of a program; None if it does not parse."""
    try:
        return show(parse(Source("", text)))
    except ProgramError:
        return None


def publish(server: LanguageServer, uri: str) -> None:
    document = server.workspace.get_text_document(uri)
    units = units_of(server)
    found = [diagnostic(problem, document.source, units) for problem in problems(document.source)]
    server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, found, document.version))


def diagnostic(problem: Diagnostic, text: str, units: str) -> lsp.Diagnostic:
    """A problem as the protocol has it: the hints stand in the message."""
    severity = lsp.DiagnosticSeverity.Error
    if problem.severity == "warning":
        noted = problem.code == UNDECLARED
        severity = lsp.DiagnosticSeverity.Information if noted else lsp.DiagnosticSeverity.Warning
    message = "\n".join([problem.message, *(f"hint: {hint}" for hint in problem.hints)])
    return lsp.Diagnostic(span_range(text, problem.span, units), message, severity, problem.code, source="rlm-dsl")


def item(candidate: Candidate, rank: int, span: lsp.Range) -> lsp.CompletionItem:
    manual = lsp.MarkupContent(lsp.MarkupKind.Markdown, candidate.manual) if candidate.manual else None
    return lsp.CompletionItem(
        candidate.text,
        kind=KINDS[candidate.kind],
        detail=candidate.detail or None,
        documentation=manual,
        sort_text=f"{rank:04}",
        filter_text=candidate.text,
        text_edit=lsp.TextEdit(span, candidate.text),
    )


def span_range(text: str, span: Span, units: str) -> lsp.Range:
    start, end = position(text, span.start, units), position(text, span.end, units)
    return lsp.Range(lsp.Position(*start), lsp.Position(*end))


def text_of(server: LanguageServer, uri: str) -> str:
    return server.workspace.get_text_document(uri).source


def units_of(server: LanguageServer) -> str:
    encoding = server.workspace.position_encoding
    return str(getattr(encoding, "value", encoding) or "utf-16")
