"""Why the parser refused a token, in the language's own words.

In: a statement's tokens, the one that was refused, and what could have stood there. Out: one problem, with hints.
Law: every refusal is explained. Habits from other languages are tried in order, the plain "expected ..." comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rlm_dsl.common.diagnostics import Diagnostic
from rlm_dsl.common.source import Span
from rlm_dsl.language.syntax.foreign import FOREIGN_WORDS, MODULES, OF_PATTERNS
from rlm_dsl.language.syntax.tokens import (
    CLOSED_BY,
    CLOSER,
    NAMES,
    OPENER,
    OPERAND_ENDS,
    STATEMENT_WORDS,
    VALUE_WORDS,
    Token,
    open_brackets,
)

_COMPARES = frozenset({"COMPARISON", "IN", "MATCHES", "BETWEEN", "IS"})
_OPERATORS = _COMPARES | frozenset("PLUS MINUS TIMES AND OR NOT BAR DOT QUESTION LPAR LSQB".split())
_NOTHING = Token("", "", 0, 0)
INDEX_HINT = "write item(x, 1) for a list's element, take(x, n, skip=0) for rows, x.field for a record's field"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A refused token: `tokens` are the statement's, then the one behind it; `early` if the statement just ends."""

    tokens: Sequence[Token]
    at: int
    expected: frozenset[str]
    early: bool

    def token(self, back: int = 0) -> Token:
        return self.tokens[self.at - back] if self.at >= back else _NOTHING

    @property
    def refused(self) -> Token:
        return self.tokens[self.at]

    @property
    def heads_statement(self) -> bool:
        """Whether the token before was taken for the name of a binding."""
        return self.expected == {"EQUAL"} and self.token(1).type in NAMES

    @property
    def brackets(self) -> list[Token]:
        return open_brackets(self.tokens[: self.at])


def explain(trouble: Trouble) -> Diagnostic:
    """The problem behind a refusal."""
    explained = (habit(trouble) for habit in _HABITS)
    return next((problem for problem in explained if problem is not None), None) or _unexpected(trouble)


def _problem(code: str, message: str, token: Token, *hints: str) -> Diagnostic:
    return Diagnostic(code, message, token.span, tuple(hint for hint in hints if hint))


# ---- habits, in the order they are tried ----


def _pipe_without_call(trouble: Trouble) -> Diagnostic | None:
    """`x | count`, `x | where n > 3`, `(a) | (b)`."""
    name, bar, refused = trouble.token(1), trouble.token(2), trouble.refused
    if bar.type == "BAR" and name.type in NAMES and refused.type != "LPAR":
        example = f"write `{name.text}()`" if trouble.early or not _is_operand(refused) else f"write `{name.text}(...)`"
        return _problem("S13", "a pipe leads into a call", name, example)
    if name.type != "BAR" or refused.type == "$END":
        return None
    if trouble.early:
        return _problem("S13", "a pipe leads into a call", name, "write an operator behind it: | operator(arguments)")
    meant = f"write `{refused.text}(...)`" if refused.type in VALUE_WORDS else "write table | operator(arguments)"
    other = "a type that may be null is written T?" if refused.type == "NULL" else "between conditions write `or`"
    return _problem("S13", "a pipe leads into a call", refused, other if refused.text in ("(", "null") else meant)


def _foreign_word(trouble: Trouble) -> Diagnostic | None:
    """`lambda x: ...`, `SELECT a FROM b`, `a if c else b`, `let x = 1`."""
    suspects = (token for token in _suspects(trouble) if token.type == "NAME" and token.text in FOREIGN_WORDS)
    for token in suspects:
        return _problem("S16", f"`{token.text}` is not a word of the language", token, FOREIGN_WORDS[token.text])
    return None


def _suspects(trouble: Trouble) -> list[Token]:
    """The tokens that may have led astray; between brackets small words such as `from` are mostly columns."""
    refused, before = trouble.refused, trouble.token(1)
    if trouble.heads_statement:
        return [trouble.token(2), before] if refused.type != "BAR" else []
    if trouble.early or refused.type not in NAMES:
        return []
    if not trouble.brackets:
        return [before, refused]
    clear = [before] if before.text == "lambda" or before.text.isupper() else []
    return clear + ([refused] if refused.text != "from" else [])


def _reserved_name(trouble: Trouble) -> Diagnostic | None:
    """`answer = 3`, `where(is == 1)`, `x = in`."""
    refused, before = trouble.refused, trouble.token(1)
    if refused.type == "EQUAL" and before.type in STATEMENT_WORDS:
        other = f"bind another name: the_{before.text} = expression"
        hint = f"write `{before.text} expression`, or {other}" if before.type in ("SHOW", "ANSWER") else other
        return _problem("S08", f"`{before.text}` begins a statement, and cannot be bound", before, hint)
    token = before if trouble.expected <= {"EQUAL", "COLON"} else refused
    if trouble.early or token.type not in STATEMENT_WORDS | VALUE_WORDS or not _could_be_name(trouble, token):
        return None
    hint = f"where it is a name, write it as `{token.text}` in backticks"
    return _problem("S08", f"`{token.text}` is reserved", token, hint)


def _could_be_name(trouble: Trouble, token: Token) -> bool:
    """Whether an operand or a key is due where the token stands."""
    return token is not trouble.refused or ("NAME" in trouble.expected and "$END" not in trouble.expected)


def _bracket(trouble: Trouble) -> Diagnostic | None:
    """A closer that closes nothing or the wrong bracket, or a bracket that a statement's end leaves open."""
    standing, refused = trouble.brackets, trouble.refused
    if trouble.early and standing and CLOSED_BY[standing[-1].type] in trouble.expected:
        wanted = "".join(CLOSER[token.type] for token in reversed(standing))
        return _problem("S09", f"`{standing[-1].text}` is not closed", standing[-1], f"close it with `{wanted}`")
    if trouble.early or refused.type not in OPENER:
        return None
    if not standing:
        return _problem("S09", f"`{refused.text}` closes nothing", refused, "leave it out, or open a bracket before")
    right = CLOSER[standing[-1].type]
    if refused.text == right:
        return None
    return _problem("S09", f"`{refused.text}` does not close `{standing[-1].text}`", refused, f"write `{right}`")


def _equals_for_comparison(trouble: Trouble) -> Diagnostic | None:
    """`where(a and b = 3)`, `answer x = 3`, `f(x) = 3`, `{a = 1}`."""
    refused, inside = trouble.refused, trouble.brackets
    if trouble.early:
        follows = refused.type in NAMES and not refused.fresh and "NUMBER" in trouble.expected
        hint = "a name is bound in a statement of its own; to compare, write `==`"
        return _problem("S14", "`=` binds a name and is no part of an expression", refused, hint) if follows else None
    if refused.type != "EQUAL":
        return None
    if inside and inside[-1].type == "LBRACE" and trouble.token(1).type in NAMES | {"TEXT"}:
        return _problem("S14", "a record has `name: value`", refused, f"write `{trouble.token(1).text}: ...`")
    if inside and trouble.expected == {"COLON"}:
        return _entry_for_argument(trouble, inside[-1])
    if inside:
        return _problem("S14", "`=` gives an argument its name and does not compare", refused, "write `==` to compare")
    if trouble.tokens[0].type == "CONTEXT":
        return _problem("S14", "a context has no value", refused, "write `param name: type = value` for one that has")
    hint = "write `name = expression`; to compare, write `==`"
    if trouble.token(2).type == "PARAM":
        hint = f"write `param {trouble.token(1).text}: int = ...`, with its type"
        return _problem("S14", "a param has a type", refused, hint)
    return _problem("S14", "only a plain name can be bound", refused, hint)


def _entry_for_argument(trouble: Trouble, opener: Token) -> Diagnostic:
    """`f(by: user, n=count())`: the first colon is the fault."""
    behind = trouble.tokens[trouble.tokens.index(opener) :]
    key, colon = next((a, b) for a, b in pairwise(behind) if b.type == "COLON")
    return _problem("S14", "an argument is `name=value`", colon, f"write `{key.text}=...`")


def _colon_for_argument(trouble: Trouble) -> Diagnostic | None:
    """`f(x, by: user)`, `answer: x`, `x[1:3]`."""
    inside = trouble.brackets
    if trouble.refused.type != "COLON" or trouble.early:
        return None
    if trouble.token(1).type == "ANSWER" or trouble.token(1).type == "SHOW":
        return _problem("S14", "no colon here", trouble.refused, f"write `{trouble.token(1).text} expression`")
    if inside and inside[-1].type == "LPAR" and trouble.token(1).type in NAMES:
        return _problem("S14", "an argument is `name=value`", trouble.refused, f"write `{trouble.token(1).text}=...`")
    if inside and inside[-1].type == "LSQB":
        return _problem("S15", "there are no slices", trouble.refused, "write take(x, n, skip=0)")
    return None


def _method_or_index(trouble: Trouble) -> Diagnostic | None:
    """`t.where(...)`, `f(x)[0]`."""
    refused, name = trouble.refused, trouble.token(1)
    if trouble.early:
        return None
    if refused.type == "LPAR" and trouble.token(2).type == "DOT":
        owner = trouble.token(3).text if trouble.token(3).type in NAMES else "x"
        if owner in MODULES and trouble.token(4).type != "DOT":
            hint = OF_PATTERNS.get(name.text, "every operator and function is at hand, under its own name")
            return _problem("S15", "nothing is imported, and there are no modules", trouble.token(3), hint)
        return _problem("S15", "there are no methods", name, f"write `{owner} | {name.text}(...)`")
    if refused.type == "LSQB" and name.type in OPERAND_ENDS:
        return _problem("S15", "there is no indexing", refused, INDEX_HINT)
    return None


def _chained_comparison(trouble: Trouble) -> Diagnostic | None:
    """`a < b < c`."""
    chained = trouble.refused.type in _COMPARES and trouble.token(1).type in OPERAND_ENDS
    if trouble.early or not chained or trouble.heads_statement or _after_piped_call(trouble):
        return None
    hint = "write `b between a and c`, or join two comparisons with `and`"
    return _problem("S12", "comparisons do not chain", trouble.refused, hint)


def _operator_after_pipe(trouble: Trouble) -> Diagnostic | None:
    """`x | count() + 1`."""
    if trouble.early or trouble.refused.type not in _OPERATORS or not _after_piped_call(trouble):
        return None
    hint = "put the pipe in parentheses, or call the operator: count(x) + 1 is (x | count()) + 1"
    return _problem("S13", f"`{trouble.refused.text}` binds tighter than the pipe before it", trouble.refused, hint)


def _after_piped_call(trouble: Trouble) -> bool:
    """Whether `| name(...)` stands right before the refused token."""
    if trouble.token(1).type != "RPAR":
        return False
    depth = 0
    for at in range(trouble.at - 1, -1, -1):
        depth += {"RPAR": 1, "LPAR": -1}.get(trouble.tokens[at].type, 0)
        if depth == 0:
            return at >= 2 and trouble.tokens[at - 2].type == "BAR"
    return False


def _expression_as_statement(trouble: Trouble) -> Diagnostic | None:
    """`tickets | take(3)` or `count(x)` on its own; `x <- y`; a name and nothing else."""
    name, refused = trouble.token(1), trouble.refused
    if not trouble.heads_statement:
        return None
    if trouble.early:
        return _problem("S11", f"`{name.text}` alone is not a statement", name, f"write `{name.text} = expression`")
    if refused.text in ("<", "=="):
        return _problem("S14", "a name is bound with `=`", refused, f"write `{name.text} = expression`")
    if refused.type in NAMES or refused.type in ("NUMBER", "TEXT", "RAW", "COLON", "COMMA"):
        return None
    hint = "write `name = expression` to keep it, `show expression` to see it, `answer expression` to end with it"
    return _problem("S11", "an expression alone is not a statement", name, hint)


def _small_habits(trouble: Trouble) -> Diagnostic | None:
    """`count(*)`, `{a, b}`, `x is 3`, `matches(x, y)`, `x not matches y`, `'it''s'`, `a ? b : c`."""
    refused, before = trouble.refused, trouble.token(1)
    if trouble.early:
        return None
    if refused.text == "*" and before.type in ("LPAR", "COMMA"):
        return _problem("S01", "`*` stands for nothing here", refused, "count() counts rows; name the columns meant")
    if "NULL" in trouble.expected and "NUMBER" not in trouble.expected:
        return _problem("S01", "`is` asks for null alone", refused, "write `==` or `!=` for other values")
    if before.type == "MATCHES" and refused.type == "LPAR":
        return _problem("S01", "`matches` stands between a text and its pattern", before, 'write x matches r"pattern"')
    if before.type == "NOT" and refused.type in ("MATCHES", "IS", "COMPARISON"):
        hint = f"write `not x {refused.text} y`"
        return _problem("S01", "`not` stands before the whole comparison", refused, hint)
    if refused.type == before.type == "TEXT" and refused.start == before.end:
        return _problem(
            "S03", "a quote is not doubled inside a text", refused, r"write \" or \', or the other quotes outside"
        )
    if "QUESTION" in (before.type, trouble.token(2).type) and (_is_operand(refused) or refused.type == "COLON"):
        return _problem("S16", "there is no `? :`", refused, FOREIGN_WORDS["if"])
    if refused.type in ("COMMA", "RBRACE") and before.type in NAMES and trouble.expected == {"COLON"}:
        return _problem("S14", "a record has `name: value`", before, f"write `{before.text}: {before.text}`")
    return None


_HABITS: tuple[Callable[[Trouble], Diagnostic | None], ...] = (
    _pipe_without_call,
    _foreign_word,
    _bracket,
    _small_habits,
    _reserved_name,
    _equals_for_comparison,
    _colon_for_argument,
    _method_or_index,
    _operator_after_pipe,
    _chained_comparison,
    _expression_as_statement,
)


# ---- the plain report ----


def _unexpected(trouble: Trouble) -> Diagnostic:
    wanted = _listed(_wanted(trouble.expected))
    refused = trouble.refused
    if refused.type == "$END":
        return _problem("S11", f"the program ends where {wanted} is due", _last_token(trouble))
    found = refused.text if len(refused.text) <= 40 else refused.text[:37] + "..."
    missing = "COMMA" in trouble.expected and (_is_operand(refused) or refused.type in CLOSER)
    hint = "put a comma between the two" if missing else ""
    if refused.type in STATEMENT_WORDS and trouble.early:
        hint = f"`{found}` begins a statement here, and the one before it is not finished"
    return _problem("S01", f"expected {wanted}, found `{found}`", refused, hint)


def _last_token(trouble: Trouble) -> Token:
    return trouble.token(1) if trouble.at else trouble.refused


def _is_operand(token: Token) -> bool:
    return token.type in NAMES or token.type in ("NUMBER", "TEXT", "RAW", "MOMENT", "NOT", "MINUS")


def _wanted(expected: frozenset[str]) -> list[str]:
    """What may stand here, in the order of likelihood; the rarer half is left out where there is much."""
    if "NUMBER" in expected:
        return ["an expression", *_symbols(expected & set(OPENER))]
    if "COMPARISON" in expected:
        return [*_symbols(expected & {"COMMA", *OPENER}), *_next_statement(expected), "an operator"]
    names = ["a name"] if "NAME" in expected and "$END" not in expected else []
    tokens = [f"`{name.lower()}`" for name in ("NULL", "AND", "IN", "BETWEEN") if name in expected and not names]
    return [*_symbols(expected), *_next_statement(expected), *names, *tokens]


def _next_statement(expected: frozenset[str]) -> list[str]:
    return ["the next statement"] if "$END" in expected else []


def _symbols(expected: frozenset[str]) -> list[str]:
    return [f"`{symbol}`" for name, symbol in _SYMBOLS.items() if name in expected]


_SYMBOLS = {"COMMA": ",", "RPAR": ")", "RSQB": "]", "RBRACE": "}", "EQUAL": "=", "COLON": ":", "LPAR": "("}


def _listed(wanted: list[str]) -> str:
    if len(wanted) < 2:
        return "".join(wanted) or "nothing more"
    return ", ".join(wanted[:-1]) + " or " + wanted[-1]


def nesting_problem(span: Span, limit: int) -> Diagnostic:
    """Deeper than programs go: a limit that keeps every later stage's recursion shallow."""
    hint = "bind inner parts to names; for many alternatives write `x in [...]`"
    return Diagnostic("S10", f"nested deeper than {limit} levels", span, (hint,))
