"""How each model wants to be asked: by schema, tool, JSON mode or words, and what else it takes or refuses.

In: requests, answers and refusals as they come. Out: the dialect in which the next request is written. Law: a dialect
is learned from what works, never from the words of a refusal alone, which may repeat a row; words only choose what is
tried first. No dialect enters a request's key.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from rlm_dsl.language.lenient_json import Unreadable
from rlm_dsl.language.said_json import said_values
from rlm_dsl.models.budget import most_output
from rlm_dsl.models.request import Request, canonical_text, estimated_tokens
from rlm_dsl.models.server.answer_room import answer_room
from rlm_dsl.models.server.errors import ServerError
from rlm_dsl.models.server.gbnf import grammar, grammar_of_rest, llguidance
from rlm_dsl.models.server.reply_forms import CUSTOM, PLAIN, REPLY_FORMS, TOLD, after, constrained, is_kept, remaining
from rlm_dsl.models.server.scores import ASKED, begun, closed_values

FORMS = ("guided", "llguidance", "grammar", "schema", "tool", "json", "words")
"""How a result's type is asked for: by a grammar without white space, as vLLM and SGLang take it, as llama.cpp with
LLGuidance does, or as llama.cpp alone; by strict schema, as a tool's arguments, by JSON mode with the schema in words,
by words alone."""
FOLLOWING = {
    "guided": ("schema", "tool", "json", "words"),
    "llguidance": ("grammar", "schema", "tool", "json", "words"),
}
"""What is tried after a grammar: only llama.cpp takes another, and others pass over what they do not know."""
LLAMACPP = ("llguidance", "grammar")
TOOL = "result"
FLAGS = ("words", "folded", "plain", "room", "unbegun")
"""What a dialect is beside its form, as the store writes it."""
OLD_LIMIT, NEW_LIMIT = "max_tokens", "max_completion_tokens"
ROLE = re.compile(
    r"\bsystem\b.{0,60}(role|message|prompt|instruction)|(role|message|prompt|instruction).{0,60}\bsystem\b"
    r"|roles? must alternate|only (support\w*|accept\w*|allow\w*).{0,20}user|developer instruction",
    re.IGNORECASE | re.DOTALL,
)
"""Words of servers that take no message of the system's."""
SMALL = 2_000
"""Characters of a schema so small that a server which refuses it refuses schemas."""
MOST_SEARCHES = 3
"""Requests for which the dialects are searched in vain, before a refusal is taken as it comes."""
MOST_TRIED = 8
"""Dialects that one request is tried in."""
WORDED = "Answer with JSON alone, of this JSON Schema: "


@dataclass(frozen=True, slots=True)
class Dialect:
    """`form` is how a type is asked for; with `words` the schema is told in words as well, to a server that takes the
    form and passes it over; `old_limit` is the older name of the output's limit; with `folded` the system's words stand
    in the user's message; `without` names parameters that the server refuses; with `plain` texts' patterns are left out
    of schemas; with `room` answers may be as long as the user allows, since the model says more than its answer; with
    `unbegun` no answer is begun for the model; `reply` is how a reply is kept to a grammar."""

    form: str = "schema"
    words: bool = False
    old_limit: bool = False
    folded: bool = False
    without: frozenset[str] = frozenset()
    plain: bool = False
    room: bool = False
    unbegun: bool = False
    reply: str = REPLY_FORMS[0]

    def written(self) -> str:
        """As the store keeps it; a plain form is written as it was before there was more."""
        more = [name for name in FLAGS if getattr(self, name)]
        more += [f"reply {self.reply}"] if self.reply != REPLY_FORMS[0] else []
        return ";".join([self.form, *more, *(f"-{name}" for name in sorted(self.without))])

    @staticmethod
    def read(text: str, old_limit: bool) -> Dialect:
        form, *more = text.split(";")
        without = frozenset(name[1:] for name in more if name.startswith("-"))
        known = form if form in FORMS else "schema"
        reply = next((each for each in REPLY_FORMS if f"reply {each}" in more), REPLY_FORMS[0])
        flags = {name: name in more for name in FLAGS}
        return Dialect(known, old_limit=old_limit, without=without, reply=reply, **flags)

    def told(self) -> str:
        """For people: what is not as usual."""
        forms = {
            "guided": "by a grammar",
            "llguidance": "by a grammar",
            "grammar": "by a grammar",
            "schema": "",
            "tool": "as a tool's call",
            "json": "in JSON mode",
            "words": "in words alone",
        }
        said = [
            forms[self.form],
            "the schema in words too" if self.words and self.form not in ("json", "words") else "",
            f"with {OLD_LIMIT}" if self.old_limit else "",
            "the system's words in the user's message" if self.folded else "",
            f"without {', '.join(sorted(self.without))}" if self.without else "",
            "without patterns" if self.plain else "",
            "with room for more than the answer" if self.room else "",
            "no answer begun" if self.unbegun else "",
            f"replies kept to their grammar by {TOLD[self.reply]}" if self.reply != REPLY_FORMS[0] else "",
        ]
        return ", ".join(filter(None, said))


USUAL = Dialect()


def body_of(request: Request, dialect: Dialect, most: int | None = None) -> dict[str, Any]:
    """The request as a server takes it in a dialect, its answer of `most` tokens where that is less than it may have. A
    question that is asked again tells the schema in words, whatever the form: an answer did not fit."""
    form, schema = dialect.form, request.schema
    if schema is not None and dialect.plain and patterned(schema):
        schema = without_patterns(schema)
    messages = [{"role": m.role, "content": sendable(m.content)} for m in request.messages]
    again = len(request.messages) > 2 and request.messages[-2].role == "assistant"
    if schema is not None and (form in ("json", "words") or dialect.words or again):
        messages = in_words(messages, schema)
    if dialect.folded:
        messages = fold_system(messages)
    parameters = dict(request.settings.parameters)
    if most is not None and most < most_output(request) and NEW_LIMIT in parameters:
        parameters[NEW_LIMIT] = most
    parameters = limits_named(parameters, dialect.old_limit)
    kept = {name: value for name, value in parameters.items() if name not in dialect.without}
    asked = asked_as(schema, form)
    if form in LLAMACPP and not dialect.unbegun and (beginning := begun(request)):
        assert schema is not None
        messages.append({"role": "assistant", "content": beginning})
        asked = {"grammar": grammar_of_rest(schema, beginning, (closed_values(schema) or ("", ()))[1])}
    return {"model": request.settings.model, "messages": messages, **kept, **asked, **kept_to(request, dialect)}


def kept_to(request: Request, dialect: Dialect) -> dict[str, Any]:
    """The parameters that keep a reply to the request's grammar, if it has one."""
    return constrained(request.grammar, dialect.reply) if request.grammar else {}


def patterned(schema: Mapping[str, Any]) -> bool:
    """Whether a text of the schema has a pattern, as those of packs have."""
    return any("pattern" in part for part in schema.get("properties", {}).values())


def without_patterns(schema: Mapping[str, Any]) -> dict[str, Any]:
    parts = {
        name: {key: value for key, value in part.items() if key != "pattern"}
        for name, part in schema["properties"].items()
    }
    return {**schema, "properties": parts}


def sendable(text: str) -> str:
    """A text as UTF-8 can carry it: half a surrogate pair becomes the mark of what cannot be read."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text


def limits_named(parameters: dict[str, Any], old: bool) -> dict[str, Any]:
    """The output's limit by the one name that the server knows."""
    name, other = (OLD_LIMIT, NEW_LIMIT) if old else (NEW_LIMIT, OLD_LIMIT)
    if other in parameters:
        number = parameters.pop(other)
        parameters.setdefault(name, number)
    return parameters


def asked_as(schema: Mapping[str, Any] | None, form: str) -> dict[str, Any]:
    """The parameters by which a result's type is asked for."""
    if schema is None or form == "words":
        return {}
    if form == "grammar":
        return {"grammar": grammar(schema)}
    if form == "llguidance":
        return {"grammar": llguidance(schema)}
    if form == "guided":  # vLLM's name for it, the one it had before 0.12, and SGLang's; each passes over the others
        told = grammar(schema)
        return {"structured_outputs": {"grammar": told}, "guided_grammar": told, "ebnf": told}
    if form == "json":
        return {"response_format": {"type": "json_object"}}
    if form == "tool":
        tool = {"name": TOOL, "strict": True, "parameters": dict(schema)}
        chosen = {"type": "function", "function": {"name": TOOL}}
        return {"tools": [{"type": "function", "function": tool}], "tool_choice": chosen}
    strict = {"name": TOOL, "strict": True, "schema": dict(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": strict}}


def in_words(messages: list[dict[str, str]], schema: Mapping[str, Any]) -> list[dict[str, str]]:
    """The schema told in the system message, where a server cannot be given it."""
    told = WORDED + json.dumps(schema, ensure_ascii=False)
    head = messages[0]
    if head["role"] == "system":
        return [{"role": "system", "content": f"{head['content']}\n{told}"}, *messages[1:]]
    return [{"role": "system", "content": told}, *messages]


def fold_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The system's words at the head of the first message of the user's."""
    if messages[0]["role"] != "system":
        return messages
    head, rest = messages[0]["content"], messages[1:]
    if not rest or rest[0]["role"] != "user":
        return [{"role": "user", "content": head}, *rest]
    return [{"role": "user", "content": f"{head}\n\n{rest[0]['content']}"}, *rest[1:]]


def conforms(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether an answer holds the very properties asked for, after its thoughts and in a fence or not: what a server
    that keeps to the form would give."""
    try:
        value = said_values(text, list(schema.get("properties", ())))[-1]
    except Unreadable:
        return False
    return isinstance(value, dict) and set(value) == set(schema.get("properties", value))


SO_MANY = re.compile(r"\)\{\d+\}")
"""How many rows the pattern of a pack's answer counts: a server that takes one number of them takes another."""


def schema_text(request: Request) -> str:
    """A request's schema as what servers may take or refuse: that of packs whatever the number of their rows."""
    if request.schema is None:
        return ""
    text = canonical_text(request.schema)
    return SO_MANY.sub("", text) if request.rows else text


@dataclass(slots=True)
class Dialects:
    """What was found out about the models of one server. `known` is of earlier runs; `learnt` is told of what holds
    for a model whatever it is asked; `usual` is how a model is asked of which nothing is known."""

    known: dict[str, Dialect] = field(default_factory=dict)
    learnt: Callable[[str, Dialect], None] = lambda model, dialect: None
    usual: Dialect = USUAL
    of_schema: dict[tuple[str, str], Dialect] = field(default_factory=dict)
    """Dialects for one schema alone, where a server refuses that one, such as for its size."""
    proven: set[tuple[str, Dialect, str]] = field(default_factory=set)
    """Models, dialects and schemas that were answered as asked."""
    answered: set[str] = field(default_factory=set)
    """Models that gave any answer."""
    in_vain: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Models and schemas, with how many requests were refused in every dialect."""
    keeping: set[tuple[str, str]] = field(default_factory=set)
    """Models and the forms by which their replies were kept to a grammar."""
    passed_over: set[str] = field(default_factory=set)
    """Forms that the server took, and no reply was kept to."""
    cut: set[str] = field(default_factory=set)
    """Keys of requests whose answers had no end within what their types take."""

    def of(self, request: Request) -> Dialect:
        """How a request is written as far as is known."""
        model = request.settings.model
        own = self.of_schema.get((model, schema_text(request))) if self.of_schema and request.schema else None
        return own or self.known.get(model, self.usual)

    def room(self, request: Request) -> int:
        """Tokens that the next answer to a request may have."""
        most = most_output(request)
        if request.key in self.cut or self.of(request).room:
            return most
        return answer_room(request.schema, request.settings.parameters, most)

    def beside(self, request: Request) -> int:
        """Tokens that a server counts beside a request's messages: a tool's definition is a part of the prompt, and a
        grammar that is a parameter is none."""
        return estimated_tokens(request.grammar) if request.grammar and self.of(request).reply == CUSTOM else 0

    def is_proven(self, request: Request, dialect: Dialect) -> bool:
        """Whether the same was asked in the same way with success: then a refusal is about the row."""
        return (request.settings.model, dialect, schema_text(request)) in self.proven

    def succeeded(self, request: Request, dialect: Dialect, text: str, whole: bool) -> None:
        """An answer came. Where the dialect is another than was known, that is learned, another form only from an
        answer that fits; a form that was passed over is asked for in words too from then on."""
        model, schema = request.settings.model, schema_text(request)
        if request.key in self.cut and whole:
            dialect = replace(dialect, room=True)
        self.cut.discard(request.key)
        key = (model, dialect, schema)
        fits = request.schema is None or not whole or conforms(text, request.schema)
        if fits and whole and key not in self.proven:
            self.proven.add(key)
        self.answered.add(model)
        if not fits and key not in self.proven and dialect.form == "guided":
            self.learn(request, replace(dialect, form="schema"))  # it was passed over, and a schema may not be
            return
        if not fits and key not in self.proven and not dialect.words and dialect.form != "words":
            dialect = replace(dialect, words=True)
        if request.grammar and whole:
            dialect = self.as_kept(model, dialect, text)
        usual = self.of(request)
        later = FORMS.index(dialect.form) > FORMS.index(usual.form)
        if dialect != usual and not (later and (not fits or (model, usual, schema) in self.proven)):
            self.learn(request, dialect)

    def as_kept(self, model: str, dialect: Dialect, text: str) -> Dialect:
        """The dialect for the next reply: a form by which none was kept to its grammar gives way to another."""
        if is_kept(text):
            self.keeping.add((model, dialect.reply))
        if (model, dialect.reply) in self.keeping:
            return dialect
        self.passed_over.add(dialect.reply)
        return replace(dialect, reply=after(dialect.reply, self.passed_over))

    def takes_grammars(self, request: Request) -> bool:
        """Whether replies are kept to grammars, as far as is known."""
        return self.of(request).reply != PLAIN

    def learn(self, request: Request, dialect: Dialect) -> None:
        """For the model, or where only the form differs and the schema is large, for that schema."""
        model, schema = request.settings.model, schema_text(request)
        usual = self.known.get(model, self.usual)
        if dialect.form != usual.form and len(schema) > SMALL:
            self.of_schema[model, schema] = dialect
            dialect = replace(dialect, form=usual.form, words=usual.words)
        if dialect != usual:
            self.known[model] = dialect
            self.learnt(model, dialect)

    def nothing_worked(self, request: Request) -> None:
        """A request was refused in every dialect."""
        self.in_vain[request.settings.model, schema_text(request)] += 1

    def given_up(self, request: Request) -> bool:
        """Whether so many requests were refused in every dialect that another search finds nothing either."""
        return self.in_vain[request.settings.model, schema_text(request)] >= MOST_SEARCHES

    def search(self, request: Request, first: Dialect, error: ServerError) -> Search:
        """The dialects worth trying after a refusal: none where the same was answered before."""
        found = Search(request, {first}, passed_over=frozenset(self.passed_over))
        if (now := self.of(request)) != first:
            found.ahead.append(now)  # which others found out meanwhile
        if request.schema is None or not self.is_proven(request, first):
            found.ahead += candidates(request, first, error, found.passed_over)
        return found


@dataclass(slots=True)
class Search:
    """Dialects to try one after the other, a few at most; each refusal says what to try next."""

    request: Request
    seen: set[Dialect]
    ahead: list[Dialect] = field(default_factory=list)
    passed_over: frozenset[str] = frozenset()

    def refused(self, dialect: Dialect, error: ServerError) -> None:
        """What a refusal points to is tried before what was thought of earlier."""
        self.ahead = [*candidates(self.request, dialect, error, self.passed_over), *self.ahead]

    def next(self) -> Dialect | None:
        while self.ahead:
            dialect = self.ahead.pop(0)
            if dialect not in self.seen and len(self.seen) <= MOST_TRIED:
                self.seen.add(dialect)
                return dialect
        return None


def candidates(
    request: Request, first: Dialect, error: ServerError, passed_over: Set[str] = frozenset()
) -> Iterator[Dialect]:
    """Other ways to ask: with a parameter renamed or left out, with the system's words folded in, in the next forms,
    and those together."""
    base = first
    named = parameters_named(request, error, first)
    if {OLD_LIMIT, NEW_LIMIT} & named:
        base = replace(base, old_limit=not base.old_limit)
        yield base
    if others := named - {OLD_LIMIT, NEW_LIMIT}:
        base = replace(base, without=base.without | others)
        yield base
    if ROLE.search(error.words) and not base.folded:
        base = replace(base, folded=True)
        yield base
    if base.form in LLAMACPP and not base.unbegun and begun(request):
        yield replace(base, unbegun=True)
    if request.grammar:
        yield from (replace(base, reply=form) for form in remaining(base.reply, passed_over))
    if request.schema is None:
        if not base.folded and request.messages[0].role == "system":
            yield replace(base, folded=True)
        return
    if patterned(request.schema) and not base.plain:
        yield replace(base, plain=True)
    for form in FOLLOWING.get(base.form, FORMS[FORMS.index(base.form) + 1 :]):
        yield replace(base, form=form)
    if not base.folded and request.messages[0].role == "system":
        yield replace(base, form=FORMS[-1], folded=True)
    if scored := ASKED.keys() & request.settings.parameters.keys() - base.without:
        yield replace(first, without=first.without | scored)


def parameters_named(request: Request, error: ServerError, dialect: Dialect) -> frozenset[str]:
    """The sent parameters that a refusal names: as its `param`, or as a word of its own."""
    sent = set(limits_named(dict(request.settings.parameters), dialect.old_limit)) - dialect.without
    field_ = error.parameter.partition(".")[0].partition("[")[0]
    if field_ in sent:
        return frozenset({field_})
    found = {name for name in sent if any(is_word(form, error.words) for form in (name, joined_name(name)))}
    return frozenset(found)


def is_word(name: str, words: str) -> bool:
    return re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", words) is not None


def joined_name(name: str) -> str:
    """`presence_penalty` as some servers spell it: presencePenalty."""
    head, *more = name.split("_")
    return head + "".join(part.capitalize() for part in more)
