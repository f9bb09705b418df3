"""How a context is to be read, where its bytes alone cannot say it: encoding, dialect, header, null words, dates.

In: options by name, as texts, from a command line, a YAML file, a manifest, a trace or Python. Out: one frozen value.
Law: an option means the same wherever it is written; what is no option, or no value of one, is refused with what is
known; options that say nothing are as if there were none.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.context.files.encodings import NO_ENCODINGS

YES, NO = "yes", "no"
Texts = str | Sequence[str]
"""An option's value as it is written: one text, or a list of them."""
Signs = str | tuple[str, ...]
"""One text, or several: of one alone an option's value is that text, as it was when there was no more than one."""


class OptionError(UserError):
    """What is wrong with one option, which is named so that its place can be shown."""

    def __init__(self, option: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint, code="option")
        self.option = option


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOptions:
    """The options of one context; one that is empty (or None) is not said, and found from the data."""

    encoding: str = ""
    """Python's name of the encoding."""
    delimiter: str = ""
    quote: str | None = None
    """The sign around fields; '' where no sign quotes."""
    header: str = ""
    """`yes`, `no`, or the number of the line on which the names of the columns stand."""
    skip: int = 0
    """Lines before the first that counts."""
    skip_last: int = 0
    """Lines or rows at the end that do not count."""
    totals: str = ""
    """Whether a last row that sums up those above it is read."""
    comment: Signs = ""
    """What a line begins with that is none of the data."""
    decimal: str = ""
    thousands: str = ""
    units: tuple[str, ...] = ()
    """What may stand beside a number, such as the sign of a currency."""
    sheet: str = ""
    columns: tuple[str, ...] = ()
    """The columns that are wanted, in their order."""
    nulls: tuple[str, ...] = ()
    """Words that stand for null, beside the empty cell."""
    dates: Signs = ""
    """How days and moments are written, by strptime's codes."""
    hidden: str = ""
    """Whether what a page hides is read."""
    earlier: bool = field(default=False, compare=False)
    """Read as before there were options: so are the sources of traces and kept contexts that say nothing of them."""

    @property
    def said(self) -> dict[str, Any]:
        """The options that say something, as JSON holds them."""
        held = {each.name: getattr(self, each.name) for each in fields(self) if each.compare}
        default = {each.name: each.default for each in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in held.items()
            if value != default[name]
        }

    def __bool__(self) -> bool:
        return bool(self.said)

    def __str__(self) -> str:
        """As they are written on a command line."""
        return ", ".join(f"{name}={written(value)}" for name, value in self.said.items())

    def __repr__(self) -> str:
        return f"ReadingOptions({self})"


NO_OPTIONS = ReadingOptions()
EARLIER = ReadingOptions(earlier=True)
SIGNS = {"tab": "\t", "comma": ",", "semicolon": ";", "space": " ", "bar": "|", "pipe": "|", "colon": ":"}
"""Names of signs that shells and YAML make hard to write."""


def options_of(given: Mapping[str, Any]) -> ReadingOptions:
    """The options that a mapping says. Raises OptionError for the first that is none."""
    return ReadingOptions(**{name: read_option(name, plain(value)) for name, value in given.items()})


def recorded_options(held: Mapping[str, Any]) -> ReadingOptions:
    """The options that a manifest or a trace's header has kept of a context."""
    return options_of(held["options"]) if "options" in held else EARLIER


def plain(value: Any) -> Any:
    """A value of Python or JSON as it would be written."""
    match value:
        case bool():
            return YES if value else NO
        case int():
            return str(value)
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value


def read_option(name: str, value: Any) -> Any:
    """The value of an option from what is written. Raises OptionError for an option that there is not, and for what
    is no value of it."""
    kind = OPTIONS.get(name)
    if kind is None:
        raise OptionError(name, f"no option is called `{name}`", *did_you_mean(name, list(OPTIONS), what="options"))
    if not isinstance(value, str) and not is_texts(value):
        raise OptionError(name, f"`{name}` is no text", f"such as {name}={kind.example}")
    try:
        return kind.read(value)
    except ValueError as failure:
        shown = value if isinstance(value, str) else ", ".join(value)
        raise OptionError(name, f"`{name}` is {failure}, and not {shown!r}", f"such as {name}={kind.example}") from None


def is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def require_known(options: ReadingOptions, taken: Sequence[str], format: str) -> None:
    """Raises OptionError for an option that a format does not take."""
    for name in options.said:
        if name not in taken:
            hint = f"options of {format}: {', '.join(taken)}" if taken else f"{format} takes no options"
            raise OptionError(name, f"{format} has no option `{name}`", hint)


def written(value: Any) -> str:
    """A value as the grammar of a command line has it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(quoted, value))}]"
    return str(value) if isinstance(value, int) or str(value).replace("-", "").isalnum() else quoted(str(value))


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


def one(value: Texts) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("one value")


def several(value: Texts) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def listed(value: Signs) -> tuple[str, ...]:
    """What is said, one by one."""
    return value if isinstance(value, tuple) else (value,) if value else ()


def one_or_more(read: Callable[[Texts], str]) -> Callable[[Texts], Signs]:
    """Reads one text or several, each in one way."""

    def signs(value: Texts) -> Signs:
        made = tuple(dict.fromkeys(read(each) for each in several(value)))
        if not made:
            raise ValueError("one text or more")
        return made[0] if len(made) == 1 else made

    return signs


def number_signs(options: ReadingOptions) -> tuple[str, str]:
    """The decimal sign and that between thousands; where that is a point, a comma is the decimal sign. Raises
    OptionError where one sign is said for both."""
    decimal, thousands = options.decimal, options.thousands
    if thousands and thousands == decimal:
        raise OptionError("thousands", f"`thousands` and `decimal` are both {thousands!r}", "say one of them")
    if thousands == "." and not decimal:
        return ",", "."
    return decimal, thousands


def sign(value: Texts) -> str:
    """One character, or its name."""
    found = SIGNS.get(one(value).lower(), one(value))
    if len(found) != 1 or found in "\r\n":
        raise ValueError(f"one character, or one of {', '.join(SIGNS)}")
    return found


def byte_sign(value: Texts) -> str:
    found = sign(value)
    if ord(found) > 127:
        raise ValueError("one ASCII character")
    return found


def quote_sign(value: Texts) -> str:
    return "" if one(value) in ("", NO, "none") else byte_sign(value)


def header(value: Texts) -> str:
    text = one(value).lower()
    text = {"true": YES, "false": NO, "none": NO}.get(text, text)
    if text in (YES, NO) or (text.isascii() and text.isdigit() and 0 < int(text) < 10**6):
        return text
    raise ValueError("yes, no, or the number of its line, from 1 on")


def whole(value: Texts) -> int:
    text = one(value)
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise ValueError("a whole number of lines")
    return int(text)


def some_text(value: Texts) -> str:
    if not one(value) or "\n" in one(value):
        raise ValueError("text on one line")
    return one(value)


def texts(value: Texts) -> tuple[str, ...]:
    return tuple(some_text(each) for each in several(value))


def flag(value: Texts) -> str:
    text = {"true": YES, "false": NO}.get(one(value).lower(), one(value).lower())
    if text not in (YES, NO):
        raise ValueError("yes or no")
    return text


def encoding(value: Texts) -> str:
    """Python's name of an encoding of text."""
    try:
        found = codecs.lookup(one(value)).name.lower()
        b"text".decode(found, "replace")
    except (LookupError, ValueError):
        raise ValueError("the name of an encoding") from None
    if found.replace("-", "_") in NO_ENCODINGS:
        raise ValueError("the name of an encoding of text")
    return found


FORMAT_WORDS = (("yyyy", "%Y"), ("mm", "%m"), ("dd", "%d"), ("yy", "%y"))


def date_format(value: Texts) -> str:
    """strptime's codes, or words such as dd.mm.yyyy."""
    text = some_text(value)
    if "%" not in text:
        for word, code in FORMAT_WORDS:
            text = text.replace(word, code).replace(word.upper(), code)
    if "%d" not in text and "%j" not in text and "%s" not in text:
        raise ValueError("a format of dates")
    return text


@dataclass(frozen=True, slots=True)
class Option:
    """How an option is read; `summary` and `example` are for help and docs."""

    read: Callable[[Texts], Any]
    summary: str
    example: str


OPTIONS: Mapping[str, Option] = {
    "encoding": Option(encoding, "the encoding of the text", "cp1252"),
    "delimiter": Option(byte_sign, "what stands between fields: a sign, or tab, semicolon, bar, ...", '";"'),
    "quote": Option(quote_sign, "the sign around fields; none: no sign quotes", '"\'"'),
    "header": Option(header, "yes, no, or the number of the line with the columns' names", "no"),
    "skip": Option(whole, "how many lines stand before the first that counts", "3"),
    "skip_last": Option(whole, "how many lines or rows at the end do not count", "1"),
    "totals": Option(flag, "no leaves out a last row that sums up those above it", "no"),
    "comment": Option(one_or_more(some_text), "what a line begins with that is passed over", '"#"'),
    "decimal": Option(byte_sign, "the decimal sign", '","'),
    "thousands": Option(sign, "the sign between thousands", '"."'),
    "units": Option(texts, "signs and words beside numbers that are left out", '["€", "%"]'),
    "sheet": Option(some_text, "which sheet of a book is read", '"Orders"'),
    "columns": Option(several, "the columns that are wanted, in their order", "[id, amount]"),
    "nulls": Option(several, "words that stand for null", '["n/a", "-"]'),
    "dates": Option(one_or_more(date_format), "how dates are written, by strptime's codes", '"%d.%m.%Y"'),
    "hidden": Option(flag, "whether what a page hides is read", "no"),
}
