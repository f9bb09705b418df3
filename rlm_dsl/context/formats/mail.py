"""Mail as messages: table(message, from, to, subject, date, text, attachments).

In: a mailbox (mbox) or one message. Out: a row a message, whatever is wrong with it, and counts of what is wrong. Law:
the messages' bytes, one after the other, are the file. A file that begins with `From ` is a mailbox, any other one
message. Headers are read as text (policy compat32): the standard library's parser of their grammar recurses, takes
time quadratic in their length, and raises on some that are malformed.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import collapse_rfc2231_value, parsedate_to_datetime
from itertools import pairwise

from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.encodings import decode, encoding_of
from rlm_dsl.context.files.read import Read
from rlm_dsl.context.format import Format, LoadRequest
from rlm_dsl.context.formats.html.blocks import blocks
from rlm_dsl.context.rows.document_rows import Row, load_document_rows
from rlm_dsl.language.types import INT, TEXT, TIMESTAMP, Field, ListOf, Table, nullable

ENDINGS = (".mbox", ".eml")
SCHEMA = Table(
    (
        Field("message", INT),
        Field("from", TEXT),
        Field("to", TEXT),
        Field("subject", TEXT),
        Field("date", nullable(TIMESTAMP)),
        Field("text", TEXT),
        Field("attachments", ListOf(TEXT)),
    )
)
BLANK = b"\xef\xbb\xbf\r\n"
"""A byte order mark and blank lines: what may stand before a message."""
BEGINS = re.compile(
    rb"""
    (?:(?<=\n\n)|(?<=\n\r\n)) From\ (?=
        [^\r\n]{0,200}?[ \t]\d{1,2}:\d{2}(?::\d{2})?\b[^\r\n]{0,40}\b\d{4}\b
        | -?[ \t]*\r?\n
        | \S{0,200}@\S{0,200}[ \t]*\r?\n
    )
    """,
    re.VERBOSE,
)
"""A line that begins a message names its sender and a time with a year; some programs leave out one of these.
`From ` in a text, such as "From next week on", does neither."""
ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
NESTS = re.compile(rb"multipart/|message/", re.IGNORECASE)
DEEPEST = 100
"""Parts that may hold parts, in one message; the standard library recurses into them."""
STRUCTURE = re.compile(rb"content-(?:type|disposition)[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*+", re.IGNORECASE)
LONGEST = 20_000
"""Characters of a header that is decoded; a longer one stays as it is written."""
BROKEN = "messages have a structure that cannot be read (their text is as it is written)"
CHARSET = "messages have text in an encoding that is unknown, or not the one they state"
DATE = "messages have a date that cannot be read"


@dataclass(frozen=True, slots=True)
class Body:
    """What a message shows, and the names of what is attached to it."""

    texts: tuple[Message, ...]
    attachments: tuple[str, ...]


def load_mail(request: LoadRequest) -> Loaded:
    """Each message a row."""
    return load_document_rows("mail", request, ENDINGS, SCHEMA, messages)


def messages(read: Read, counts: Counter[str]) -> Iterator[Row]:
    """The messages of one file."""
    content, line = read.content, 1
    head = len(content) - len(content.lstrip(BLANK))
    mailbox = content.startswith(b"From ", head)
    starts = [found.start() for found in BEGINS.finditer(content, head + 1)] if mailbox else []
    bounds = [0, *starts, len(content)] if content else []
    for number, (start, end) in enumerate(pairwise(bounds), 1):
        raw = content[start:end]
        yield Row(line, start, end, (number, *columns(unescape(raw) if mailbox else raw, counts)))
        line += raw.count(b"\n")


def unescape(raw: bytes) -> bytes:
    """A mailbox's message as it was sent, without the blank line that ends it there."""
    blank = next((mark for mark in (b"\r\n\r\n", b"\n\n") if raw.endswith(mark)), b"")
    return ESCAPED.sub(rb"\1", raw[: len(raw) - len(blank) // 2])


def columns(raw: bytes, counts: Counter[str]) -> tuple[object, ...]:
    """A message's columns. What is wrong with it is counted once a kind."""
    wrong: Counter[str] = Counter()
    message, text, attachments = parse(raw.lstrip(BLANK), wrong)
    found = (
        header(message, "from"),
        header(message, "to"),
        header(message, "subject"),
        moment(message, wrong),
        text,
        attachments,
    )
    counts.update(kind for kind, times in wrong.items() if times)
    return found


def parse(raw: bytes, wrong: Counter[str]) -> tuple[Message, str, list[str]]:
    """A message, the text it shows and the names of what is attached; where its structure cannot be read, or would be
    read without measure, its text is all below its headers."""
    deep = sum(1 for _ in NESTS.finditer(raw)) > DEEPEST
    if not deep and all(len(found[0]) <= LONGEST for found in STRUCTURE.finditer(raw)):
        try:
            return read_parts(message_from_bytes(raw, policy=policy.compat32), wrong)
        except Exception:  # of many kinds: the standard library's, on malformed parameters
            pass
    wrong[BROKEN] += 1
    message = BytesHeaderParser(policy=policy.compat32).parsebytes(raw)
    del message["content-type"], message["content-disposition"], message["content-transfer-encoding"]
    return read_parts(message, wrong)


def read_parts(message: Message, wrong: Counter[str]) -> tuple[Message, str, list[str]]:
    body = body_of(message)
    return message, "\n".join(part_text(part, wrong) for part in body.texts), list(body.attachments)


def body_of(part: Message) -> Body:
    """The parts that are shown. Of alternatives it is the first that has plain text, else the first with any."""
    name = attached_name(part)
    if name is not None:
        return Body((), (name,))
    if not part.is_multipart():
        return Body((part,) if part.get_content_maintype() == "text" else (), ())
    held = [body_of(inner) for inner in part.get_payload() if isinstance(inner, Message)]
    attached = tuple(name for inner in held for name in inner.attachments)
    if part.get_content_subtype() == "alternative":
        plain = [b for b in held if any(text.get_content_subtype() == "plain" for text in b.texts)]
        held = (plain or [b for b in held if b.texts])[:1]
    return Body(tuple(text for inner in held for text in inner.texts), attached)


def attached_name(part: Message) -> str | None:
    """The name of an attachment, '' for one without; None for what is shown as text."""
    try:
        named = part.get_param("filename", None, "content-disposition") or part.get_param("name", None)
        name = header_text(collapse_rfc2231_value(named)) if named else ""
    except (LookupError, ValueError, TypeError):
        name = ""
    attached = str(part.get("content-disposition", "")).strip().lower().startswith("attachment")
    shown = part.is_multipart() or part.get_content_maintype() == "text"
    return name if attached or (name and not part.is_multipart()) or not shown else None


def part_text(part: Message, wrong: Counter[str]) -> str:
    """The text of a part; a page in HTML as its blocks, one a line."""
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    label = part.get_content_charset()
    encoding = encoding_of(label) if label else None
    text, exact = decode(content, encoding or "utf-8")
    if not exact and encoding is None:
        text = decode(content, "cp1252")[0]
    wrong[CHARSET] += not exact or (label is not None and encoding is None)
    if part.get_content_subtype() == "html":
        return "\n".join(block.text for block in blocks(text))
    return text.replace("\r\n", "\n")


def header(message: Message, name: str) -> str:
    """A header's text on one line, '' without one; of several, all, with a comma between."""
    return ", ".join(header_text(str(value)) for value in message.get_all(name, []))


def header_text(value: str) -> str:
    """A header with its encoded words decoded, and unfolded."""
    value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if len(value) <= LONGEST and "=?" in value:
        try:
            parts = decode_header(" ".join(value.split()))
        except (MessageError, ValueError):
            parts = []
        value = "".join(word(held, label) for held, label in parts) or value
    return " ".join(value.split())


def word(held: bytes | str, label: str | None) -> str:
    if isinstance(held, str):
        return held
    return decode(held, encoding_of(label or "") or "utf-8")[0]


def moment(message: Message, wrong: Counter[str]) -> datetime.datetime | None:
    """When a message was sent, in UTC; without a zone its time is taken for UTC."""
    value = str(message.get("date", ""))
    if not value.strip():
        return None
    try:
        found = parsedate_to_datetime(value[:LONGEST])
        return found.astimezone(datetime.UTC).replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, TypeError, IndexError, OverflowError):
        wrong[DATE] += 1
        return None


FORMAT = Format(
    name="mail",
    summary="a row a message of a mailbox or of one message",
    load=load_mail,
    endings=ENDINGS,
    many=True,
    options=("columns",),
)
