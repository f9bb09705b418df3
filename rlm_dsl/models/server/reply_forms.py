"""How a reply is kept to a grammar, by families of servers; and whether one was.

In: a grammar in Lark's notation, an answer. Out: the parameters by which a server is asked; a verdict. Law: the last
form is plain text, which every server takes: what a server cannot do never ends a run.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from rlm_dsl.common.source import Source
from rlm_dsl.language.reply_grammar.notation import ebnf
from rlm_dsl.language.syntax.parse import parse_prefix

CUSTOM = "custom"
PLAIN = "plain"
LLGUIDANCE = "llguidance"
REPLY_FORMS = (CUSTOM, "structured", "guided", "ebnf", LLGUIDANCE, PLAIN)
"""As the input of OpenAI's custom tool, by vLLM's `structured_outputs`, by its older `guided_grammar`, by SGLang's
`ebnf`, by llama.cpp's `grammar` with LLGuidance in it; or in plain text, without a grammar."""
TOLD = {
    CUSTOM: "a custom tool",
    "structured": "structured_outputs",
    "guided": "guided_grammar",
    "ebnf": "ebnf",
    LLGUIDANCE: "LLGuidance",
    PLAIN: "nothing: the server takes no grammar",
}
TOOL = "reply"
DESCRIPTION = "Takes the reply: statements of the language."


def constrained(grammar: str, form: str) -> dict[str, Any]:
    """The parameters that keep a reply to a grammar."""
    match form:
        case "custom":
            held = {"type": "grammar", "grammar": {"syntax": "lark", "definition": grammar}}
            tool = {"type": "custom", "custom": {"name": TOOL, "description": DESCRIPTION, "format": held}}
            return {"tools": [tool], "tool_choice": {"type": "custom", "custom": {"name": TOOL}}}
        case "structured":
            return {"structured_outputs": {"grammar": ebnf(grammar)}}
        case "guided":
            return {"guided_grammar": ebnf(grammar)}
        case "ebnf":
            return {"ebnf": ebnf(grammar)}
        case "llguidance":
            return {"grammar": f"%llguidance {{}}\n{grammar}"}
        case _:
            return {}


def remaining(form: str, passed_over: Set[str]) -> tuple[str, ...]:
    """The forms to try where one is not taken, plain text the last."""
    if form == PLAIN:
        return ()
    at = REPLY_FORMS.index(form)
    more = (*REPLY_FORMS[at + 1 : -1], *REPLY_FORMS[:at])
    return (*(each for each in more if each not in passed_over), PLAIN)


def after(form: str, passed_over: Set[str]) -> str:
    """The form to try next where one was taken and passed over."""
    return next(iter(remaining(form, passed_over)), PLAIN)


def is_kept(text: str) -> bool:
    """Whether a reply is statements alone, as a grammar makes it: whether it means something is not asked."""
    found = parse_prefix(Source("reply", text))
    return bool(found.tree.statements) and not found.problems and not found.unfinished
