"""Secrets out of everything that is written: replaced by a name, always the same for the same secret.

In: texts and JSON values, an environment. Out: the same without secrets. Law: redaction is idempotent, and equal
secrets stay equal, so that a run on redacted texts replays; the 16 bits shown do not give a secret away.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

TELLING = re.compile(r"key|token|secret|password|credential", re.IGNORECASE)
LABEL = b"rlm-dsl redaction v1"
"""The HMAC's key. It is public: the tag only tells secrets apart, and must be the same on every machine."""
MARK = r"(?P<mark>‹secret:[a-z-]+:[0-9a-f]{4}›)"
"""What stands for a secret; never itself redacted, even where an environment has `openai-key` as a value."""
ROUNDS = 8
LEAST = 8
COMMON = frozenset({"true", "false", "none", "default", "disabled", "enabled"})

SHAPES: Mapping[str, str] = {
    "anthropic-key": r"sk-ant-[A-Za-z0-9_-]{16,}",
    "openai-key": r"sk-[A-Za-z0-9_-]{20,}",
    "aws-key": r"\bAKIA[0-9A-Z]{16}\b",
    "github-token": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})",
    "google-key": r"\bAIza[0-9A-Za-z_-]{35}",
    "slack-token": r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "jwt": r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}",
    "bearer": r"(?<=Bearer )[A-Za-z0-9._~+/=-]{16,}",
    "private-key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----",
}


@dataclass(frozen=True)
class Redaction:
    """What counts as a secret: known shapes, and the values of telling environment variables."""

    values: tuple[str, ...] = ()

    @staticmethod
    def of(environment: Mapping[str, str]) -> Redaction:
        """From an environment: values of variables whose names tell, at least 8 characters, no paths or plain words."""
        found = {
            value
            for name, value in environment.items()
            if TELLING.search(name)
            and len(value) >= LEAST
            and value.lower() not in COMMON
            and not value.startswith(("/", "./", "~"))
            and not value.isdigit()
        }
        return Redaction(tuple(sorted(found, key=lambda value: (-len(value), value))))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        named = [f"(?P<env>{'|'.join(map(re.escape, self.values))})"] if self.values else []
        shapes = [f"(?P<{name.replace('-', '_')}>{shape})" for name, shape in SHAPES.items()]
        return re.compile("|".join([MARK, *named, *shapes]), re.DOTALL)

    def redact(self, text: str) -> str:
        """The text without secrets. Looked at again after a change: a mark can lay bare a secret beside it."""
        for _ in range(ROUNDS):
            before, text = text, self.pattern.sub(replacement, text)
            if text == before:
                break
        return text

    def redact_json(self, value: Any) -> Any:
        match value:
            case str():
                return self.redact(value)
            case Mapping():
                return {self.redact(key): self.redact_json(item) for key, item in value.items()}
            case list() | tuple():
                return [self.redact_json(item) for item in value]
            case _:
                return value

    def names(self) -> list[str]:
        """The rules in force, for a trace's header; never a value."""
        return ["environment", *SHAPES]


def replacement(found: re.Match[str]) -> str:
    if found.lastgroup == "mark":
        return found[0]
    kind = (found.lastgroup or "env").replace("_", "-")
    tag = hmac.new(LABEL, found[0].encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:4]
    return f"‹secret:{kind}:{tag}›"
