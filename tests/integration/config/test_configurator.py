"""Sources and destinations from Jitsu Classic's configurator, as Classic asks it for them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.config.check import examine_config
from app.config.problems import CatalogueError
from app.config.reader import load_catalogue
from app.config.watch import CatalogueWatcher
from tests.servers.web import answering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "configurator-token"
MODIFIED = "Tue, 01 Dec 2026 12:00:00 GMT"


@dataclass
class Configurator:
    """What it answers, and what it was asked: the path, and the header `If-Modified-Since`."""

    url: str = ""
    parts: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def paths(self) -> set[str]:
        return {path for path, _ in self.asked}


@pytest.fixture
def configurator() -> Iterator[Configurator]:
    made = Configurator()
    made.parts = {
        "sources": {"prj1.load": {"type": "synthetic", "destinations": ["prj1.none"], "collections": ["made"]}},
        "destinations": {"prj1.none": {"type": "none", "only_tokens": ["a"]}},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            since = self.headers.get("If-Modified-Since")
            made.asked.append((url.path, since))
            part = url.path.rpartition("/")[2]
            allowed = parse_qs(url.query).get("token") == [TOKEN]
            self.send_response((304 if since == MODIFIED else 200) if allowed else 401)
            self.send_header("Last-Modified", MODIFIED)
            self.end_headers()
            if allowed and since != MODIFIED:
                self.wfile.write(json.dumps({part: made.parts[part]}).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
            pass

    with answering(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        made.url = f"http://127.0.0.1:{server.server_port}"
        yield made


def written(configurator: Configurator, more: str = "") -> str:
    return f"configurator: {{base_url: '{configurator.url}/', admin_token: '${{env.TOKEN}}'}}\n{more}"


def test_what_the_catalogue_leaves_out_is_there(configurator: Configurator) -> None:
    text = written(configurator, "sources: '${env.SOURCES_URL|}'\ndestinations:\n")
    catalogue = load_catalogue(text, {"TOKEN": TOKEN})
    assert (catalogue.problems, list(catalogue.sources)) == ([], ["prj1.load"])
    assert list(catalogue.destinations) == ["prj1.none"]
    assert configurator.paths() == {"/api/v1/sources", "/api/v1/destinations"}


def test_its_address_may_be_a_dotted_key(configurator: Configurator) -> None:
    text = f"configurator.base_url: {configurator.url}\nconfigurator.admin_token: {TOKEN}\n"
    assert list(load_catalogue(text, {}).sources) == ["prj1.load"]


def test_what_the_catalogue_has_comes_first(configurator: Configurator) -> None:
    text = written(configurator, "sources: {own: {type: synthetic, destinations: [prj1.none], collections: [a]}}")
    assert list(load_catalogue(text, {"TOKEN": TOKEN}).sources) == ["own"]
    assert configurator.paths() == {"/api/v1/destinations"}


def test_a_place_in_its_answer_has_no_token(configurator: Configurator) -> None:
    configurator.parts["sources"]["prj1.load"]["type"] = "synthetik"
    (problem,) = load_catalogue(written(configurator), {"TOKEN": TOKEN}).problems
    assert problem.place == f"{configurator.url}/api/v1/sources"


def test_a_refusal_names_the_key_and_no_token(configurator: Configurator) -> None:
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(written(configurator), {"TOKEN": "other-token"})
    message = f"catalogue:1: configurator.base_url: {configurator.url}/api/v1/sources answered 401"
    assert str(caught.value) == message


def test_nothing_there_is_nothing_to_check(configurator: Configurator, tmp_path: Path) -> None:
    configurator.parts = {"sources": {}, "destinations": None}
    path = tmp_path / "eventnative.yaml"
    path.write_text(written(configurator))
    (problem,) = examine_config(path, {"TOKEN": TOKEN}).problems
    assert problem.message.startswith("there are none, so nothing would be loaded: write them here, or name their file")


async def test_an_unchanged_answer_is_not_sent_again(configurator: Configurator, tmp_path: Path) -> None:
    path = tmp_path / "eventnative.yaml"
    path.write_text(written(configurator))
    watcher = CatalogueWatcher(path, {"TOKEN": TOKEN})
    await watcher.refresh()
    configurator.asked.clear()
    assert not await watcher.refresh()
    assert sorted(configurator.asked) == [("/api/v1/destinations", MODIFIED), ("/api/v1/sources", MODIFIED)]
    assert list(watcher.current.sources) == ["prj1.load"]


def test_destinations_may_be_a_url_a_file_or_json(configurator: Configurator, tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text("mine: {type: none}\n")
    nested = json.dumps({"destinations": {"mine": {"type": "none"}}})
    path = tmp_path / "syncline.yaml"
    for where in ("d.yaml", f"file://{tmp_path}/d.yaml", nested, json.dumps({"mine": {"type": "none"}})):
        path.write_text(f"destinations: '{where}'")
        assert list(load_catalogue(path, {}).destinations) == ["mine"], where
    url = f"{configurator.url}/api/v1/destinations?token={TOKEN}"
    assert list(load_catalogue(f"destinations: {url}", {}).destinations) == ["prj1.none"]
