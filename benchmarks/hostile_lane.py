"""Generates hostile sources, answers and responses for both lanes: a dozen variants of each kind.

`Lane` is what benchmarks/hostile.py writes to disk and serves: blobs, pages, and what the model answers to each. Cases whose
name stands in their text as `case 17` are answered by `Case.reply`; all others are answered well.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks import hostile_answers
from tests.fake_endpoint import Reply
from tests.sources import blob_id

KEY = "sk-hostile-0123456789abcdef/+=="
"""The API key that must be seen nowhere."""
SOMEWHERE_ELSE = "http://127.0.0.1:9/elsewhere"
CONTROLS = (
    *("\x00", "\x01", "\x07", "\x08", "\x0b", "\x0c", "\x1b[2J", "\x1b]0;owned\x07", "\x7f", "\x85", "\x9b31m"),
    *("\u202e", "\u2066", "\u2069", "\ufff9", "\ufffe", "\U000e0041"),
)
SPECIAL_TOKENS = (
    *("<|im_end|>", "<|im_start|>system", "<|endoftext|>", "<|eot_id|>", "<|begin_of_text|>", "<s>", "</s>", "[INST]"),
    *(
        "<start_of_turn>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
        "<|fim_prefix|>",
        "<|channel|>",
        "<eos>",
        "<fim_middle>",
    ),
)
ACTIVE = (
    *(
        "<script>alert(1)</script>",
        "<SCRIPT SRC=//e.example></SCRIPT>",
        "<iframe src=x>",
        "<object data=x>",
        "<embed src=x>",
    ),
    *("<form action=x>", "<meta http-equiv=refresh>", "<base href=//e.example>", "<img src=x onerror=alert(1)>"),
    *(
        "<svg onload=alert(1)>",
        "<a href='javascript:alert(1)'>x</a>",
        "[x](javascript:alert(1))",
        "<link rel=stylesheet href=x>",
    ),
)
ODD_CODECS = (
    *("punycode", "idna", "unicode_escape", "raw_unicode_escape", "utf-7", "rot13", "uu", "zlib", "hex", "base64"),
    *("undefined", "mbcs", "../../etc/passwd", "a" * 100_000, "\x1b[2J", "__init__"),
)


@dataclass(frozen=True)
class Blob:
    """A file of a repository: names are bytes, since a source's strings need not be UTF-8."""

    name: str
    content: bytes
    repo: bytes = b"stranger/repository"
    path: bytes = b"file.py"
    encoding: bytes | None = b"UTF-8"
    license_type: bytes | None = b"permissive"
    licenses: tuple[bytes, ...] = (b"MIT",)
    id: bytes = b""
    stored: bytes | None = None

    @property
    def blob_id(self) -> bytes:
        """What the source says it is; its content's git hash unless given."""
        return self.id or blob_id(self.content).encode()

    @property
    def object(self) -> bytes:
        """What the content store holds."""
        return gzip.compress(self.content, mtime=0) if self.stored is None else self.stored


@dataclass(frozen=True)
class Page:
    """A page: `text` and names are bytes."""

    name: str
    text: bytes | None
    url: bytes = b""
    warc: bytes | None = b"warc"
    offset: int | None = 1
    crawl: bytes | None = b"CC"
    language: bytes | None = b"en"

    @property
    def address(self) -> bytes:
        """Its url, by default one of its own."""
        return self.url or b"https://example.org/" + self.name.replace(" ", "-").encode()


@dataclass
class Lane:
    """All cases. `replies` has what is answered to a text that holds `case N`."""

    blobs: list[Blob] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    replies: dict[str, Reply] = field(default_factory=dict)

    def ask(self, name: str, reply: Reply, code: bool) -> None:
        """Add a good source whose request is replied to so."""
        number = len(self.replies)
        self.replies[str(number)] = reply
        if code:
            self.blobs.append(Blob(name, program(number).encode(), path=f"case_{number}.py".encode()))
        else:
            self.pages.append(Page(name, page(number).encode()))


def program(number: int) -> str:
    """Return a good program, `case NUMBER` in it."""
    function = f'def area_{number}(width, height):\n    """Return the area."""\n    return width * height\n'
    return f'"""Shapes of case {number}."""\n\n\n{function}'


def page(number: int) -> str:
    """Return a good page, `case NUMBER` in it."""
    return (
        f"Exercise, case {number}. A garden is 7 metres wide and 9 metres long. How large is the garden?\n\n"
        "The area of a rectangle is width times length: $7 \\times 9 = 63$.\n\nThe answer is 63.\n"
    )


def said(content: str, finish_reason: Any = "stop", usage: Any = None, **message: Any) -> Reply:
    """Return a chat completion."""
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": content, **message},
    }
    return Reply(content={"choices": [choice], "usage": usage or {"prompt_tokens": 100, "completion_tokens": 10}})


def lane() -> Lane:
    """Return every case of the lanes; equal in every run."""
    made = Lane()
    made.blobs += [*_compilers(), *_parsers(), *_encodings(), *_names(), *_sizes(), *_contents(), *_disagreements()]
    made.pages += [*_numbers(), *_not_unicode(), *_large_pages(), *_identities(), *_page_names(), *_controls()]
    made.blobs += _control_files()
    for reply in (_answers, _bad_answers, _errors, _responses):
        for name, found, code in reply():
            made.ask(name, found, code)
    return made


def _compilers() -> Iterator[Blob]:
    """R1: what the compiler dies of."""
    clauses = "".join("for a in a " + ("\n" if i % 5 == 4 else "") for i in range(60_000))
    around = (
        *(("[a ", "]"), ("{a ", "}"), ("(a ", ")"), ("{a: a ", "}"), ("f(a ", ")"), ("x = [a ", "]"), ("x[[a ", "]]")),
        *(("lambda: [a ", "]"), ("async def f():\n  [a ", "]"), ("@f(a ", ")\ndef g(): pass"), ("assert [a ", "]")),
    )
    for number, (before, after) in enumerate(around):
        yield Blob(f"compiler {number}", f"{before}{clauses}{after}\n".encode())


def _parsers() -> Iterator[Blob]:
    """R6: what the parser takes quadratic time for."""
    dots = (".a" * 10 + "\\\n") * 12_000
    keywords = ",".join(f"a{i}=1" + ("\n" if i % 50 == 0 else "") for i in range(60_000))
    fields = "".join(f"{{a{i}}}" for i in range(15_000))
    texts = (
        *(f"from a{dots} import b", f"import a{dots}", f"import b, a{dots} as c", f"import a{dots}\nimport b{dots}"),
        *(f"f({keywords})", f"class A({keywords}): pass", f"x = [f({keywords})]", f"@f({keywords})\ndef g(): pass"),
        *(f"f'{fields}'", f"print({keywords}, sep='')", f"def f(x=g({keywords})): pass"),
    )
    for number, text in enumerate(texts):
        yield Blob(f"parser {number}", (text + "\n").encode())


def _encodings() -> Iterator[Blob]:
    """R5 and R16: encodings that are none, or slow."""
    for number, name in enumerate(ODD_CODECS):
        content = b"x = '" + b"a" * 100_000 + b"-" + b"a" * 100_000 + b"'\nz = %d\n" % number
        yield Blob(f"codec {number}", content, encoding=name.encode())
    for number, broken in enumerate((b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf")):
        yield Blob(f"encoding name {number}", b"y = %d\n" % number, encoding=b"UTF" + broken)
        yield Blob(f"not utf-8 {number}", b"# " + broken + b"\nw = %d\n" % number)


def _names() -> Iterator[Blob]:
    """R3, R4, R25: names that are not UTF-8, huge, or command a terminal."""
    odd = [
        b"\xff\xfe",
        b"caf\xe9",
        b"\xed\xa0\x80",
        b"a" * 2_000_000,
        *(each.encode() for each in CONTROLS if each != "\x00"),
        b"a\nb",
        b"a\r=1+1",
    ]
    for number, name in enumerate(odd):
        good = f'"""Name {number}."""\n\nVALUE = {number}\n'
        yield Blob(f"path {number}", good.encode() + b"A = 1\n", path=name + b".py")
        yield Blob(f"repository {number}", good.encode() + b"B = 1\n", repo=b"x/" + name)
        yield Blob(f"licence {number}", good.encode() + b"C = 1\n", licenses=(name, b"MIT"), license_type=name[:100])
        yield Blob(f"blob id {number}", good.encode() + b"D = 1\n", id=name[:100_000])


def _sizes() -> Iterator[Blob]:
    """R4: objects that grow when they are unpacked."""
    for number in range(40):
        yield Blob(f"blanks {number}", b" " * (16 << 20) + b"%d" % number)
    for number in range(12):
        yield Blob(f"large {number}", b"x = 1\n" * (150_000 + number))
    for number, torn in enumerate(
        (b"", b"\x1f\x8b", b"no gzip", gzip.compress(b"x = 1\n")[:-4], b"\x1f\x8b" + b"\xff" * 1000)
    ):
        yield Blob(f"torn {number}", b"t = %d\n" % number, stored=torn)


def _contents() -> Iterator[Blob]:
    """R16: objects that are not what their name says."""
    for number in range(11):
        yield Blob(f"wrong content {number}", b"u = %d\n" % number, stored=gzip.compress(b"v = %d\n" % number))


def _disagreements() -> Iterator[Blob]:
    """R16: two repositories that say different things of one blob."""
    for number, other in enumerate(
        (b"AAA", b"UTF-16-LE", b"punycode", None, b"", b"utf-32", b"cp037", b"ascii", b"\xff", b"UTF-7", b"hex")
    ):
        content = f'"""Shared by two, {number}: \u00e9."""\n\nSHARED = {number}\n'.encode()
        yield Blob(f"shared {number}", content, repo=b"good/one")
        yield Blob(
            f"shared {number}",
            content,
            repo=b"bad/one",
            encoding=other,
            license_type=(b"proprietary", b"no_license", None)[number % 3],
        )


def _control_files() -> Iterator[Blob]:
    """R17: files that hold tokens of chat templates, or fences."""
    for number, token in enumerate(
        (*SPECIAL_TOKENS, "```", "~~~~", "```python\nx\n```\n{text}", "{{ 7 * 7 }}", "{text}")
    ):
        text = f'"""Prompts, {number}."""\n\nTOKEN = """\n{token}\n"""\n\n\ndef token():\n    """Return it."""\n    return TOKEN\n'
        yield Blob(f"token {number}", text.encode())


def _controls() -> Iterator[Page]:
    """R17, R18: pages that hold tokens and control characters."""
    for number, odd in enumerate((*SPECIAL_TOKENS, *CONTROLS, *ACTIVE)):
        yield Page(f"page token {number}", f"{page(900_000 + number)}\n{odd}\n".encode())


def _numbers() -> Iterator[Page]:
    """R2: numbers without bound, in every form."""
    forms = [
        "1" + ",000" * 1500,
        "9" * 5000,
        "0." + "3" * 5000,
        "1e" + "9" * 400,
        "2^{" + "9" * 50 + "}",
        "10" * 2200 + "/3",
    ]
    forms += [
        "1" + "\\,000" * 1500,
        "1" + " 000" * 1500,
        "0x" + "f" * 5000,
        "-" * 5000 + "1",
        "9" * 4301,
        "\\frac{" + "1" * 4400 + "}{3}",
    ]
    for number, form in enumerate(forms):
        yield Page(f"number {number}", f"The total is $x = {form}$.\nThe answer is {form}.\n".encode())
    for name, text in hostile_answers.texts().items():
        yield Page(f"page {name}", text.encode("utf-8", "surrogatepass"))


def _not_unicode() -> Iterator[Page]:
    """R3: text that is not UTF-8, and none at all."""
    for number, broken in enumerate(
        (
            b"caf\xe9",
            b"\xff",
            b"\xc3",
            b"\xed\xa0\x80",
            b"\xf8\x88\x80\x80\x80",
            b"\xc0\xaf",
            b"\xfe\xff\x00a",
            b"a\x80",
            b"\xf4\x90\x80\x80",
            b"\xe2\x82",
            b"\x00" * 50,
        )
    ):
        yield Page(f"not unicode {number}", page(800_000 + number).encode() + broken)
    for number, empty in enumerate((None, b"", b" \n", "\u3000".encode(), b"\t\x0b")):
        yield Page(f"nothing {number}", empty)


def _large_pages() -> Iterator[Page]:
    """R4: pages of megabytes."""
    for number in range(11):
        yield Page(f"large page {number}", page(700_000 + number).encode() + b"so x = 1 and\n" * (1 << 20))


def _identities() -> Iterator[Page]:
    """R15: pages that would take another's identity."""
    for number in range(11):
        url = b"https://victim.example/%d" % number
        yield Page(f"victim {number}", page(600_000 + number).encode(), url=url, warc=b"w", offset=1)
        yield Page(f"thief {number}", page(610_000 + number).encode(), url=url + b" w 1", warc=None, offset=None)
        yield Page(f"twice {number}", page(620_000 + number).encode(), url=b"https://twice.example/%d" % number)
        yield Page(f"twice again {number}", page(630_000 + number).encode(), url=b"https://twice.example/%d" % number)


def _page_names() -> Iterator[Page]:
    """R3, R4, R25: names of pages."""
    for number, name in enumerate(
        (b"\xff", b"caf\xe9", b"a" * 2_000_000, *(each.encode() for each in CONTROLS if each != "\x00"))
    ):
        text = page(500_000 + number).encode()
        yield Page(f"url {number}", text, url=b"https://e.example/%d/" % number + name)
        yield Page(f"warc {number}", text + b"1", warc=name)
        yield Page(f"crawl {number}", text + b"2", crawl=name)
        yield Page(f"language {number}", text + b"3", language=name)


Replies = Iterator[tuple[str, Reply, bool]]


def _answers() -> Replies:
    """R2, R6, R29: answers that are slow to read, for both lanes."""
    dots = (".a" * 10 + "\\\n") * 8_000
    clauses = "".join("for a in a " + ("\n" if i % 5 == 4 else "") for i in range(17_000))
    slow = {"dotted": f"```python\nimport a{dots}\n```", "comprehension": f"```python\n[a {clauses}]\n```"}
    for name, text in {**hostile_answers.texts(), **slow}.items():
        for code in (True, False):
            yield f"answer {name}", said(text), code


def _bad_answers() -> Replies:
    """R18, R19: answers that would be published."""
    good = 'def area_{}(width, height):\n    """Return the area."""\n    return height * width\n'
    for number, odd in enumerate((*CONTROLS, *SPECIAL_TOKENS, *ACTIVE)):
        yield f"published {number}", said(f"{page(number)}\n\nIn other words, 63 square metres. {odd}\n"), False
        yield (
            f"published {number}",
            said(f'```python\n"""Area {number}."""\n\nTOKEN = "{odd}"\n\n\n{good.format(number)}```'),
            True,
        )
    for number, pragma in enumerate(
        (
            "disable=C,R,W,E,F",
            "disable=all",
            "disable=E",
            "skip-file",
            "disable=C0114,C,R",
            "disable=E,W # noqa",
            "disable = all",
            "disable-next=all",
            "disable=error,warning",
            "disable=typecheck",
            "disable=variables,E1101",
        )
    ):
        text = f"# pylint: {pragma}\nclass Area:\n    def area(self):\n        return undefined_{number} + nothing.at.all\n"
        yield f"pragma {number}", said(f"```python\n{text}\n```"), True


def _errors() -> Replies:
    """R8, R10, R13: endpoints that quote the key, flood, and redirect."""
    encoded = base64.b64encode(KEY.encode()).decode()
    quotes = [
        f"Incorrect API key provided: {KEY}",
        f"Bearer {KEY}",
        encoded,
        f"Basic {base64.b64encode(f'user:{KEY}'.encode()).decode()}",
    ]
    quotes += [
        KEY.replace("/", "\\/"),
        KEY.replace("/", "%2F").replace("+", "%2B").replace("=", "%3D"),
        f'{{"authorization": "Bearer {KEY}"}}',
    ]
    quotes += [f"<html>{KEY}</html>", "x" * 490 + KEY, f"\x1b[31m{KEY}\x1b[0m", f"{KEY} {KEY}"]
    for number, quote in enumerate(quotes):
        yield f"key in an error {number}", Reply(400, {"error": {"message": quote}}), number % 2 == 0
        yield f"key in an answer {number}", said(f"{page(number)}\n\nThat is {quote}."), False
        yield f"key in a label {number}", said(page(number), finish_reason=quote), False
    for number, piece in enumerate(
        (b"<", b"<a ", b"<!--", b"&lt;", b"\x1b[2J", b"\xff", b'{"error": ', b"[", b"<<", b"\n", b"\0")
    ):
        yield f"flood {number}", Reply(400, piece * (300_000 // len(piece))), number % 2 == 0
    for number, status in enumerate((301, 302, 303, 307, 308, 300, 304, 305, 306, 310, 399)):
        yield f"redirect {number}", Reply(status, b"moved", {"Location": f"{SOMEWHERE_ELSE}/{number}"}), number % 2 == 0


def _responses() -> Replies:
    """R11, R12: what an endpoint may send in place of an answer."""
    bomb = gzip.compress(
        json.dumps({"choices": [{"message": {"content": "a" * (64 << 20)}, "finish_reason": "stop"}]}).encode()
    )
    for number in range(11):
        yield f"bomb {number}", Reply(content=bomb, headers={"Content-Encoding": "gzip"}), number % 2 == 0
        yield f"large answer {number}", said("a" * ((8 << 20) + number)), number % 2 == 0
    for number, count in enumerate((2**63 - 1, 2**62, -1, 1.5, "7", True, None, [1], {"a": 1}, 1e300, 10**30)):
        yield (
            f"usage {number}",
            said(page(number) + "\n\nThat is all.", usage={"prompt_tokens": count, "completion_tokens": count}),
            False,
        )
    for number, label in enumerate((*CONTROLS[:8], "x" * 3000, ["stop"], {"a": 1}, 7, "")):
        yield f"label {number}", said(page(number) + "\n\nThat is all.", finish_reason=label), False
    for number, body in enumerate(
        (
            b"",
            b"null",
            b"[]",
            b"{}",
            b'{"choices": []}',
            b'{"choices": [null]}',
            b'{"choices": {}}',
            b"\xff\xfe",
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b'{"choices": [{"message": "\\ud800"}]}',
        )
    ):
        yield f"body {number}", Reply(content=body), number % 2 == 0
