"""Whatever a server answers for the sources: it is their text, or a refusal in one line. Never anything else."""

from __future__ import annotations

import gzip
from contextlib import suppress
from http.server import ThreadingHTTPServer
from socketserver import BaseRequestHandler
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import remote
from app.config.check import examine_config
from app.config.remote import RemoteText, UnreadableError
from app.config.watch import CatalogueWatcher
from tests.properties import examples
from tests.servers.web import answering

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SOURCES = b"one: {type: synthetic, destinations: nowhere, collections: [a]}"
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(SOURCES)
GOOD = OK + LENGTH + SOURCES


class Server(ThreadingHTTPServer):
    """Answers every request with the same bytes, and keeps what it was asked."""

    answer: Iterable[bytes] = (GOOD,)
    asked: list[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/sources"


class Handler(BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked.append(self.request.recv(1 << 20))
        with suppress(OSError):
            for piece in self.server.answer:
                self.request.sendall(piece)


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as environment, answering(Server(("127.0.0.1", 0), Handler)) as server:
        environment.setenv("NO_PROXY", "127.0.0.1")
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.answer, running.asked = (GOOD,), []
    return running


def refusal(server: Server, *answer: bytes) -> str:
    server.answer = answer
    with pytest.raises(UnreadableError) as caught:
        RemoteText(server.url, largest=1000).read()
    return str(caught.value).removeprefix(f"{server.url} ")


@pytest.fixture
def path(tmp_path: Path, server: Server) -> Path:
    path = tmp_path / "syncline.yaml"
    path.write_text(f"sources: {server.url}\ndestinations: {{nowhere: {{type: none}}}}\n")
    return path


async def started(path: Path) -> CatalogueWatcher:
    watcher = CatalogueWatcher(path, {})
    await watcher.refresh()
    assert list(watcher.current.sources) == ["one"]
    return watcher


@pytest.mark.parametrize(
    "header",
    [
        b'ETag: "\xc3\xa9"',
        b'ETag: "\xe9"',
        b'ETag: "\x01"',
        b"ETag:",
        b'ETag: "a"\r\nETag: "b"',
        b"Last-Modified: \xff",
    ],
)
async def test_a_validator_goes_back_as_it_came(path: Path, server: Server, header: bytes) -> None:
    server.answer = (OK + header + b"\r\n" + LENGTH + SOURCES,)
    watcher = await started(path)
    assert not await watcher.refresh()
    assert watcher.problem is None
    value = b", ".join(line.partition(b":")[2].strip() for line in header.split(b"\r\n"))
    name = b"If-Modified-Since" if header.startswith(b"Last") else b"If-None-Match"
    assert name + b": " + value + b"\r\n" in server.asked[1]


async def test_a_validator_that_its_own_server_refuses_is_sent_once(path: Path, server: Server) -> None:
    server.answer = (OK + b"ETag: x\r\n" + LENGTH + SOURCES,)
    watcher = await started(path)
    server.answer = (b"HTTP/1.1 400 Bad Request\r\n\r\n",)
    assert not await watcher.refresh()
    assert "answered 400" in str(watcher.problem)
    server.answer = (GOOD,)
    assert not await watcher.refresh()
    assert watcher.problem is None
    assert [b"If-None-Match" in asked for asked in server.asked] == [False, True, True, False, False]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        OK + b"no header\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        OK + b"Content-Length: 100\r\n\r\nshort",
        OK + b"Transfer-Encoding: chunked\r\n\r\nno chunk",
        OK + b"Content-Encoding: gzip\r\n\r\nno gzip",
        OK + b"X: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_one_line_and_changes_nothing(path: Path, server: Server, answer: bytes) -> None:
    watcher = await started(path)
    running = watcher.current
    server.answer = (answer,)
    assert not await watcher.refresh()
    assert watcher.current is running
    assert str(watcher.problem).startswith(f"{path}:1: sources: {server.url} sent an invalid HTTP response (")


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("302 Found", "Location: \xff"),
        ("302 Found", "Location: http://[x"),
        ("302 Found", "Location: "),
        ("304 Not Modified", ""),
        ("204 No Content", ""),
    ],
)
def test_another_status_is_named(server: Server, status: str, headers: str) -> None:
    answer = f"HTTP/1.1 {status}\r\n{headers}\r\n\r\n".encode("latin-1")
    assert refusal(server, answer).startswith(f"answered {status[:3]}")


class Endless:
    """The beginning, and then the same again and again."""

    def __init__(self, beginning: bytes, again: bytes) -> None:
        self.beginning = beginning
        self.again = again

    def __iter__(self) -> Iterator[bytes]:
        yield self.beginning
        while True:
            yield self.again


@pytest.mark.parametrize(
    ("beginning", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        # Blocks without content: nothing ever arrives behind the decompression.
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"", mtime=0)[:10], b"\x00\x00\x00\xff\xff"),
    ],
    ids=["interim answers", "empty blocks"],
)
def test_an_answer_without_end_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch, beginning: bytes, again: bytes
) -> None:
    monkeypatch.setattr(remote, "DEADLINE_SECONDS", 0.2)
    server.answer = Endless(beginning, again)
    with pytest.raises(UnreadableError, match=r"did not answer in time$"):
        RemoteText(server.url, largest=1000).read()


def test_an_endless_body_is_refused_while_it_arrives(server: Server) -> None:
    server.answer = Endless(OK + b"\r\n", b"# more\n")
    with pytest.raises(UnreadableError, match=r"is larger than 1,000 bytes$"):
        RemoteText(server.url, largest=1000).read()


def outcome(text: RemoteText) -> str:
    try:
        text.read()
    except UnreadableError as error:
        return str(error)
    return ""


PARTS = st.sampled_from(
    [
        *(
            OK,
            LENGTH,
            SOURCES,
            b"\r\n",
            b"\n",
            b": ",
            b"\0",
            b"\xff",
            b"HTTP/1.1 ",
            b"304 Not Modified\r\n",
            b"301 \r\n",
        ),
        *(
            b"Location: ",
            b"http://[",
            b"//",
            b"ETag: ",
            b"Last-Modified: ",
            b"Content-Encoding: ",
            b"gzip\r\n",
            b"br\r\n",
        ),
        *(b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\n", b"Content-Length: ", b"9" * 30, b"Set-Cookie: a=b;", b"-1"),
    ]
)


@given(answer=st.lists(PARTS | st.binary(max_size=8), max_size=12).map(b"".join) | st.binary(max_size=100))
@examples(share_fixtures=True)
def test_any_answer_is_a_text_or_a_refusal_that_names_the_url(server: Server, answer: bytes) -> None:
    server.answer = (answer,)
    text = RemoteText(server.url, largest=1000)
    for _ in range(2):  # the second time with what the first answer gave to send back
        said = outcome(text)
        assert said == "" or said.startswith(f"{server.url} ")


@pytest.mark.parametrize(
    "url",
    [
        "http://[x",
        "http://warehouse[eu].example/s.yaml",
        "HTTPS://[::1",
        "http://me:hunter22#x@host/s.yaml",
        "http://host:99999/s.yaml",
        "http://host:0/s.yaml",
        "http:///s.yaml",
        "http://\N{SNOWMAN}.example/s.yaml",
    ],
)
def test_a_url_that_cannot_be_is_told_with_its_key_and_line(tmp_path: Path, url: str) -> None:
    path = tmp_path / "syncline.yaml"
    path.write_text(f'server: {{}}\nsources: "{url}"\n')
    (problem,) = examine_config(path, {}).problems
    assert str(problem) == (f"{path}:2: sources: is not a valid URL: write http://host:port/path or https://host/path")


def test_an_address_of_something_else_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "syncline.yaml"
    path.write_text("sources: postgresql://me:hunter22@host/db\n")
    (problem,) = examine_config(path, {}).problems
    assert problem.message == "must be a file, or a URL that begins with http://, https:// or file://"


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..example"])
def test_a_name_that_no_resolver_takes_is_one_line(host: str) -> None:
    with pytest.raises(
        UnreadableError, match=r"cannot be reached: (its host name is not valid|name or service not known)$"
    ):
        RemoteText(f"http://{host}/s.yaml", largest=1000).read()


def test_a_proxy_that_cannot_be_is_one_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", "nothing://127.0.0.1")
    assert refusal(server) == (
        "cannot be reached: the proxy in the environment cannot be used: correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY"
    )
