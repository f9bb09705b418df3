"""Secrets out of everything that is written: replaced by a name, always the same for the same secret.

In: texts and JSON values, an environment. Out: the same without secrets. Law: redaction is idempotent, and equal
secrets stay equal, so that a run on redacted texts replays on another machine.

A mark shows 16 bits of an HMAC under a public key. Public, since a replay elsewhere must come to the same mark; so the
bits are no protection in themselves. They tell nothing of a random key, which has a hundred bits and more left. They do
thin out guesses at a weak password, by a factor of 65,536: with a short list of candidates at hand, a mark can confirm
one. And two secrets out of 65,536 share a mark by chance.

Which secrets an environment holds differs from machine to machine, so a trace says where its context rows held those
that were taken out (`Place`): whoever has the same rows reads them there, and no other environment matters. A place
tells a secret's length and where it stands; whoever has not the rows learns no more by it.

A value of the environment is also found percent-encoded and in base64, as servers and headers repeat it, and so is the
password of an address (`HTTPS_PROXY=http://me:password@host`). What is not found: other encodings, a secret that is
split over rows, the end of a private key whose beginning is not in the same text, keys of shapes that are not listed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote, quote_plus, unquote

TELLING = re.compile(r"key|token|secret|passw|passphrase|credential|auth(?!or(?!iz|is))", re.IGNORECASE)
"""Names of variables and headers whose values are secrets."""
WITH_PASSWORD = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
"""An address with a user and a password."""
LABEL = b"rlm-dsl redaction v1"
"""The HMAC's public key."""
MARK = r"(?P<mark>‹secret:[a-z-]+:[0-9a-f]{4}›)"
"""What stands for a secret; never itself redacted, even where an environment has `openai-key` as a value."""
ENV = "env"
"""The kind of a secret that an environment names."""
ROUNDS = 8
LEAST = 8
URL_SAFE = str.maketrans("+/", "-_")
COMMON = frozenset({"true", "false", "none", "default", "disabled", "enabled"})

ALONE = r"(?<![A-Za-z0-9])"
"""Not within a word of ASCII: `risk-` begins no key, but one may follow an underscore or a letter of another script."""
MIXED = r"(?=[a-z._~+/=-]{0,200}[A-Z0-9])"
"""A capital or a digit: `sk-learn-contributor-guide` is prose. Bounded, so that no text takes quadratic time."""
PEM_LINES = r"(?:(?:\s|\\[nr])*+[A-Za-z0-9+/=]{16,}+)++"
"""Lines of a private key whose end was cut off."""

SHAPES: Mapping[str, str] = {
    "anthropic-key": ALONE + r"sk-ant-[A-Za-z0-9_-]{16,}",
    "openai-key": ALONE + r"sk-" + MIXED + r"[A-Za-z0-9_-]{20,}",
    "aws-key": ALONE + r"AKIA[0-9A-Z]{16}(?![A-Za-z0-9])",
    "github-token": ALONE + r"(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})",
    "google-key": ALONE + r"AIza[0-9A-Za-z_-]{35}",
    "slack-token": ALONE + r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    "jwt": ALONE + r"eyJ[A-Za-z0-9_-]{10,600}+\.[A-Za-z0-9_-]{10,}+\.[A-Za-z0-9_-]{5,}",
    "bearer": r"(?:(?<=[Bb]earer )|(?<=BEARER ))" + MIXED + r"[A-Za-z0-9._~+/=-]{16,}",
    "private-key": r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
    rf"(?:(?:(?!-----).)*+-----END [A-Z ]{{0,40}}PRIVATE KEY-----|{PEM_LINES})",
}
NEEDLES = re.compile(
    r"sk-[A-Za-z0-9_-]{20}|AKIA|gh[pousr]_|github_pat_|AIza|xox[abeoprs]-|eyJ"
    r"|[Bb]earer [A-Za-z0-9._~+/=-]{16}|BEARER |-----BEGIN "
)
"""What every shape holds; a text without any has nothing to be taken out."""


@dataclass(frozen=True)
class Redaction:
    """What counts as a secret: known shapes, and the values of telling environment variables. `found` are the values
    that were taken out so far."""

    values: tuple[str, ...] = ()
    shapes: tuple[str, ...] = tuple(SHAPES)
    found: set[str] = field(default_factory=set, compare=False, repr=False)

    @staticmethod
    def of(environment: Mapping[str, str]) -> Redaction:
        """From an environment: values of variables whose names tell, and passwords of addresses in any other; at least
        8 characters, no paths or plain words. Encoded they are values too."""
        named = {value.strip() for name, value in environment.items() if TELLING.search(name)}
        within = {unquote(found) for value in environment.values() for found in WITH_PASSWORD.findall(value)}
        secrets = {value for value in named | within if telling(value)}
        found = {form for value in secrets for form in (value, *encoded(value))}
        return Redaction(tuple(sorted(found, key=lambda value: (-len(value), value))))

    def also(self, values: Iterable[str]) -> Redaction:
        """With more values to take out."""
        return replace(self, values=tuple(sorted({*self.values, *values}, key=lambda value: (-len(value), value))))

    @cached_property
    def spelled(self) -> Mapping[str, str]:
        """Each value by the forms in which it may stand in a text: as it is, and within a JSON text."""
        return {form: value for value in self.values for form in (json.dumps(value, ensure_ascii=False)[1:-1], value)}

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self.spelled, key=lambda form: (-len(form), form))
        named = [f"(?P<env>{'|'.join(map(re.escape, longest_first))})"] if longest_first else []
        shapes = [f"(?P<{name.replace('-', '_')}>{shape})" for name, shape in SHAPES.items() if name in self.shapes]
        return re.compile("|".join([MARK, *named, *shapes]), re.DOTALL)

    def redact(self, text: str) -> str:
        """The text without secrets. Looked at again after a change: a mark can lay bare a secret beside it."""
        if not self.may_hold(text):
            return text
        for _ in range(ROUNDS):
            before, text = text, self.pattern.sub(self.replacement, text)
            if text == before:
                break
        return text

    def replacement(self, match: re.Match[str]) -> str:
        if match.lastgroup == "mark":
            return match[0]
        if match.lastgroup != ENV:
            return mark((match.lastgroup or "").replace("_", "-"), match[0])
        self.found.add(self.spelled[match[0]])
        return mark(ENV, self.spelled[match[0]])

    def may_hold(self, text: str) -> bool:
        """Whether it is worth looking for secrets in a text; quick, and never wrong when it says no."""
        return any(form in text for form in self.spelled) or NEEDLES.search(text) is not None

    def redact_json(self, value: Any) -> Any:
        """JSON without secrets in any text of it, keys too."""
        match value:
            case str():
                return self.redact(value)
            case Mapping():
                return {self.redact_json(key): self.redact_json(item) for key, item in value.items()}
            case list() | tuple():
                return [self.redact_json(item) for item in value]
            case _:
                return value

    def names(self) -> list[str]:
        """The rules in force, for a trace's header; never a value."""
        return ["environment", *self.shapes]


def encoded(value: str) -> set[str]:
    """A value percent-encoded, and in base64 wherever it stands in what was encoded: of its first and last letters what
    no other byte has a part in."""
    content = value.encode("utf-8", "surrogatepass")
    percent = quote(content, safe="")
    escaped = re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), percent)
    forms = {percent, escaped, quote_plus(content), quote(content)} - {value}
    for before in range(3):
        text = base64.b64encode(bytes(before) + content).decode("ascii")
        whole = text[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]
        forms |= {whole, whole.translate(URL_SAFE)}
    return forms


def telling(value: str) -> bool:
    """Whether a variable's value is worth hiding: long enough, no number, plain word or path."""
    path = re.match(r"/|\./|\.\./|~|[A-Za-z]:\\", value) is not None
    return len(value) >= LEAST and not path and not value.isdigit() and value.lower() not in COMMON


def mark(kind: str, secret: str) -> str:
    """What stands for a secret."""
    tag = hmac.new(LABEL, secret.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:4]
    return f"‹secret:{kind}:{tag}›"
