"""The address of a server as a user gives it, and as it stands in keys and traces.

In: a base URL. Out: its one canonical form. Law: an address holds no secret and no call's path; two spellings of one
address are one address. What is wrong with it is told before anything waits for it, and never with its secrets.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

from rlm_dsl.common.diagnostics import UserError, printable

CALLS = re.compile(
    r"/(chat/completions|completions|responses|embeddings|models|messages|generate|batches|files)(/.*)?$", re.IGNORECASE
)
"""Paths of single calls, which are no part of a server's address."""
PORTS = {"http": 80, "https": 443}
LOCAL = re.compile(r"localhost|127\.\d+\.\d+\.\d+|\[::1\]|0\.0\.0\.0|.*\.local|.*\.localhost|[^.\[\]:]+", re.IGNORECASE)
"""Hosts of this machine or its own network, which seldom have a certificate."""
WEIGHTS = re.compile(r"local:[0-9a-f]{32}")
"""What stands for the address of a server that a run starts itself, by its model's digest."""
EXAMPLE = "such as https://api.openai.com/v1 or http://localhost:8000/v1"


def server_address(given: str) -> str:
    """The canonical address: scheme and host in small letters, no port that goes without saying, no slash at the end.
    Raises UserError for what is no address of a server."""
    text = given.strip()
    if WEIGHTS.fullmatch(text):
        return text
    if not text:
        raise UserError("the server's address is empty", EXAMPLE, code="address")
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise UserError("a server's address holds no blanks or control characters", EXAMPLE, code="address")
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        raise UserError(
            f"`{shown(text)}` has no scheme", f"write {scheme_of(text)}://{shown(text).lstrip('/')}", code="address"
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as failure:
        raise UserError(f"`{shown(text)}` is no address: {failure}", EXAMPLE, code="address") from None
    scheme = parts.scheme.lower()
    if scheme not in PORTS or not host:
        raise UserError(f"`{shown(text)}` is no address of a server", EXAMPLE, code="address")
    refuse_secrets(parts)
    path = parts.path.rstrip("/")
    if found := CALLS.search(path):
        base = f"{scheme}://{parts.netloc}{path[: found.start()]}"
        raise UserError(f"`{shown(text)}` is the address of one call", f"name the server: {base}", code="address")
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}{'' if port in (None, PORTS[scheme]) else f':{port}'}{path}"


def refuse_secrets(parts: SplitResult) -> None:
    """Raise UserError for an address that carries a user, a password, a query or a fragment, without telling them."""
    if parts.username is not None or parts.password is not None:
        raise UserError(
            f"the address of {parts.hostname} holds a user or a password",
            "keep it in the environment: OPENAI_API_KEY, or a variable that `servers:` of rlm-dsl.yaml names "
            "(key: NAME, or headers: {Authorization: Basic ${NAME}})",
            code="address",
        )
    if parts.query or parts.fragment:
        named = "&".join(part for part in parts.query.split("&") if "=" in part)  # what has no name may be the secret
        names = ", ".join(f"`{printable(name)[:40]}`" for name, _ in parse_qsl(named, keep_blank_values=True))
        told = f"a query ({names})" if names else "a query" if parts.query else "a fragment"
        raise UserError(
            f"the address of {parts.hostname} holds {told}, and paths are put behind an address",
            "write it under `query:` of the server in rlm-dsl.yaml, a secret as ${NAME}",
            code="address",
        )


def shown(text: str) -> str:
    """An address as an error may tell it: no user, no query."""
    bare = text.partition("?")[0].partition("#")[0]
    head, at, rest = bare.rpartition("@")
    if not at:
        return printable(bare)[:200]
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", head)
    return printable(f"{scheme[0] if scheme else ''}{rest}")[:200]


def scheme_of(text: str) -> str:
    """The scheme that an address without one most likely means."""
    host = re.split(r"[/?#]", text.rpartition("@")[2].lstrip("/"))[0]
    name = host if host.startswith("[") and host.endswith("]") else re.sub(r":\d*$", "", host)
    return "http" if LOCAL.fullmatch(name) else "https"


def is_local(address: str) -> bool:
    """Whether a server stands on this machine or in its own network."""
    if WEIGHTS.fullmatch(address):
        return True
    host = urlsplit(address).hostname or ""
    number = number_of(host)
    if number is not None:
        return number.is_loopback or number.is_private or number.is_link_local or number.is_unspecified
    return LOCAL.fullmatch(host) is not None


def is_this_machine(address: str) -> bool:
    """Whether what is sent to a server never leaves this machine."""
    if WEIGHTS.fullmatch(address):
        return True
    host = urlsplit(address).hostname or ""
    number = number_of(host)
    return host == "localhost" if number is None else number.is_loopback


def number_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """A host that is written as a number."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
