"""Sources behind a URL, from a real HTTP server."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from unittest.mock import Mock

import httpx
import pytest

from app.config import reader
from app.config.check import examine_config
from app.config.remote import RemoteText
from app.config.watch import CatalogueWatcher
from tests.servers.web import answering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Site:
    """What the server answers, and what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def say(self, *names: str, **headers: str) -> None:
        sources = ", ".join(f"{name}: {{type: synthetic, destinations: nowhere, collections: [a]}}" for name in names)
        self.body = f"sources: {{{sources}}}".encode()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {name.lower(): value for name, value in self.headers.items()}
            site.asked.append({name: value for name, value in asked.items() if name.startswith(("if-", "auth"))})
            unchanged = site.headers.get("ETag") is not None and asked.get("if-none-match") == site.headers["ETag"]
            unchanged |= site.headers.get("Last-Modified") == asked.get("if-modified-since", "")
            self.send_response(304 if unchanged else site.status)
            for name, value in site.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if not unchanged:
                self.wfile.write(site.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
            pass

    with answering(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        site.url = f"http://127.0.0.1:{server.server_port}/sources"
        yield site


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def path(tmp_path: Path, site: Site) -> Path:
    path = tmp_path / "syncline.yaml"
    point_at(path, site.url)
    return path


def point_at(path: Path, url: str) -> None:
    path.write_text(f"sources: {url}\ndestinations: {{nowhere: {{type: none}}}}\n")


async def started(path: Path) -> CatalogueWatcher:
    watcher = CatalogueWatcher(path, {})
    await watcher.refresh()
    return watcher


@pytest.mark.parametrize(
    ("header", "value", "asks"),
    [("ETag", '"v1"', "if-none-match"), ("Last-Modified", "Wed, 10 Mar 2021 22:45:01 GMT", "if-modified-since")],
)
async def test_an_unchanged_text_is_asked_for_conditionally(
    path: Path, site: Site, header: str, value: str, asks: str
) -> None:
    site.say("one", **{header: value})
    watcher = await started(path)
    assert not await watcher.refresh()
    assert site.asked == [{}, {asks: value}, {asks: value}]
    assert list(watcher.current.sources) == ["one"]
    site.say("two", **{header: value.replace("1", "2")})
    assert await watcher.refresh()
    assert list(watcher.current.sources) == ["two"]


async def test_without_validators_the_content_decides(path: Path, site: Site) -> None:
    site.say("one")
    watcher = await started(path)
    assert not await watcher.refresh()
    site.say("two")
    assert await watcher.refresh()
    assert site.asked == [{}] * 5


async def test_an_outage_keeps_the_old_version_running(path: Path, site: Site) -> None:
    site.say("one")
    watcher = await started(path)
    site.status = 503
    assert not await watcher.refresh()
    assert list(watcher.current.sources) == ["one"]
    assert watcher.problem == f"{path}:1: sources: {site.url} answered 503; the previous version stays in use"
    assert len(site.asked) == 3
    site.status = 200
    assert not await watcher.refresh()
    assert watcher.problem is None


async def test_a_new_url_is_asked_for_anew(path: Path, site: Site) -> None:
    site.say("one", ETag='"v1"')
    watcher = await started(path)
    point_at(path, site.url.replace("/sources", "/other"))
    assert await watcher.refresh()
    again = {"if-none-match": '"v1"'}
    assert site.asked == [{}, again, {}, again]


def test_credentials_are_sent_but_never_shown(path: Path, site: Site) -> None:
    site.status = 401
    url = site.url.replace("http://", "http://me:hunter22@") + "?token=t-12345"
    path.write_text(f"sources: {url}\n")
    assert [problem.message for problem in examine_config(path, {}).problems] == [f"{site.url} answered 401"]
    assert site.asked[0]["authorization"].startswith("Basic ")


def test_a_redirect_is_not_followed(path: Path, site: Site) -> None:
    site.status, site.headers = 302, {"Location": "http://127.0.0.1:9/elsewhere"}
    messages = [problem.message for problem in examine_config(path, {}).problems]
    assert messages == [f"{site.url} answered 302; redirects are not followed: give the final URL"]
    assert len(site.asked) == 1


def test_a_text_that_is_too_large_is_refused_while_it_arrives(
    path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LARGEST_TEXT", 1000)
    site.body, site.headers = gzip.compress(b" " * 1_000_000), {"Content-Encoding": "gzip"}
    assert [problem.message for problem in examine_config(path, {}).problems] == [
        f"{site.url} is larger than 1,000 bytes"
    ]


def test_a_server_that_is_not_there_is_one_line(path: Path) -> None:
    path.write_text("sources: http://127.0.0.1:9/sources\n")
    (problem,) = examine_config(path, {}).problems
    assert problem.message == "http://127.0.0.1:9/sources cannot be reached: connection refused"


def test_a_text_that_is_not_utf8_is_refused(path: Path, site: Site) -> None:
    site.body = b"\xff"
    assert [problem.message for problem in examine_config(path, {}).problems] == [f"{site.url} is not UTF-8"]


@pytest.mark.parametrize("page", [b"<!DOCTYPE html>\n<p>Log in</p>", b"\n<html lang='en'></html>"])
def test_a_page_is_told_apart_from_a_catalogue(path: Path, site: Site, page: bytes) -> None:
    site.body = page
    assert [problem.message for problem in examine_config(path, {}).problems] == [
        f"{site.url} answered with an HTML page, such as that of a login: check the URL and its access"
    ]


def test_a_place_in_the_remote_text_names_its_url(path: Path, site: Site) -> None:
    site.body = b"\ns:\n  type: synthetic\n  destinations: nowhere\n  collections: [a]\n  tipe: x\n"
    (problem,) = examine_config(path, {}).problems
    assert (problem.place, problem.path) == (f"{site.url}:6", "sources.s.tipe")


def test_the_authorities_are_read_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    read_them = Mock(wraps=httpx.create_ssl_context)
    monkeypatch.setattr(httpx, "create_ssl_context", read_them)
    site.say("one")
    text = RemoteText(site.url, largest=1000)
    assert text.read() == text.read() == site.body.decode()
    assert len(site.asked) == 2
    read_them.assert_called_once()
