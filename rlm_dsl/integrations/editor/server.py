"""The language server: problems, completion, hover, formatting, names, signatures and quick fixes for any editor that
speaks the protocol.

In: messages on standard input. Out: messages on standard output. Law: it holds no logic of its own; a text is handed to
the functions of this folder, and places are translated to the units that the editor counts in (UTF-16 unless agreed
otherwise). Only the newest version of a text is checked, beside the answers; no file is read; what is no request of the
protocol's form is answered by an error of its form.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, default_converter

from rlm_dsl.common.diagnostics import Diagnostic, ProgramError, UserError
from rlm_dsl.common.source import Source, Span
from rlm_dsl.common.version import version
from rlm_dsl.integrations.editor.checkpoints import Checkpoints
from rlm_dsl.integrations.editor.completion import Candidate, complete
from rlm_dsl.integrations.editor.fixes import fixes
from rlm_dsl.integrations.editor.hover import hover
from rlm_dsl.integrations.editor.names import Symbol, definition, references, rename, symbols
from rlm_dsl.integrations.editor.places import offset, position
from rlm_dsl.integrations.editor.problems import UNDECLARED, problems
from rlm_dsl.integrations.editor.reading import NEXT_STATEMENT, environment_after
from rlm_dsl.integrations.editor.signature import signature
from rlm_dsl.language.check import Environment
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show
from rlm_dsl.language.types import quoted_name

PAUSE = 0.1
"""Seconds without a keystroke before a text is checked."""
SYMBOLS = {
    "context": lsp.SymbolKind.Struct,
    "param": lsp.SymbolKind.Constant,
    "binding": lsp.SymbolKind.Variable,
    "show": lsp.SymbolKind.Event,
    "answer": lsp.SymbolKind.Event,
}
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


class Protocol(LanguageServerProtocol):
    """The protocol, in which a request that cannot be read is answered: an editor would wait for it for ever."""

    def structure_message(self, data: dict[str, Any]) -> Any:
        try:
            return super().structure_message(data)
        except JsonRpcException:
            if "method" not in data:
                raise
            if isinstance(number := data.get("id"), int | str):
                told = JsonRpcInvalidParams(f"these are no parameters of {data['method']}")
                self._send_response(number, None, told.to_response_error())
            return super().structure_message({"jsonrpc": "2.0", "method": "$/unreadable", "params": {}})


class Server(LanguageServer):
    """Owns what is known of the open texts, and one check of each at a time."""

    def __init__(self) -> None:
        kind = lsp.TextDocumentSyncKind.Full
        super().__init__("rlm-dsl", version(), kind, protocol_cls=Protocol, converter_factory=default_converter)
        self.checks: dict[str, asyncio.Future[None]] = {}
        self.checkpoints: dict[str, Checkpoints] = {}

    def text(self, uri: str) -> str:
        """The text of an open document; of any other, none."""
        document = self.workspace.text_documents.get(uri)
        return "" if document is None else document.source

    def at(self, uri: str, place: lsp.Position) -> tuple[str, int]:
        text = self.text(uri)
        return text, offset(text, place.line, place.character, self.units)

    @property
    def units(self) -> str:
        encoding = self.workspace.position_encoding
        return str(getattr(encoding, "value", encoding) or "utf-16")

    def range(self, text: str, span: Span) -> lsp.Range:
        start, end = position(text, span.start, self.units), position(text, span.end, self.units)
        return lsp.Range(lsp.Position(*start), lsp.Position(*end))

    def before(self, uri: str, text: str, offset: int) -> tuple[int, Environment]:
        """Where to read on from for what is said of an offset, and what is bound there."""
        return self.checkpoints.setdefault(uri, Checkpoints()).before(text, offset)

    def whole(self, uri: str, text: str) -> Environment:
        """What is bound in all of a text."""
        start, known = self.before(uri, text, len(text))
        return environment_after(text[start:], known)

    def check(self, uri: str) -> None:
        """Have the newest version checked; one check of a text is under way at most."""
        if uri not in self.checks:
            self.checks[uri] = asyncio.ensure_future(self.checked(uri))

    async def checked(self, uri: str) -> None:
        try:
            while True:
                await asyncio.sleep(PAUSE)
                text = self.text(uri)
                found = await asyncio.to_thread(problems, text)
                document = self.workspace.text_documents.get(uri)
                if document is None:
                    return None
                if document.source == text:
                    told = [diagnostic(problem, self.range(text, problem.span)) for problem in found]
                    params = lsp.PublishDiagnosticsParams(uri, told, document.version)
                    return self.text_document_publish_diagnostics(params)
        finally:
            del self.checks[uri]


def server() -> Server:
    made = Server()

    @made.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    async def opened(server: Server, params: lsp.DidOpenTextDocumentParams) -> None:
        server.check(params.text_document.uri)

    @made.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(server: Server, params: lsp.DidChangeTextDocumentParams) -> None:
        server.check(params.text_document.uri)

    @made.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(server: Server, params: lsp.DidCloseTextDocumentParams) -> None:
        server.checkpoints.pop(params.text_document.uri, None)
        server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(params.text_document.uri, []))

    @made.feature(
        lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=["|", "(", ".", ",", "=", ":", " ", '"'])
    )
    def completed(server: Server, params: lsp.CompletionParams) -> lsp.CompletionList:
        text, at = server.at(params.text_document.uri, params.position)
        start, known = server.before(params.text_document.uri, text, at)
        found = complete(text[start:at], at - start, known)
        span = server.range(text, Span(start + found.start, at))
        items = [item(candidate, rank, span) for rank, candidate in enumerate(found.candidates)]
        return lsp.CompletionList(is_incomplete=False, items=items)

    @made.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hovered(server: Server, params: lsp.HoverParams) -> lsp.Hover | None:
        text, at = server.at(params.text_document.uri, params.position)
        start, known = server.before(params.text_document.uri, text, at)
        end = next((found.start() for found in NEXT_STATEMENT.finditer(text, at + 1)), len(text))
        found = hover(text[start:end], at - start, known)
        if found is None:
            return None
        content = lsp.MarkupContent(lsp.MarkupKind.Markdown, found.markdown)
        return lsp.Hover(content, server.range(text, Span(start + found.span.start, start + found.span.end)))

    @made.feature(lsp.TEXT_DOCUMENT_SIGNATURE_HELP, lsp.SignatureHelpOptions(trigger_characters=["(", ","]))
    def helped(server: Server, params: lsp.SignatureHelpParams) -> lsp.SignatureHelp | None:
        text, at = server.at(params.text_document.uri, params.position)
        start, known = server.before(params.text_document.uri, text, at)
        found = signature(text[start:at], at - start, known)
        if found is None:
            return None
        parameters = [
            lsp.ParameterInformation(found.form[span.start : span.end], told or None) for span, told in found.parameters
        ]
        manual = lsp.MarkupContent(lsp.MarkupKind.Markdown, found.manual)
        return lsp.SignatureHelp([lsp.SignatureInformation(found.form, manual, parameters)], 0, found.active)

    @made.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def formatted(server: Server, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit]:
        text = server.text(params.text_document.uri)
        canonical = formatting(text)
        if canonical is None or canonical == text:
            return []
        return [lsp.TextEdit(server.range(text, Span(0, len(text))), canonical)]

    with_names(made)
    return made


def with_names(made: Server) -> None:
    """What is asked of names, and the fixes of those that are wrong."""

    @made.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def defined(server: Server, params: lsp.DefinitionParams) -> lsp.Location | None:
        uri = params.text_document.uri
        text, at = server.at(uri, params.position)
        found = definition(text, at, server.whole(uri, text))
        return None if found is None else lsp.Location(uri, server.range(text, found))

    @made.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    def referred(server: Server, params: lsp.ReferenceParams) -> list[lsp.Location]:
        uri = params.text_document.uri
        text, at = server.at(uri, params.position)
        known = server.whole(uri, text)
        own = None if params.context.include_declaration else definition(text, at, known)
        return [lsp.Location(uri, server.range(text, s)) for s in references(text, at, known) if s != own]

    @made.feature(lsp.TEXT_DOCUMENT_RENAME)
    def renamed(server: Server, params: lsp.RenameParams) -> lsp.WorkspaceEdit:
        uri = params.text_document.uri
        text, at = server.at(uri, params.position)
        try:
            found = rename(text, at, params.new_name, server.whole(uri, text))
        except UserError as failure:
            raise JsonRpcInvalidParams(failure.message) from None
        edits = [lsp.TextEdit(server.range(text, span), quoted_name(params.new_name)) for span in found]
        return lsp.WorkspaceEdit({uri: edits})

    @made.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def outlined(server: Server, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        uri = params.text_document.uri
        text = server.text(uri)
        return [outline(server, text, each) for each in symbols(text, server.whole(uri, text))]

    @made.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix]))
    def mended(server: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        uri, kind = params.text_document.uri, lsp.CodeActionKind.QuickFix
        text = server.text(uri)
        actions = []
        for told in params.context.diagnostics:
            start, end = (
                offset(text, at.line, at.character, server.units) for at in (told.range.start, told.range.end)
            )
            for fix in fixes(text, Span(start, end), told.message):
                edit = lsp.WorkspaceEdit({uri: [lsp.TextEdit(server.range(text, fix.span), fix.text)]})
                actions.append(lsp.CodeAction(fix.title, kind, [told], is_preferred=True, edit=edit))
        return actions


def outline(server: Server, text: str, each: Symbol) -> lsp.DocumentSymbol:
    whole, name = server.range(text, each.span), server.range(text, each.name_span)
    return lsp.DocumentSymbol(each.name, SYMBOLS[each.kind], whole, name, each.detail or None)


def formatting(text: str) -> str | None:
    """The canonical form of a program; None if it does not parse."""
    try:
        return show(parse(Source("", text)))
    except ProgramError:
        return None


def diagnostic(problem: Diagnostic, place: lsp.Range) -> lsp.Diagnostic:
    """A problem as the protocol has it: the hints stand in the message."""
    severity = lsp.DiagnosticSeverity.Error
    if problem.severity == "warning":
        noted = problem.code == UNDECLARED
        severity = lsp.DiagnosticSeverity.Information if noted else lsp.DiagnosticSeverity.Warning
    message = "\n".join([problem.message, *(f"hint: {hint}" for hint in problem.hints)])
    return lsp.Diagnostic(place, message, severity, problem.code, source="rlm-dsl")


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
