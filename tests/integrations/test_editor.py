"""For editors: highlighting, problems, completion, the manual at a place, and the server over its protocol."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Error, Keyword, Literal, Name, String, Token

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Span
from rlm_dsl.integrations.editor.checkpoints import Checkpoints
from rlm_dsl.integrations.editor.completion import complete
from rlm_dsl.integrations.editor.fixes import fixes
from rlm_dsl.integrations.editor.hover import hover
from rlm_dsl.integrations.editor.lexer import RlmLexer
from rlm_dsl.integrations.editor.names import definition, references, rename, symbols
from rlm_dsl.integrations.editor.places import offset, position, units
from rlm_dsl.integrations.editor.problems import problems
from rlm_dsl.integrations.editor.reading import EMPTY, environment_after, read
from rlm_dsl.integrations.editor.server import formatting
from rlm_dsl.integrations.editor.signature import signature
from rlm_dsl.language.operators.core.registry import aggregates, function_names, table_operators
from rlm_dsl.language.reference.manual import entry_called, manual_of, parameter_words
from rlm_dsl.language.syntax.grammar import language
from rlm_dsl.language.syntax.scan import scan
from rlm_dsl.language.syntax.tokens import STATEMENT_WORDS
from rlm_dsl.language.types import SCALARS
from tests.support.cases import corpus_cases

PROGRAMS = sorted([*Path("tests/corpus/programs").glob("*.rlm"), *Path("examples").glob("*/*.rlm")])
FAULTY = [
    program
    for name in ("errors.txt", "syntax_errors.txt")
    for program, _ in corpus_cases(Path("tests/corpus") / name).values()
]
HEAD = "context t: table(id: int, user: text, sent: date, body: text, `odd name`: int?)\n"

# ---- highlighting ----


def tokens(text: str) -> list[tuple[Any, str]]:
    return list(RlmLexer(stripnl=False, ensurenl=False).get_tokens(text))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_tokens_are_the_text_of_every_program(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = tokens(text)
    assert "".join(value for _, value in found) == text
    assert [value for kind, value in found if kind is Error] == []


def test_tokens_of_examples_and_of_faulty_programs() -> None:
    for operator in table_operators().values():
        for example in operator.examples:
            assert Error not in {kind for kind, _ in tokens(example.program)}, example.program
    for text in FAULTY:
        assert "".join(value for _, value in tokens(text)) == re.sub(r"\r\n?", "\n", text).removeprefix("\ufeff")


def test_what_words_are_shown_as() -> None:
    text = (
        'param users: list[text] = ["a\\n{x}"]\n'
        'x = t | grep(r"a|b", on=`odd name`) | where(text == "a" and n is not null) | unheard_of(1_000, 1.5e3)\n'
        "answer {a: x.y, text: length('x'), \"k\": @2024-01-01T10:00:00}  # why\n"
    )
    seen: dict[str, set[Any]] = {}
    for kind, value in tokens(text):
        seen.setdefault(value, set()).add(kind)
    wanted = {
        "param": Keyword.Declaration,
        "users": Name.Variable,
        "list": Keyword.Type,
        "\\n": String.Escape,
        "{x}": String.Interpol,
        "grep": Name.Builtin,
        'r"a|b"': String.Regex,
        "on": Name.Attribute,
        "`odd name`": Name.Variable,
        "and": Token.Operator.Word,
        "null": Keyword.Constant,
        "unheard_of": Name,
        "1_000": Literal.Number.Integer,
        "1.5e3": Literal.Number.Float,
        "answer": Keyword,
        "length": Name.Function,
        "y": Name.Attribute,
        "@2024-01-01T10:00:00": Literal.Date,
        "# why": Token.Comment.Single,
    }
    assert {value: kind for value, kind in wanted.items() if seen.get(value) != {kind}} == {}
    assert seen["text"] == {Keyword.Type, Name, Name.Property}


def test_words_of_statements_are_shown_as_names_where_they_are() -> None:
    text = (
        "context answer: table(show: text)\nshow answer | take(3)\nx = answer | where(\n    show == param\n)\n"
        "y = x + answer\nanswer answer | select(show, a=context)\n"
    )
    shown = [kind for kind, value in tokens(text) if value.upper() in STATEMENT_WORDS]
    words, names = (Keyword, Keyword.Declaration), (Name, Name.Variable, Name.Property)
    read = [token for token in scan(text, language()).tokens if token.text.upper() in STATEMENT_WORDS]
    assert len(shown) == len(read) == 13
    assert [kind in words for kind in shown] == [token.type != "NAME" for token in read]
    assert all(kind in words or kind in names for kind in shown)


def test_pygments_finds_the_lexer_where_it_is_installed() -> None:
    from importlib.metadata import entry_points

    if any(
        point.value == "rlm_dsl.integrations.editor.lexer:RlmLexer" for point in entry_points(group="pygments.lexers")
    ):
        assert isinstance(get_lexer_by_name("rlm"), RlmLexer)
        assert isinstance(get_lexer_for_filename("a.rlm"), RlmLexer)
    written = Path("pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points."pygments.lexers"]\nrlm = "rlm_dsl.integrations.editor.lexer:RlmLexer"' in written


def test_the_textmate_grammar_names_the_words_of_the_language_and_no_operator() -> None:
    grammar = json.loads(Path("grammar/rlm.tmLanguage.json").read_text(encoding="utf-8"))
    assert (grammar["scopeName"], grammar["fileTypes"]) == ("source.rlm", ["rlm"])
    patterns = list(regexes(grammar))
    words = {word for pattern in patterns for word in re.findall(r"[a-z]{2,}", re.sub(r"\\.", " ", pattern))}
    wanted = {*language().keywords, *SCALARS, "decimal", "list", "enum", "table"}
    assert words == wanted
    names = {*table_operators(), *function_names(), *aggregates()} - wanted
    assert not words & names
    includes = set(re.findall(r'"include": "#([\w-]+)"', json.dumps(grammar)))
    assert includes == set(grammar["repository"])
    called = next(p for p in patterns if p.endswith(r"(?=\s*\()") and "A-Za-z" in p)
    assert all(re.fullmatch(called, f"{name}(", re.NOFLAG) or re.match(called, f"{name}(") for name in names)


def regexes(part: Any) -> Iterator[str]:
    """Every pattern of a TextMate grammar, compiled to see that it is one."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part):
        if key in ("match", "begin", "end"):
            re.compile(value)
            yield value
        elif isinstance(value, dict | list):
            yield from regexes(value)


# ---- places ----


@given(st.text(st.sampled_from("ab\n\r😀é\u2028")), st.sampled_from(["utf-8", "utf-16", "utf-32"]), st.data())
def test_places_go_there_and_back(text: str, encoding: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    if at and text[at - 1 : at + 1] != "\r\n":
        line, column = position(text, at, encoding)
        assert offset(text, line, column, encoding) == at
        assert line == len(re.findall(r"\r\n|\r|\n", text[:at]))
        assert text.isascii() is False or units(text, encoding) == len(text)


# ---- problems ----


def told(text: str) -> list[tuple[str, str]]:
    return [(problem.code, text[problem.span.start : problem.span.end]) for problem in problems(text)]


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        (f"{HEAD}x = t | where(usr == 'u1')\ny = count(x)\nshow y + 1", [("C01", "usr")]),
        (
            f"{HEAD}x = t |\ny = t | where(id == 'a')\nz = x | take(n=1, m=2)",
            [("S13", "|"), ("C03", "id == 'a'"), ("C05", "m")],
        ),
        ("a = t | where(\nb = a | count()\nc = a | tak(3)", [("S09", "("), ("C02", "tak")]),
        (
            "mine = tickets | grep(r'x')\nshow mine | wher(a == 1)\nanswer {n: mine | count(nope(a)), m: count(mien)}",
            [("E01", "tickets"), ("C02", "wher"), ("C02", "nope")],
        ),
        ("show tickets | take(1)\nshow tickets | where(a == 1) | group(by=c, n=count())", [("E01", "tickets")]),
        ("a = tickets | take(2)\nshow aa", [("E01", "tickets"), ("C01", "aa")]),
        ("context t: table(a: it)\nshow t | take(1)\nparam p: nix\nshow p + 1", [("C13", "it"), ("C13", "nix")]),
        ("param n: int\nparam m: list[text]\nshow n + 1\nanswer foo(n)", [("C02", "foo")]),
        ("x = 1\nx = 2", [("C07", "x")]),
        ("", []),
    ],
)  # fmt: skip
def test_problems_say_each_mistake_once(program: str, wanted: list[tuple[str, str]]) -> None:
    assert told(program) == wanted


def test_right_programs_have_no_problems() -> None:
    for path in PROGRAMS:
        assert {code for code, _ in told(path.read_text(encoding="utf-8"))} <= {"W01"}, path
    assert told(f"{HEAD}show t | where(`odd name` != 1)") == [("W01", "`odd name` != 1")]
    assert problems("show x | take(1)")[0].severity == "warning"


def test_what_is_too_long_to_check_is_said_and_nothing_raised() -> None:
    text = f"{HEAD}x = t{' | take(3)' * 1500}\nshow x |"
    assert [problem.code for problem in problems(text)] == ["C22", "S11"]
    assert complete(text, len(text)).candidates
    hover(text, text.index("x ="))


def test_what_is_right_is_read_beside_what_is_not() -> None:
    reading = read("a = 1\nb = (\nc = 2 +\n`d e` = )\nf = 3\n")
    assert [statement.name for statement in reading.tree.statements] == ["a", "f"]  # type: ignore[union-attr]
    assert reading.broken == {"b", "c", "d e"} and reading.tree.statements[1].span.start == 30


# ---- completion ----


def completed(text: str, *, bare: bool = False) -> tuple[str, list[str]]:
    """The word that candidates stand for, and the candidates, at `¦`."""
    at = text.index("¦")
    found = complete(text.replace("¦", ""), at, bare=bare)
    return text[found.start : at], [candidate.text for candidate in found.candidates]


COLUMNS = ["id", "user", "sent", "body", "`odd name`"]


@pytest.mark.parametrize(
    ("program", "word", "first"),
    [
        ("¦", "", ["context", "param", "show", "answer"]),
        ("x = t | take(1)\nsh¦", "sh", ["show"]),
        ("x = t | wh¦", "wh", ["where"]),
        ("x = t |\n  wh¦\ny = t", "wh", ["where"]),
        ("x = t | first(user) | low¦", "low", ["lower"]),
        ("x = t | where(¦", "", COLUMNS),
        ("x = t | where(us¦", "us", ["user"]),
        ("x = t | where(`o¦", "`o", ["`odd name`"]),
        ("x = t | where(user ¦", "", ["and", "or", "in", "not in", "between", "is null", "is not null", "matches"]),
        ("x = t | where(user is ¦", "", ["null", "not null"]),
        ("x = t | where(lower(b¦", "b", ["body"]),
        ("who = 'u1'\nx = t | where(user == w¦", "w", ["who", "week"]),
        ("x = where(t, ¦", "", COLUMNS),
        ("x = t | grep(r'a', o¦", "o", ["`odd name`", "on="]),
        ("x = t | grep(r'a', on=¦", "", COLUMNS),
        ("x = t | grep(r'a', on=body, invert=¦", "", ["true", "false"]),
        ("x = t | grep(r'a', on=body, ¦", "", ["invert=", "before=", "after="]),
        ("x = t | group(by=[u¦", "u", ["user", "upper"]),
        ("x = t | group(by=user, n=su¦", "su", ["sum", "substring"]),
        ("x = t | group(by=user, n=sum(¦", "", COLUMNS),
        ("g = t | group(by=user, n=count())\nx = g | sort(-¦", "", ["user", "n"]),
        ("x = t | derive(up=upper(user), b=u¦", "u", ["user", "up", "upper"]),
        ("y = t | select(id, who=user)\nx = t | join(y, on=right.¦", "", ["id", "who"]),
        ("x = t | join(¦", "", ["other=", "on=", "how=", "t"]),
        ("x = t | join(t, how=¦", "", ['"inner"', '"left"', '"semi"', '"anti"']),
        ("x = t | ask('q', returns={a: da¦", "da", ["date"]),
        ("l = ['a', 'b']\nx = t | classify(on=body, labels=¦", "", ["l"]),
        ("param a: ¦", "", [*SCALARS, "list", "enum"]),
        ("context z: ta¦", "ta", ["table"]),
        ("context z: table(a: in¦", "in", ["int"]),
        ("r = {aa: 1, b: 'x'}\nshow r.¦", "", ["aa", "b"]),
        ("answer {n: ¦", "", ["t"]),
    ],
)
def test_completion(program: str, word: str, first: list[str]) -> None:
    found = completed(HEAD + program)
    assert (found[0], found[1][: len(first)]) == (word, first)


@pytest.mark.parametrize(
    "program", ["# foo ¦", "x = 'foo ¦", 'x = """a\n¦', "x = t | where(user == 'u¦'", "context ¦", "answer {¦"]
)
def test_nothing_is_offered_where_nothing_can_be_meant(program: str) -> None:
    assert completed(HEAD + program)[1] == []


def test_completion_without_types_offers_the_language() -> None:
    found = completed("x = unknown | where(a == 1) | ¦")[1]
    assert {"where", "group", "count", "lower"} <= set(found) and "is null" not in found
    assert completed("x = unknown | grep(r'a', ¦")[1][:2] == ["on=", "invert="]
    assert "t" in completed(f"{HEAD}¦", bare=True)[1] and "t" not in completed(f"{HEAD}¦")[1]


# ---- the manual at a place ----

HOVERED = f"""\
{HEAD}ids = ["a", "b"]
mine = t | grep(r"x", on=body) | where(user in ids and id > 3)
g = mine | group(by=user, n=count(), s=sum(id))
r = g | first()
answer {{a: r.n, b: g | sort(-n), c: length("x")}}
"""


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("ids =", "ids: list[text]"),
        ("mine | gr", "mine: table(id: int, user: text,"),
        ("grep(", 'grep(t, r"..", on=, invert=false, before=0, after=0)'),
        ("grep(", "Order of rows: kept. Origin: kept."),
        ("grep(", 't | grep(r"(?i)b+", on=x)'),
        ("on=", "a text of each row"),
        ("body)", "body: text\n```\n\ncolumn"),
        ("in ids", "Whether the list has it."),
        ("ids and", "ids: list[text]"),
        ("count()", "Aggregate: number of rows."),
        ("id))", "id: int\n```\n\ncolumn"),
        ("first(", "record"),
        ("n, b", "n: int\n```\n\nfield"),
        ("length", "length(value: sized) -> int"),
        ("answer", "a program has one"),
        ("t: table", "`odd name`: int?"),
    ],
)
def test_hover(at: str, says: str) -> None:
    start = HOVERED.index(at)
    found = hover(HOVERED, start)
    assert found is not None and says in found.markdown and found.span.start == start


def test_hover_says_nothing_of_what_means_nothing() -> None:
    assert [hover(HOVERED, HOVERED.index(part)) for part in ('"x"', "= [", "\n")] == [None, None, None]
    assert hover("show x | nope(1)", 4 + 1) is None and hover("", 0) is None


def test_every_entry_has_a_manual() -> None:
    for name in {*table_operators(), *function_names()}:
        entry = entry_called(name)
        assert entry is not None
        manual = manual_of(entry)
        assert (
            manual.form.startswith(f"{name}(") and manual.summary in manual.markdown() and manual.form in manual.plain()
        )
    for operator in table_operators().values():
        assert all(map(parameter_words, operator.parameters))


# ---- laws ----


@given(st.sampled_from([*FAULTY, *(path.read_text(encoding="utf-8") for path in PROGRAMS)]), st.data())
def test_no_text_is_too_wrong(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(at, min(len(text), at + 8)))
    broken = (
        text[:at]
        + data.draw(st.sampled_from(["", "|", "(", ")", '"', "`", "\n", "=", "{", "[", "😀", "."]))
        + text[end:]
    )
    where = data.draw(st.integers(0, len(broken)))
    for problem in problems(broken):
        assert 0 <= problem.span.start <= problem.span.end <= len(broken)
    found = complete(broken, where)
    word = broken[found.start : where].removeprefix("`").lower()
    assert all(candidate.text.removeprefix("`").lower().startswith(word) for candidate in found.candidates)
    hover(broken, where)


# ---- the server ----


class Client:
    """An editor at the other end of the server's pipes."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", "from rlm_dsl.cli import main; main()", "lsp"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.number = 0

    def send(self, method: str, params: Any, number: int | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params} | ({"id": number} if number else {})
        body = json.dumps(message, ensure_ascii=False).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        stream = self.process.stdout
        assert stream is not None
        length = 0
        while (line := stream.readline().strip()) or not length:
            name, _, value = line.partition(b": ")
            assert name, self.process.communicate()[1]
            length = int(value) if name.lower() == b"content-length" else length
        received: dict[str, Any] = json.loads(stream.read(length))
        return received

    def answered(self, method: str, params: Any) -> dict[str, Any]:
        self.number += 1
        self.send(method, params, self.number)
        while (received := self.receive()).get("id") != self.number:
            pass
        return received

    def refused(self, method: str, params: Any) -> Any:
        return self.answered(method, params)["error"]

    def ask(self, method: str, params: Any) -> Any:
        received = self.answered(method, params)
        assert "error" not in received, received
        return received["result"]

    def published(self) -> dict[str, Any]:
        while (received := self.receive()).get("method") != "textDocument/publishDiagnostics":
            pass
        params: dict[str, Any] = received["params"]
        return params


def test_the_server_speaks_the_protocol() -> None:
    """Problems with places in UTF-16 units, completion, hover, formatting, and a clean end."""
    client = Client()
    try:
        able = client.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})["capabilities"]
        assert able["hoverProvider"] and able["documentFormattingProvider"] and able["completionProvider"]
        client.send("initialized", {})
        uri = "file:///a.rlm"
        document = {"textDocument": {"uri": uri}}
        text = f"{HEAD}x = t | where(body == '😀' and usr == 1)\r\ny=x|take(2)\n"
        client.send(
            "textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "rlm", "version": 1, "text": text}}
        )
        published = client.published()
        assert published["uri"] == uri and len(published["diagnostics"]) == 1
        problem = published["diagnostics"][0]
        start = len("x = t | where(body == '😀' and ") + 1
        assert problem["range"] == {
            "start": {"line": 1, "character": start},
            "end": {"line": 1, "character": start + 3},
        }
        assert (problem["code"], problem["severity"], problem["source"]) == ("C01", 1, "rlm-dsl")
        assert problem["message"] == "unknown name `usr`\nhint: did you mean `user`?"

        changed = text.replace("usr == 1", "us")
        version = {"textDocument": {"uri": uri, "version": 2}}
        client.send("textDocument/didChange", {**version, "contentChanges": [{"text": changed}]})
        assert client.published()["version"] == 2
        place = {"position": {"line": 1, "character": start + 2}}
        items = client.ask("textDocument/completion", {**document, **place})["items"]
        assert [item["label"] for item in items] == ["user"] and items[0]["detail"] == "text"
        assert items[0]["textEdit"]["range"]["start"]["character"] == start

        said = client.ask("textDocument/hover", {**document, "position": {"line": 2, "character": 5}})
        assert "take(t, n, skip=0, by=)" in said["contents"]["value"]
        assert said["range"] == {"start": {"line": 2, "character": 4}, "end": {"line": 2, "character": 8}}
        nothing = client.ask("textDocument/hover", {**document, "position": {"line": 99, "character": 99}})
        assert nothing is None

        options = {"options": {"tabSize": 4, "insertSpaces": True}}
        [edit] = client.ask("textDocument/formatting", {**document, **options})
        assert edit["range"]["start"] == {"line": 0, "character": 0} and edit["range"]["end"]["line"] == 3
        assert edit["newText"] == formatting(changed) and "\ny = x | take(2)\n" in edit["newText"]
        client.send("textDocument/didChange", {**version, "contentChanges": [{"text": "answer 1 +"}]})
        assert [one["code"] for one in client.published()["diagnostics"]] == ["S11"]
        assert client.ask("textDocument/formatting", {**document, **options}) == []
        newest = {"textDocument": {"uri": uri, "version": 30}}
        for number in range(3, 31):  # only the newest is checked
            version["textDocument"]["version"] = number
            client.send("textDocument/didChange", {**version, "contentChanges": [{"text": f"{NAMED}answer {number}"}]})
        assert client.published()["version"] == newest["textDocument"]["version"]
        at = {**document, "position": {"line": 3, "character": 9}}
        assert client.ask("textDocument/definition", at)["range"]["start"] == {"line": 2, "character": 0}
        found = client.ask("textDocument/references", {**at, "context": {"includeDeclaration": False}})
        assert [each["range"]["start"]["line"] for each in found] == [3, 4, 6]
        edits = client.ask("textDocument/rename", {**at, "newName": "ours"})["changes"][uri]
        assert [edit["newText"] for edit in edits] == ["ours"] * 4
        assert [each["name"] for each in client.ask("textDocument/documentSymbol", document)][:2] == ["t", "least"]
        helped = client.ask("textDocument/signatureHelp", {**document, "position": {"line": 2, "character": 17}})
        assert helped["signatures"][0]["label"].startswith("where(t, ") and helped["activeParameter"] == 1
        context = {"context": {"diagnostics": published["diagnostics"]}, "range": problem["range"]}
        client.send("textDocument/didChange", {**version, "contentChanges": [{"text": text}]})
        [fix] = client.ask("textDocument/codeAction", {**document, **context})
        assert fix["edit"]["changes"][uri][0]["newText"] == "user" and fix["kind"] == "quickfix"
        for params in ({}, {"textDocument": {"uri": uri}}, {**document, "position": {"line": "a"}}):
            assert client.refused("textDocument/hover", params)["code"] == -32602
        assert client.refused("textDocument/rename", {**at, "newName": "in"})["code"] == -32602
        elsewhere = {"textDocument": {"uri": Path(__file__).as_uri()}, "position": {"line": 0, "character": 5}}
        assert client.ask("textDocument/hover", elsewhere) is None  # no file is read
        client.send("textDocument/didClose", document)
        assert client.published()["diagnostics"] == []
        assert client.ask("shutdown", None) is None
        client.send("exit", None)
        assert client.process.wait(timeout=10) == 0
        assert client.process.stderr is not None and client.process.stderr.read() == b""
    finally:
        client.process.kill()
        client.process.communicate()


# ---- names, signatures, fixes ----

NAMED = f"""{HEAD}param least: int = 2
mine = t | where(user == "a" and id > least)
again = mine | join(t, on=left.id == right.id)
kinds = mine | classify(on=body, labels=["x", "y"], into=topic)
sized = kinds | derive(n=length(topic))
answer {{mine: count(mine), sizes: sized | sort(n), least: least}}
"""


def places(spans: Iterable[Span]) -> list[tuple[int, int]]:
    return [position(NAMED, span.start) for span in spans]


@pytest.mark.parametrize(
    ("at", "defined", "referred"),
    [
        ("mine =", (2, 0), [(2, 0), (3, 8), (4, 8), (6, 20)]),
        ("mine | join", (2, 0), [(2, 0), (3, 8), (4, 8), (6, 20)]),
        ("least)", (1, 6), [(1, 6), (2, 38), (6, 58)]),
        ("t, on", (0, 8), [(0, 8), (2, 7), (3, 20)]),
        ("topic))", (4, 57), []),  # a column, where it is made
        ("n), least", (5, 23), []),
        ("user ==", (0, 26), []),
        ("id == right", (0, 17), []),
        ("classify(", None, []),
    ],
)
def test_a_name_is_found_where_it_is_bound_and_read(
    at: str, defined: tuple[int, int] | None, referred: list[tuple[int, int]]
) -> None:
    offset, known = NAMED.index(at), environment_after(NAMED, EMPTY)
    found = definition(NAMED, offset, known)
    assert (found and position(NAMED, found.start)) == defined
    assert places(references(NAMED, offset, known)) == referred


def test_a_rename_means_the_same_program_or_is_refused() -> None:
    known = environment_after(NAMED, EMPTY)
    found = rename(NAMED, NAMED.index("mine ="), "ours", known)
    text = NAMED
    for span in reversed(found):
        text = text[: span.start] + "ours" + text[span.end :]
    assert text.count("ours") == 4 and "{mine: count(ours)" in text and problems(text) == ()
    for name, why in (
        ("kinds", "bound already"),
        ("user", "column"),
        ("in", "word"),
        ("a b", "no name"),
        ("t", "bound"),
    ):
        with pytest.raises(UserError, match=why):
            rename(NAMED, NAMED.index("mine ="), name, known)
    with pytest.raises(UserError, match="no name that a statement binds"):
        rename(NAMED, NAMED.index("topic))"), "kind", known)


def test_symbols_are_the_statements() -> None:
    found = list(symbols(NAMED, environment_after(NAMED, EMPTY)))
    told = [(each.name, each.kind) for each in found]
    assert told[:3] == [("t", "context"), ("least", "param"), ("mine", "binding")] and told[-1] == ("answer", "answer")
    assert found[1].detail == "int" and all(NAMED[each.name_span.start :].startswith(each.name) for each in found)


@pytest.mark.parametrize(
    ("written", "form", "active"),
    [
        ("x = t | take(", "take(t, n, skip=0, by=)", "n"),
        ("x = t | take(1, ", "take(t, n, skip=0, by=)", "skip=0"),
        ("x = take(t, ", "take(t, n, skip=0, by=)", "n"),
        ('x = t | grep("a', 'grep(t, r"..", on=, invert=false, before=0, after=0)', 'r".."'),
        ("x = t | derive(a=concat(user, body, ", "concat(values...: scalar) -> text", "values...: scalar"),
        ("x = t | group(by=user, n=max(", "max(value)", "value"),
    ],
)
def test_a_call_is_told_with_the_parameter_at_the_cursor(written: str, form: str, active: str) -> None:
    found = signature(HEAD + written, len(HEAD + written))
    assert found is not None and found.form == form and found.active is not None
    span = found.parameters[found.active][0]
    assert form[span.start : span.end] == active
    assert signature(HEAD, len(HEAD)) is None


LABELLED = 'context t: table(id: int, user: text, k: enum["billing", "other"])\n'


@pytest.mark.parametrize(
    ("written", "offered"),
    [
        ('x = t | where(k == "b', ["billing"]),
        ("x = t | where(id > 1 and k != '", ["billing", "other"]),
        ('x = t | where(k in ["billing", "o', ["other"]),
        ('x = t | where(k not in ["', ["billing", "other"]),
        ('x = t | classify(on=user, labels=["a", "b"], on_error="n', ["null"]),
        ('x = t | where(user == "', []),
        ('x = "', []),
    ],
)
def test_labels_are_offered_inside_texts(written: str, offered: list[str]) -> None:
    for rest in ("", '")\n', "')\n"):
        found = complete(LABELLED + written + rest, len(LABELLED + written))
        if found.candidates or not offered or rest == "":
            assert [each.text for each in found.candidates] == offered


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ('x = t | where(k == "biling")', 'x = t | where(k == "billing")'),
        ("x = t | tak(3)", "x = t | take(3)"),
        ("x = t | take(3, skp=1)", "x = t | take(3, skip=1)"),
        ("x = t | where(usr is null)", "x = t | where(user is null)"),
        ('x = t | classify(on=user, labels=["a", "b"], on_error="nul")', None),
    ],
)
def test_what_was_meant_is_a_quick_fix(wrong: str, right: str | None) -> None:
    text = LABELLED + wrong
    [problem] = problems(text)
    [fix] = fixes(text, problem.span, "\n".join([problem.message, *problem.hints]))
    mended = text[: fix.span.start] + fix.text + text[fix.span.end :]
    assert problems(mended) == () and (right is None or mended == LABELLED + right)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["(", "| take(1)\n", "x = t\n", "\n", '"', "9"])), max_size=6)
)
def test_what_is_kept_of_a_text_is_what_reading_it_whole_gives(edits: list[tuple[float, str]]) -> None:
    """Whatever is typed where: what is bound before a place is what a new look at all of the text says."""
    text = HEAD + "".join(f"s{n} = {'t' if n % 9 == 0 else f's{n - 1}'} | take({n})\n" for n in range(14))
    kept = Checkpoints(step=3)
    for share, put in edits:
        at = int(share * len(text))
        whole = text[:at] + put + text[at:]
        start, known = kept.before(whole, len(whole))
        assert start < len(whole)
        found = environment_after(whole[start:], known).bindings
        if not read(whole).problems:
            text, wanted = whole, environment_after(whole, EMPTY).bindings
            twice = {"x"} if text.count("x = t") > 1 else set()  # bound wrongly at first, it may be known or not
            types = [{k: str(n.type) for k, n in each.items() if k not in twice} for each in (found, wanted)]
            assert types[0] == types[1]


def test_without_pygls_one_line_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rlm_dsl.cli import run

    monkeypatch.setitem(sys.modules, "lsprotocol", None)
    monkeypatch.delitem(sys.modules, "rlm_dsl.integrations.editor.server", raising=False)
    assert run(["lsp"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: the language server is not installed; get it with: pip install 'rlm-dsl[editor]'"
    ]
