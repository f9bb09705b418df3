"""LLGuidance over single bytes: whether a grammar takes a text, as the servers decide it that keep a model to one.

In: a grammar. Out: verdicts. Law: a text is taken as a whole or not at all.
"""

from __future__ import annotations

from functools import cache
from typing import Any


class Bytes:
    """A tokenizer whose tokens are bytes."""

    eos_token_id, bos_token_id = 256, None
    tokens = (*(bytes([byte]) for byte in range(256)), b"<|end|>")
    special_token_ids = (256,)

    def __call__(self, text: str | bytes) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


@cache
def tokenizer() -> Any:
    import llguidance

    return llguidance.LLTokenizer(llguidance.TokenizerWrapper(Bytes()), slices=[])


class Taken:
    """Owns a matcher of one grammar."""

    def __init__(self, grammar: str, notation: str = "lark") -> None:
        import llguidance

        self.matcher = llguidance.LLMatcher(tokenizer(), llguidance.grammar_from(notation, grammar))
        assert not self.matcher.is_error(), self.matcher.get_error()

    def __call__(self, text: str) -> bool:
        return self.refused(text) == ""

    def refused(self, text: str) -> str:
        """The rest of a text from where it is refused; "" where it is taken."""
        matcher, given = self.matcher.deep_copy(), text.encode()
        count = matcher.try_consume_tokens(list(given))
        if count == len(given):
            return "" if matcher.is_accepting() else "(it ends too early)"
        return given[max(0, count - 40) : count + 20].decode("utf-8", "replace")
