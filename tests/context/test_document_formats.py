"""Markdown, HTML, PDF and mail: no word lost, places exact, and nothing that a stranger writes stops a load.

In: documents of our own, most of them made to break a reader. Out: nothing but a verdict. Law: sections and messages
partition their files; a page's words are all there, in order; rubbish gives rows or one clear refusal, in linear time.
"""

from __future__ import annotations

import mailbox
import subprocess
import sys
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.api import run
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Context
from rlm_dsl.context.files.recognised import binary
from rlm_dsl.context.format import LoadRequest
from rlm_dsl.context.format_registry import formats
from rlm_dsl.context.loading import load
from rlm_dsl.context.options import EARLIER, ReadingOptions
from rlm_dsl.context.rows import document_rows
from tests.support.contexts import cells, column, notes, raw_rows, written

Folders = pytest.TempPathFactory


def loaded(folder: Path, form: str, content: bytes | str) -> Context:
    return load("d", written(folder, "given", content), format=form)


# Markdown

MARKDOWN = """\
before

# Guide to `x` &amp; [y](z)
a
Setext *two*
lines
---
```
# no heading
```
> # no heading of this document
### Deep
## Next ##
    # code
"""


def test_sections_stand_under_the_headings_above_them(tmp_path: Path) -> None:
    context = loaded(tmp_path, "markdown", MARKDOWN)
    assert [(row["level"], row["section"]) for row in cells(context)] == [
        (0, ""),
        (1, "Guide to x & y"),
        (2, "Guide to x & y > a Setext two lines"),
        (3, "Guide to x & y > a Setext two lines > Deep"),
        (2, "Guide to x & y > Next"),
    ]
    assert column(context, "heading")[-1] == "Next" and column(context, "#line") == [1, 3, 4, 12, 13]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", []),
        ("\n", [""]),
        ("\ufeff# BOM\n", ["BOM"]),
        ("# a\r\n\r\nb\r\n===\r\nc", ["a", "b"]),
        ("# a\rb\r===\rc", ["a", "b"]),
        ("---\ntitle: x\n---\n# a\n", ["", "a"]),
        ("---\n\n# a\n\nb\n---\n", ["", "a", "b"]),
        ("#\n#no\n# \0\n", ["", "\ufffd"]),
        ("# " + "long " * 10_000, [("long " * 60)[:299] + "…"]),
        ("- # in a list\n\n# a\n", ["", "a"]),
    ],
)
def test_odd_markdown(tmp_path: Path, content: str, expected: list[str]) -> None:
    assert column(loaded(tmp_path, "markdown", content), "heading") == expected


MARKDOWN_PIECES = [
    "# ",
    "## x",
    "a",
    "\n",
    "\n\n",
    "\r",
    "\r\n",
    "===",
    "---",
    "```",
    "> ",
    "- ",
    "\0",
    "é",
    "[a]: b",
    "\t",
]


@given(st.lists(st.sampled_from(MARKDOWN_PIECES), max_size=40).map("".join))
def test_sections_give_back_every_byte(tmp_path_factory: Folders, content: str) -> None:
    context = loaded(tmp_path_factory.mktemp("markdown"), "markdown", content)
    assert "".join(map(str, column(context, "text"))) == content
    assert raw_rows(context, content.encode()) == [str(text).encode() for text in column(context, "text")]


def test_a_place_within_a_section_is_exact(tmp_path: Path) -> None:
    path = written(tmp_path, "a.md", "# é\n\nno\n\n## b\n\nthe code is E42 here\n")
    program = 'context d: table(section: text, text: text)\nanswer d | extract(r"(?P<code>E\\d+)", on=text)'
    (evidence,) = run(program, {"d": load("d", path, format="markdown")}).evidence
    assert [(span.text, span.first_line) for span in evidence.spans] == [("E42", 7)]


def test_markdown_and_html_are_lines_unless_said(tmp_path: Path) -> None:
    assert {load("d", written(tmp_path, name, "x")).format for name in ("a.md", "a.html")} == {"lines"}


# HTML


def blocks(folder: Path, content: bytes | str) -> list[tuple[str, str]]:
    return [(row["tag"], row["text"]) for row in cells(loaded(folder, "html", content))]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", []),
        ("a &lt; b && c <3 &eacute;&#233;", [("body", "a < b && c <3 éé")]),
        ("<p>a<p>b<b>c</b> d</P>e", [("p", "a"), ("p", "bc d"), ("body", "e")]),
        ("<ul><li>a<ul><li>b</ul>c<li>d</ul>", [("li", "a"), ("li", "b"), ("li", "c"), ("li", "d")]),
        ("<table><tr><th>a<th>b<tr><td><p>1</p><td></td><td>x<br>y</table>", [("tr", "a\tb"), ("tr", "1\t\tx y")]),
        ("<table><tr><td><p>a</p><p>b</p><td>c</table>", [("tr", "a"), ("p", "b"), ("tr", "c")]),
        ("<table><tr><td>a<table><tr><td>b</table>c</table>", [("tr", "a"), ("tr", "b"), ("tr", "c")]),
        ("<td>a<td>b", [("body", "a\tb")]),
        ("<pre>\n a\n\tb </pre>", [("pre", " a\n\tb ")]),
        ("<script>if (a<b) '<p>x</p>'</script>y<style>p{}</style><noscript>n</noscript>", [("body", "y")]),
        ("<template>a<template>b</template>c</template>d", [("body", "d")]),
        ("<script src='x'/>seen", [("body", "seen")]),
        ("<a href='x>y' title=it's>t</a><i x=\"y\"\">u</i>", [("body", "tu")]),
        ("a<!-- <p>b --!>c<!-->d<![if x]>e<?php f ?>g</ h>i", [("body", "acdegi")]),
        ("x<p", [("body", "x<p")]),
        ("<title>t</title><select><option>a<option>b</select>", [("title", "t"), ("option", "a"), ("option", "b")]),
        ("a&#" + "9" * 5000 + ";&#xd800;b\0", [("body", "a\ufffd\ufffdb\0")]),
    ],
)
def test_blocks_of_visible_text(tmp_path: Path, content: str, expected: list[tuple[str, str]]) -> None:
    assert blocks(tmp_path, content) == expected


def test_blocks_know_their_heading(tmp_path: Path) -> None:
    context = loaded(tmp_path, "html", "a<h1>T <i>x</i></h1>b<div><h2>U</h2></div>c")
    assert column(context, "heading") == ["", "T x", "T x", "U", "U"]


WORD = st.text("abé中&<", min_size=1, max_size=5)
INLINE = st.sampled_from("b i span a em code custom-tag".split())
BLOCK = st.sampled_from("p div li ul td tr table pre h2 section dd option blockquote".split())


def written_word(word: str) -> str:
    return f" {word.replace('&', '&amp;').replace('<', '&lt;')} "


def element(inner: st.SearchStrategy[tuple[str, list[str]]]) -> st.SearchStrategy[tuple[str, list[str]]]:
    """An element around others, closed, not closed, or closed by another's tag."""
    ends = st.sampled_from(("</{}>", "", "</{}></p>", "</div>", "<!-- no -->", "<script>no</script></{}>"))
    return st.builds(
        lambda name, parts, end: (
            f"<{name} x='a>b'>" + "".join(text for text, _ in parts) + end.format(name),
            [word for _, words in parts for word in words],
        ),
        INLINE | BLOCK,
        st.lists(inner, max_size=4),
        ends,
    )


PAGE = st.recursive(WORD.map(lambda word: (written_word(word), [word])), element, max_leaves=25)


@given(PAGE, st.sampled_from(("utf-8", "utf-16", "gb18030")))
def test_no_visible_word_is_lost_and_places_are_where_they_stand(
    tmp_path_factory: Folders, page: tuple[str, list[str]], encoding: str
) -> None:
    content = (page[0] if encoding != "gb18030" else "<meta charset=gb2312>" + page[0]).encode(encoding)
    folder = tmp_path_factory.mktemp("html")
    context = loaded(folder, "html", content)
    assert [word for text in column(context, "text") for word in str(text).split()] == page[1]
    ends = [0]
    for (lo, hi), text in zip(
        zip(column(context, "#lo"), column(context, "#hi"), strict=True), column(context, "text"), strict=True
    ):
        assert isinstance(lo, int) and isinstance(hi, int) and ends[-1] <= lo < hi <= len(content)
        ends.append(hi)
        alone = content[lo:hi].decode("utf-16-le" if encoding == "utf-16" else encoding)
        assert " ".join(t for _, t in blocks(folder, alone)).split() == str(text).split()


@pytest.mark.parametrize(
    ("content", "text", "noted"),
    [
        ("<p>é".encode(), "é", ""),
        ("\ufeff<p>é".encode(), "é", ""),
        ("<p>é".encode("cp1252"), "é", "read as windows-1252"),
        ("<p>中".encode("utf-16"), "中", ""),
        ("<meta charset='Shift_JIS'><p>日本".encode("cp932"), "日本", ""),
        (b"<meta http-equiv=x content='text/html; charset=iso-8859-1'><p>\x80\xe9", "€é", ""),
        ("<?xml version='1.0' encoding='koi8-r'?><p>да".encode("koi8-r"), "да", ""),
        (b"<meta charset=utf-8><p>a\xffb", "a\ufffdb", "not utf-8"),
        (b"<meta charset=utf-16><p>a", "a", ""),
        *(
            (f"<meta charset={codec}><p>ab\\u0041".encode(), "ab\\u0041", "")
            for codec in ("unicode_escape", "zlib", "x")
        ),
    ],
)
def test_pages_are_read_in_their_encoding(tmp_path: Path, content: bytes, text: str, noted: str) -> None:
    context = loaded(tmp_path, "html", content)
    assert column(context, "text") == [text] and noted in notes(context)
    (raw,) = raw_rows(context, content)
    assert content.endswith(raw) and len(raw) < len(content)


def test_an_encoding_with_states_has_no_places(tmp_path: Path) -> None:
    context = loaded(tmp_path, "html", b"\n<meta charset=iso-2022-jp>" + "<p>日本".encode("iso2022_jp"))
    assert column(context, "text") == ["日本"] and column(context, "#lo") == [None] and column(context, "#line") == [2]
    assert "no places" in notes(context)


# PDF


def pdf(*pages: str, trailer: str = "") -> bytes:
    """A PDF with a line of text a page."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for text in pages:
        stream = f"BT /F 12 Tf 20 100 Td ({text}) Tj ET" if text else ""
        kids.append(f"{len(objects) + 1} 0 R")
        font = "<< /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
        page = f"/Type /Page /Parent 2 0 R /MediaBox [0 0 400 200] /Resources {font}"
        objects.append(f"<< {page} /Contents {len(objects) + 2} 0 R >>")
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    made, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(made))
        made += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    made += f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\n"
    return f"{made}startxref\n{made.index('xref')}\n%%EOF".encode("latin-1")


ENCRYPTED = f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{'00' * 32}> /U <{'11' * 32}> >> /ID [<00> <00>]"


def test_pages_and_their_evidence(tmp_path: Path) -> None:
    path = written(tmp_path, "a.pdf", pdf("Hello World", "", "the code is E42"))
    context = load("d", path)
    assert cells(context) == [
        {"page": 1, "text": "Hello World"},
        {"page": 2, "text": ""},
        {"page": 3, "text": "the code is E42"},
    ]
    assert notes(context) == "1 pages have no text (they may be pictures)"
    (evidence,) = run(
        'context d: table(page: int, text: text)\nanswer d | grep("E42", on=text)', {"d": context}
    ).evidence
    (span,) = evidence.spans
    assert (span.first_line, span.start, span.text) == (3, None, "the code is E42")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is no PDF"),
        (b"\0\xff" * 1000, "is no PDF"),
        (pdf("x")[:200], "is no PDF"),
        (pdf(), "is a PDF without pages|is no PDF"),
        (pdf("x", trailer=ENCRYPTED), "is encrypted"),
    ],
)
def test_a_pdf_that_cannot_be_opened_is_refused_alone_and_noted_in_a_folder(
    tmp_path: Path, content: bytes, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        load("d", written(tmp_path, "bad.pdf", content))
    written(tmp_path, "good.PDF", pdf("good"))
    written(tmp_path, "other.txt", "x")
    context = load("d", str(tmp_path), format="pdf")
    assert [row["path"] for row in cells(context)] == ["good.PDF"] and len(context.sources) == 2
    assert "1 files that do not end in .pdf were passed over" in notes(
        context
    ) and "1 files are left out: each is " in notes(context)


@pytest.mark.parametrize(("form", "library"), [("pdf", "pypdfium2"), ("markdown", "markdown_it")])
def test_a_library_that_is_not_installed_is_named(
    tmp_path: Path, form: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rlm_dsl.context.formats.markdown import parser

    parser.cache_clear()
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UserError, match=rf"pip install 'rlm-dsl\[{form}\]'"):
        loaded(tmp_path, form, "x")


def test_the_libraries_are_loaded_on_use_alone() -> None:
    told = "import sys, rlm_dsl.context.loading; print([m for m in ('pypdfium2', 'markdown_it') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", told], capture_output=True, text=True).stdout == "[]\n"


# Mail


def mail(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in headers.items():
        message[name.rstrip("_")] = value
    return message


def test_a_message_shows_its_plain_text_and_names_its_attachments(tmp_path: Path) -> None:
    message = mail(
        from_="Jürgen <j@x.org>", to="a@b.org", subject="Grüße " * 30, date="Mon, 01 Jan 2024 01:00:00 +0200"
    )
    message.set_content("plain é\n")
    message.add_alternative("<p>html</p>", subtype="html")
    message.add_attachment(b"\0", maintype="image", subtype="png", filename="bild ü.png")
    message.add_attachment("in a file", filename="a.txt")
    (row,) = cells(load("d", written(tmp_path, "a.eml", bytes(message))))
    assert str(row.pop("date")) == "2023-12-31 23:00:00"
    assert row == {
        "message": 1,
        "from": "Jürgen <j@x.org>",
        "to": "a@b.org",
        "subject": ("Grüße " * 30).strip(),
        "text": "plain é\n",
        "attachments": ["bild ü.png", "a.txt"],
    }


def test_html_mail_with_a_footer_in_plain_text_shows_both(tmp_path: Path) -> None:
    content = (
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>Hi<p>there\n"
        b"--b\nContent-Type: text/plain\n\nfooter\n"
        b"--b\nContent-Type: message/rfc822\n\nSubject: in\n\nforwarded\n--b--\n"
    )
    assert column(loaded(tmp_path, "mail", content), "text") == ["Hi\nthere\nfooter\nforwarded"]


LINES = st.lists(
    st.sampled_from(("From here", ">From there", "", "é", "Subject: x", "--b", "text")), min_size=1, max_size=8
)


@given(st.lists(st.tuples(st.text("aé =?_中", max_size=90), LINES), min_size=1, max_size=5), st.booleans())
def test_a_mailbox_gives_back_its_messages(
    tmp_path_factory: Folders, sent: list[tuple[str, list[str]]], crlf: bool
) -> None:
    content, texts = b"", []
    for subject, lines in sent:
        message = mail(subject=subject)
        message.set_content("\n".join(lines), cte="8bit")
        texts.append(message.get_content())
        body = bytes(message).split(b"\n")
        escaped = [b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in body]
        content += b"From a@b Mon Jan  1 00:00:00 2024\n" + b"\n".join(escaped) + b"\n"
    content = content.replace(b"\n", b"\r\n") if crlf else content
    context = load("d", written(tmp_path_factory.mktemp("mail"), "a.mbox", content))
    assert column(context, "subject") == [" ".join(subject.split()) for subject, _ in sent]
    assert column(context, "text") == texts
    assert b"".join(raw_rows(context, content)) == content
    assert column(context, "#line") == [1 + content[:lo].count(b"\n") for lo in column(context, "#lo")]  # type: ignore[misc]


def test_the_standard_library_s_mailboxes_are_read(tmp_path: Path) -> None:
    box = mailbox.mbox(str(tmp_path / "a.mbox"))
    for number in range(3):
        message = mail(subject=str(number))
        message.set_content("From the start\n\nFrom the middle\n")
        box.add(message)
    box.close()
    context = load("d", str(tmp_path / "a.mbox"))
    assert column(context, "subject") == ["0", "1", "2"]
    assert column(context, "text") == ["From the start\n\nFrom the middle\n"] * 3


@pytest.mark.parametrize(
    ("content", "text", "noted"),
    [
        (b"no header at all", "no header at all", ""),
        (b"Content-Type: text/plain; charset=x-unknown\n\n\xe9", "é", "encoding"),
        (b"Content-Type: text/plain; charset=unicode_escape\n\n\\x41", "\\x41", "encoding"),
        (b"Content-Type: text/plain; charset=utf-8\n\na\xff", "a\ufffd", "encoding"),
        (b"Content-Transfer-Encoding: base64\n\n!!!!", "", ""),
        (b"Content-Type: multipart/mixed; boundary=b\n\nno part", "", ""),
        (b"Content-Type: x; a*0*=\"m; a*=b'c\n\nkept", "", ""),
        (b"Date: 32 Foo 99999 25:61\nTo: =?utf-8?b?4?= =?x?q?=E9?=\n\nx", "x", "date"),
        (b"Content-Type: message/rfc822\n\n" * 1000 + b"deep", None, "structure"),
        (b"", None, ""),
    ],
)
def test_broken_mail_is_a_row_and_noted(tmp_path: Path, content: bytes, text: str | None, noted: str) -> None:
    context = loaded(tmp_path, "mail", content)
    assert context.rows.num_rows == bool(content) and noted in notes(context)
    if text is not None and content:
        assert text in str(column(context, "text")[0])


# All of them

RUBBISH = [
    b"From ",
    b"\n",
    b"\n\n",
    b"Content-Type: ",
    b"multipart/mixed",
    b"; boundary=b",
    b"--b\n",
    b"*=",
    b"*0*=a",
    b"=?",
]
RUBBISH += [
    b"?b?4?=",
    b"charset=",
    b"utf-7",
    b"idna",
    b"<",
    b">",
    b"<!--",
    b"<td>",
    b"</p>",
    b"<meta charset=",
    b"\xff",
]
RUBBISH += [
    b"\0",
    b"# ",
    b"---",
    b"```",
    b"%PDF-1.4\n",
    b"1 0 obj",
    b"&#",
    b"'",
    b'"',
    b"a",
    b"\xc3\xa9",
    b"\x1b$B",
    b"Date: ",
]


@given(st.lists(st.sampled_from(RUBBISH) | st.binary(max_size=8), max_size=30).map(b"".join))
def test_rubbish_gives_rows_or_one_clear_refusal(tmp_path_factory: Folders, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("rubbish")
    for form in ("markdown", "html", "mail"):
        if binary(content) is not None:
            with pytest.raises(UserError, match="is no text"):
                loaded(folder, form, content)
            continue
        context = loaded(folder, form, content)
        assert context.rows.num_rows or not content.strip() or form == "html"
    with pytest.raises(UserError):
        loaded(folder, "pdf", content)


HIDING = {
    "<p hidden>x</p><p>y": "y",
    "<div style='color:red; display : none'>x<div>x</div>x</div>y": "y",
    "<p>a <span style='visibility:hidden'>x</span> b": "a b",
    "<ul><li hidden>x<li>y</ul>": "y",
    "<p hidden>x<p>y": "y",
    "<p title='hidden'>y</p>": "y",
    "<p data-style='display:none'>y</p>": "y",
    "<p style='display:nonesuch'>y</p>": "y",
    "<input hidden>y": "y",
    "<P HIDDEN=''>x</P><p STYLE=DISPLAY:NONE>x</p>y": "y",
    "<img alt='a &amp; b' src=x>c": "a & b c",
    "<p>a<img alt=b>c</p>": "a b c",
    "<img src=x><img alt=''>c": "c",
    "<img hidden alt=x>c": "c",
    "<div hidden><img alt=x></div>c": "c",
    "<div hidden>x": "",
}


@pytest.mark.parametrize("page", HIDING)
def test_what_is_hidden_can_be_left_out_and_pictures_have_their_words(tmp_path: Path, page: str) -> None:
    path = written(tmp_path, "p.html", page)
    left = load("d", path, format="html", options=ReadingOptions(hidden="no"))
    assert " ".join(column(left, "text")) == HIDING[page]
    whole = load("d", path, format="html")
    assert " ".join(column(whole, "text")).replace("x", " ").split() == HIDING[page].split()
    earlier = load("d", path, format="html", options=EARLIER)
    assert "alt" in page or cells(earlier) == cells(whole)
    for row in cells(whole):
        assert row["text"][0] in page


def test_the_encoding_of_a_page_may_be_said(tmp_path: Path) -> None:
    path = written(tmp_path, "p.html", b"<meta charset=utf-8><p>\xcf\xf0\xe8")
    found = load("d", path, format="html", options=ReadingOptions(encoding="cp1251"))
    assert column(found, "text") == ["\u041f\u0440\u0438"] and column(found, "#lo") == [23]


def hostile(n: int) -> dict[str, tuple[str, Callable[[], bytes]]]:
    """Documents of n parts, or of 100 n bytes, that a reader might go over again for each of them."""
    nested = (b"<div>", b"<b>", b"<!--", b"<a ", b"<a x='", b"</", b"<![", b"<td>", b"<template>", b"<script>",
              b"<table><tr><td>", b"&")  # fmt: skip
    boundary = b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n"
    section = b"# H\n\n" + b"some words of a line that goes on\n" * 8 + b"\n"
    return {
        **{f"html {piece!r}": ("html", lambda piece=piece: piece * n) for piece in nested},
        "html hidden": ("html", lambda: b"<div hidden>" * n),
        "html pictures": ("html", lambda: b"<img alt='a' " * n + b"<img alt=a>" * n),
        "html closed by others": ("html", lambda: b"<div>" * n + b"x" + b"</span></ul></div>" * n),
        "html a number": ("html", lambda: b"&#" + b"1" * (100 * n)),
        "html a line": ("html", lambda: b"a " * (50 * n)),
        "html a long heading": ("html", lambda: b"<h1>" + b"a" * n + b"</h1>" + b"<p>b" * (n // 5)),
        "markdown quotes": ("markdown", lambda: b">" * n + b" a"),
        "markdown lists": ("markdown", lambda: b"- " * (n // 2) + b"a"),
        "markdown a line": ("markdown", lambda: b"a" * (100 * n)),
        "markdown a heading": ("markdown", lambda: b"# " + b"[" * (100 * n)),
        "markdown prose": ("markdown", lambda: section * (n // 8)),
        "mail parts": ("mail", lambda: b"".join(boundary % (i, i) for i in range(n))),
        "mail comments": ("mail", lambda: b"From: " + b"(" * n + b"\nDate: " + b"(" * n + b"\n\nx"),
        "mail addresses": ("mail", lambda: b"To: " + b"a@b, " * (20 * n) + b"\n\nx"),
        "mail words": ("mail", lambda: b"Subject: " + b"=?utf-8?q?a?= " * (7 * n) + b"\n\nx"),
        "mail parameters": ("mail", lambda: b"Content-Type: multipart/mixed" + b";a=b" * (10 * n) + b"\n\nx"),
        "mail a line": ("mail", lambda: b"a" * (100 * n)),
        "mail in html": ("mail", lambda: b"Content-Type: text/html\n\n" + b"<div>" * n),
        "mail without messages": ("mail", lambda: b"From \n\n" * (n // 5)),
        "pdf rubbish": ("pdf", lambda: b"%PDF-1.4\n" + b"<<" * (10 * n)),
    }


@pytest.mark.parametrize(("parts", "seconds"), [(40_000, 5), pytest.param(100_000, 20, marks=pytest.mark.proof)])
@pytest.mark.parametrize("case", hostile(0))
def test_no_document_takes_more_than_linear_time(tmp_path: Path, case: str, parts: int, seconds: float) -> None:
    """Of 100,000 parts each takes about a second of the processor; what is quadratic in any of them takes minutes."""
    form, made = hostile(parts)[case]
    content = made()
    start = time.process_time()
    if form == "pdf":
        with pytest.raises(UserError):
            loaded(tmp_path, form, content)
    else:
        loaded(tmp_path, form, content)
    assert time.process_time() - start < seconds


FOLDER: dict[str, tuple[str, Any]] = {
    "markdown": (".md", "# a\n"),
    "html": (".html", "<p>a"),
    "pdf": (".pdf", pdf("a")),
    "mail": (".eml", "Subject: a\n\nb"),
}


@pytest.mark.parametrize("form", list(FOLDER))
def test_a_folder_is_read_in_batches_with_paths(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_rows, "ROWS_AT_ONCE", 3)
    ending, content = FOLDER[form]
    for number in range(7):
        written(tmp_path, f"{number}{ending}", content)
    given = formats()[form].load(LoadRequest(str(tmp_path)))
    assert given.sources == []  # nothing is read before it is asked for
    assert [batch.num_rows for batch in given.batches] == [3, 3, 1] and len(given.sources) == 7
    context = load("d", str(tmp_path / f"*{ending}"), format=form)
    assert column(context, "path") == [f"{number}{ending}" for number in range(7)]
    with pytest.raises(UserError, match=r"no .* file in"):
        load("d", written(tmp_path, "other/x.txt", "x").removesuffix("x.txt"), format=form)


def test_a_line_that_begins_with_from_cuts_no_message(tmp_path: Path) -> None:
    data = Path(__file__).parent / "data" / "mail.mbox"
    assert column(load("m", str(data)), "subject") == ["one", "two"]
    assert "From next week on" in str(column(load("m", str(data)), "text")[0])
