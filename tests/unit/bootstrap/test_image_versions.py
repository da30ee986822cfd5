"""Which versions of an Airbyte connector there are."""

from __future__ import annotations

import http.server
import json
from typing import TYPE_CHECKING, Any

import pytest

from app.bootstrap.image_versions import list_versions
from app.domain.errors import ConfigurationError, SynclineError
from tests.servers.web import answering

if TYPE_CHECKING:
    from collections.abc import Iterator


class Hub(http.server.ThreadingHTTPServer):
    """Answers each path with one of `pages`, as text or JSON; all others with a 404."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Any] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: Any) -> None:
        """Tests look at what was asked for."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        content = (page if isinstance(page, str) else json.dumps(page)).encode()
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with answering(Hub()) as hub:
        yield hub


FIRST = "/v2/repositories/airbyte/source-made/tags?page_size=100"


def page(*names: str, following: str | None = None) -> dict[str, Any]:
    return {"next": following, "results": [{"name": name} for name in names]}


async def test_versions_come_from_all_pages_in_their_order(hub: Hub) -> None:
    hub.pages = {
        FIRST: page("latest", "2.0.0", "2.0.0-dev.1", following=f"{hub.url}{FIRST}&page=2"),
        f"{FIRST}&page=2": page("1.9.0", "1.10.0", following="http://192.0.2.1/v2/repositories/airbyte/source-made"),
    }
    assert await list_versions("source-made", hub=hub.url) == ["2.0.0", "1.9.0", "1.10.0"]
    assert hub.asked == [FIRST, f"{FIRST}&page=2"], "no other server is asked"


async def test_pages_without_an_end_are_read_up_to_a_thousand_tags(hub: Hub) -> None:
    hub.pages = {FIRST: page("1.0", following=f"{hub.url}{FIRST}")}
    assert await list_versions("source-made", hub=hub.url) == ["1.0"] * 10


A_PAGE = (
    "Docker Hub cannot be asked: {url}/v2/repositories/airbyte/source-made/tags answered with an HTML page, such as "
    "that of a login: check the URL and its access"
)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "Docker Hub cannot be asked: {url}/v2/repositories/airbyte/source-made/tags answered 404"),
        ("{", "the answer of Docker Hub is not valid JSON"),
        (
            "<html>",
            A_PAGE,
        ),
        ({"results": [{"tag": "1.0"}]}, "the answer of Docker Hub does not list tags"),
        ([], "the answer of Docker Hub does not list tags"),
        (page("latest"), "Docker Hub has no versions of airbyte/source-made"),
    ],
)
async def test_an_answer_without_versions_is_one_error(hub: Hub, answer: Any, said: str) -> None:
    hub.pages = {} if answer is None else {FIRST: answer}
    with pytest.raises(SynclineError) as raised:
        await list_versions("source-made", hub=hub.url)
    assert str(raised.value) == said.format(url=hub.url)


@pytest.mark.parametrize("image", ["", "..", "a/b", "a?b", "a#b", "Source", "source-made/", "a\nb", "a%2fb"])
async def test_only_the_name_of_an_image_is_asked_for(hub: Hub, image: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the name of an Airbyte connector's image; write source-name"):
        await list_versions(image, hub=hub.url)
    assert hub.asked == []
