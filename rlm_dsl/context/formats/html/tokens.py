"""HTML to tags and visible text, each with its place.

In: text. Out: tokens in order. Law: linear in the text, whatever stands in it; all that is no tag, comment,
declaration, script, style, template or noscript is text. Python's own `html.parser` is not used: what it gives for
broken pages differs from one patch release to the next, so that recorded digests would not hold; it takes time
quadratic in tags that do not close; and an unknown `<![` makes it raise.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

TOKEN = re.compile(
    r"""
    <!-- (?: -?> | .*? (?: --!?> | \Z ) )
  | < (?P<slash>/?) (?P<name>[a-zA-Z][^ \t\n\r\f/>]*+)
      (?: [ \t\n\r\f/=]++
        | [^ \t\n\r\f/>=]++                                   # an attribute's name
          (?: [ \t\n\r\f]*+ = [ \t\n\r\f]*+
              (?: "[^"]*+" | '[^']*+' | [^ \t\n\r\f"'>][^ \t\n\r\f>]*+ )?+
          )?+
      )*+ (?P<end> >? )
  | < (?: [!?] | /[^a-zA-Z] ) [^>]*+ >?
    """,
    re.VERBOSE | re.DOTALL,
)
NOT_SHOWN = {name: re.compile(rf"</{name}(?=[ \t\n\r\f/>])", re.IGNORECASE) for name in ("script", "style", "noscript")}
"""Elements whose content is no markup and not shown, by where they end."""
HIDDEN = "!"
LONG_NUMBER = re.compile(r"&#[0-9]{40,}|&#[xX][0-9a-fA-F]{40,}")


@dataclass(frozen=True, slots=True)
class Token:
    """A tag (its name in small letters, `/name` for one that closes), or text (its name is ''), and where it stands."""

    name: str
    start: int
    end: int
    closed: bool = False


def tokens(text: str) -> Iterator[Token]:
    """Tags and texts; within a template there are none."""
    at, templates = 0, 0
    for token in markup(text):
        if token.start > at and not templates:
            yield Token("", at, token.start)
        at = token.end
        if token.name == "template":
            templates += not token.closed
        elif token.name == "/template":
            templates = max(0, templates - 1)
        elif token.name != HIDDEN and not templates:
            yield token
    if at < len(text) and not templates:
        yield Token("", at, len(text))


ATTRIBUTE = re.compile(
    r"""[ \t\n\r\f/]*+ (?P<name>[^ \t\n\r\f/>=]++)
        (?: [ \t\n\r\f]*+ = [ \t\n\r\f]*+
            (?: "(?P<a>[^"]*+)" | '(?P<b>[^']*+)' | (?P<c>[^ \t\n\r\f"'>][^ \t\n\r\f>]*+) )?+
        )?+
    """,
    re.VERBOSE,
)
UNSEEN = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))\s*(?:!\s*important\s*)?(?:;|$)"
)
VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
ENDED_BY_THE_NEXT = frozenset("p li dt dd tr td th option".split())


def attributes(text: str, token: Token) -> dict[str, tuple[int, int]]:
    """Where the values of a tag's attributes stand, by name; of two of one name the first counts."""
    found: dict[str, tuple[int, int]] = {}
    for held in ATTRIBUTE.finditer(text, token.start + 1 + len(token.name), token.end):
        group = next((name for name in "abc" if held[name] is not None), None)
        found.setdefault(held["name"].lower(), held.span(group) if group else (held.end(), held.end()))
    return found


def is_hidden(text: str, token: Token) -> bool:
    """Whether a tag says that its element is not shown: by `hidden`, or by its own style."""
    said = text[token.start : token.end].lower()
    if "hidden" not in said and "display" not in said and "visibility" not in said:
        return False
    held = attributes(text, token)
    start, end = held.get("style", (0, 0))
    return "hidden" in held or UNSEEN.search(html.unescape(text[start:end]).lower()) is not None


def shown_tokens(text: str) -> Iterator[Token]:
    """Tags and texts without those of elements that are hidden, up to where these end."""
    name, depth = "", 0
    for token in tokens(text):
        if depth and token.name == name and not token.closed:
            depth += name not in ENDED_BY_THE_NEXT
            if name not in ENDED_BY_THE_NEXT:
                continue
            depth = 0
        elif depth:
            depth -= token.name == f"/{name}"
            continue
        if token.name and not token.name.startswith("/") and is_hidden(text, token):
            name, depth = token.name, int(token.name not in VOID and not token.closed)
            continue
        yield token


def with_alternatives(text: str, found: Iterable[Token]) -> Iterator[Token]:
    """The tokens, and as text what pages say in place of pictures, between the tag and itself."""
    for token in found:
        yield token
        if token.name in ("img", "area") and (span := attributes(text, token).get("alt")) is not None:
            yield Token("", *span)
            yield token


def markup(text: str) -> Iterator[Token]:
    """Tags by name, all else that is not shown as HIDDEN. A tag that does not end with the text is none."""
    at = 0
    while found := TOKEN.search(text, at):
        start, at = found.span()
        name = (found["name"] or "").lower()
        if name and not found["end"]:
            return
        closed = text.endswith("/", start, at - 1)
        if name in NOT_SHOWN and not found["slash"] and not closed:
            end = NOT_SHOWN[name].search(text, at)
            at = end.start() if end else len(text)
            name = ""
        yield Token(found["slash"] + name if name else HIDDEN, start, at, closed)


def resolve_references(text: str) -> str:
    """Text with its character references resolved; numbers that are no character, however long, are U+FFFD."""
    return html.unescape(LONG_NUMBER.sub("&#x110000", text)) if "&" in text else text
