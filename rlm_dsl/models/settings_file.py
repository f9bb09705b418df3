"""`rlm-dsl.yaml`: models by alias, servers, limits and prices, written down once.

In: the file's text. Out: `FileSettings`, or every problem with its line and a caret. Law: a name that is not known is a
problem, never passed over; a secret is never read from the file, only the name of the variable that holds it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import ProgramError, UserError, did_you_mean
from rlm_dsl.common.source import Source, Span
from rlm_dsl.common.yaml_file import YamlReader, is_mapping, span_of, yaml_source
from rlm_dsl.context.given import Given, given_of_node
from rlm_dsl.context.placement import Placement
from rlm_dsl.models.cache.place import READ_ONLY, Place, parts_of
from rlm_dsl.models.prices import Price
from rlm_dsl.models.protocol import AUTO
from rlm_dsl.models.server.address import server_address
from rlm_dsl.models.settings import DEFAULT_URL, Limits, ModelChoice, Server, card_size, pack_size
from rlm_dsl.trace.secrets import TELLING, Redaction

if TYPE_CHECKING:
    from yaml import Node

NAME = "rlm-dsl.yaml"
SWITCHES = {"on": True, "true": True, "off": False, "false": False}
VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What a settings file says; what it leaves out is empty or None."""

    models: Mapping[str, ModelChoice] = field(default_factory=dict)
    servers: tuple[Server, ...] = ()
    prices: Mapping[str, Price] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    budget: Limits | None = None
    confirm_over: float | None = None
    max_failed: float | None = None
    concurrency: int | None = None
    pack: int | None = None
    window: int | None = None
    card: str | None = None
    timeout_seconds: float | None = None
    store: str | None = None
    heads: str | None = None
    keep: str | None = None
    engine: Placement | None = None
    constrain: bool = False
    contexts: Mapping[str, Given] = field(default_factory=dict)


def found_settings(given: str | None) -> FileSettings:
    """The settings of the file that is named, else of `rlm-dsl.yaml` in the working directory, else none."""
    path = Path(given or NAME)
    if given is None and not path.is_file():
        return FileSettings()
    return read_settings(yaml_source(path, "name another with --settings"))


def read_settings(source: Source) -> FileSettings:
    """The settings of a file's text. Raises ProgramError with every problem."""
    reader = _Reader(source)
    found = reader.file()
    if reader.problems:
        raise ProgramError(reader.problems, mask_secrets(source, reader.secrets))
    return found


def mask_secrets(source: Source, spans: Sequence[Span]) -> Source:
    """The text with what may be secret made unreadable, every character in its place."""
    text = source.text
    for span in spans:
        text = text[: span.start] + "*" * (span.end - span.start) + text[span.end :]
    return Source(source.name, text)


def fill_variables(text: str, environment: Mapping[str, str], of: str = "a server's header") -> str:
    """A value with its ${VARIABLES}. Raises UserError for one that is not set."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise UserError(f"the environment has no {match[1]}", f"{of} in {NAME} names it; set it")
        return environment[match[1]]

    return VARIABLE.sub(value, text)


class _Reader(YamlReader):
    """Reads settings, and keeps in mind where secrets stand."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.redaction = Redaction.of(os.environ)
        self.secrets: list[Span] = []

    def file(self) -> FileSettings:
        root = self.root()
        if root is None:
            return FileSettings()
        held = self.record(
            root,
            {
                "models": lambda node: self.each(node, self.model),
                "servers": lambda node: self.each(node, self.server),
                "prices": lambda node: self.each(node, self.price),
                "parameters": self.plain_mapping,
                "budget": self.budget,
                "confirm_over": self.amount,
                "max_failed": self.share,
                "concurrency": self.count,
                "pack": lambda node: self.tried(node, lambda: pack_size(self.text(node)), AUTO),
                "window": self.count,
                "card": lambda node: self.tried(node, lambda: card_size(self.text(node)), ""),
                "timeout": self.amount,
                "store": self.store,
                "heads": self.text,
                "keep": self.text,
                "engine": lambda node: self.tried(node, lambda: self.placement(node), None),
                "constrain": self.switch,
                "contexts": lambda node: self.each(node, lambda one: given_of_node(self, one, path=False)),
            },
        )
        servers: dict[str, Server] = held.get("servers", {})
        given: dict[str, tuple[ModelChoice, Node | None]] = held.get("models", {})
        models = {alias: self.at_server(choice, node, servers) for alias, (choice, node) in given.items()}
        more = {"timeout_seconds": held.pop("timeout", None)}
        return FileSettings(**{**held, **more, "models": models, "servers": tuple(servers.values())})

    def placement(self, node: Node) -> Placement | None:
        """An engine as a text, or as a mapping with more."""
        if is_mapping(node):
            return Placement.of(self.plain_mapping(node))
        return Placement.read(said) if (said := self.text(node)) else None

    def at_server(self, choice: ModelChoice, server: Node | None, servers: Mapping[str, Server]) -> ModelChoice:
        """A model at its server: one that is named under `servers`, or an address."""
        if server is None:
            return choice
        named = self.text(server)
        if named in servers:
            url = servers[named].url
        elif "://" in named:
            url = self.url(server)
        else:
            url = ""
            self.report(server, f"no server is called `{named}`", *did_you_mean(named, list(servers), what="servers"))
        return ModelChoice(choice.model, url, choice.parameters, choice.price)

    def model(self, node: Node) -> tuple[ModelChoice, Node | None]:
        if not is_mapping(node):
            return ModelChoice(self.text(node)), None
        asked: dict[str, Node] = {}

        def server(given: Node) -> None:
            asked["server"] = given

        readers = {"model": self.text, "server": server, "parameters": self.plain_mapping, "price": self.price}
        held = self.record(node, readers, needs=("model",))
        price, parameters = held.get("price"), held.get("parameters") or {}
        return ModelChoice(held.get("model", ""), "", parameters, price), asked.get("server")

    def server(self, node: Node) -> Server:
        if not is_mapping(node):
            return Server(self.url(node))
        readers = {
            "url": self.url,
            "key": self.variable,
            "key_header": self.text,
            "headers": self.headers,
            "query": self.query,
            "concurrency": self.count,
            "requests_per_minute": self.count,
            "tokens_per_minute": self.count,
            "timeout": self.amount,
        }
        held = self.record(node, readers, needs=("url",))
        held["timeout_seconds"] = held.pop("timeout", None)
        return Server(**{"url": DEFAULT_URL, **held})

    def headers(self, node: Node) -> dict[str, str]:
        return self.each(node, self.secretless)

    def query(self, node: Node) -> dict[str, str]:
        held = self.each(node, self.secretless)
        for name, value in held.items():
            if TELLING.search(name) and not VARIABLE.search(value):
                self.secrets.append(span_of(node))
                self.report(node, f"`{name}` is a secret by its name", f"write {name}: ${{ITS_VARIABLE}}")
        return held

    def secretless(self, node: Node) -> str:
        text = self.text(node)
        if self.redaction.redact(text) != text:
            self.secrets.append(span_of(node))
            self.report(node, "a secret stands here", "keep it in the environment, and write ${ITS_NAME}")
        return text

    def variable(self, node: Node) -> str:
        text = self.text(node)
        if text and not re.fullmatch(r"[A-Za-z_]\w*", text):
            self.secrets.append(span_of(node))
            self.report(node, "`key` is the name of an environment variable", "such as key: OPENAI_API_KEY")
        return text

    def url(self, node: Node) -> str:
        text = self.text(node)
        try:
            return server_address(text)
        except UserError as failure:
            if "@" in text or "?" in text:
                self.secrets.append(span_of(node))
            self.report(node, failure.message, failure.hint)
            return DEFAULT_URL

    def store(self, node: Node) -> str:
        """Where answers are kept: a path, an address, `read-only`, or a mapping that says both."""
        if not is_mapping(node):
            return self.store_place(node)
        held = self.record(node, {"path": self.store_place, "url": self.store_place, "read_only": self.flag})
        if "path" in held and "url" in held:
            self.report(node, "a store is at one place", "write path: or url:")
        place = held.get("path") or held.get("url") or ""
        return f"{READ_ONLY}:{place}" if held.get("read_only") and place else place or READ_ONLY

    def store_place(self, node: Node) -> str:
        text = self.text(node)
        if any(not VARIABLE.fullmatch(secret) for secret in Place(parts_of(text)[0]).secrets):
            self.secrets.append(span_of(node))
            self.report(
                node, "a password stands here",
                "leave it to PGPASSWORD or ~/.pgpass, or write ${ITS_VARIABLE} in its place",
            )  # fmt: skip
            return ""
        return self.tried(node, lambda: fill_variables(text, {**os.environ}, "the store"), "")

    def budget(self, node: Node) -> Limits:
        if not is_mapping(node):
            return self.tried(node, lambda: Limits.read(self.text(node)), Limits())
        names = ("calls", "tokens", "usd", "seconds")
        held = self.record(node, {name: self.count if name in names[:2] else self.amount for name in names})
        return Limits(**{name: amount for name, amount in held.items() if amount is not None})

    def switch(self, node: Node) -> bool:
        text = self.text(node)
        if text not in SWITCHES:
            self.report(node, f"neither on nor off: `{text}`", "write on or off")
        return SWITCHES.get(text, False)

    def price(self, node: Node) -> Price:
        return self.tried(node, lambda: Price.read(self.text(node)), Price(0, 0))
