"""Redirects are followed as by any client, once each, and lose neither the request nor its secrets."""

from __future__ import annotations

import gc
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.errors import ConfigurationError, SynclineError
from tests.connectors.sources.rest.web import Answer, Web, ids, refused, says, serving

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROWS = [{"id": number} for number in range(1, 8)]
MOVED = [
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
]


def to(location: str, status: HTTPStatus = HTTPStatus.FOUND) -> Callable[[Any], Answer]:
    return lambda _query: Answer(b"moved", {"Location": location, "Content-Type": "text/html"}, status)


@pytest.fixture
def reads_rows(web: Web) -> Web:
    says(web, to("/rows/"), data_selector="items", paginator="single_page")
    return web


@pytest.mark.parametrize("status", MOVED)
def test_a_redirect_is_followed(web: Web, status: HTTPStatus) -> None:
    says(web, to("/moved", status), data_selector="items")
    web.server.answers["/moved"] = to("/rows/?page=1", status)
    web.server.answers["/rows/"] = lambda _query: Answer({"items": ROWS, "n": 0.1})
    assert len(ids(web)) == 7
    assert web.server.asked == ["/rows", "/moved", "/rows/?page=1"]


def test_every_page_is_redirected_and_read_once(web: Web) -> None:
    says(
        web,
        lambda query: to(f"/all?page={query['page']}")(query),
        data_selector="items",
        paginator={"type": "page_number", "total_path": "pages"},
    )
    web.server.answers["/all"] = lambda query: Answer({"items": ROWS[int(query["page"]) :: 3], "pages": 3})
    assert sorted(ids(web)) == [1, 2, 3, 4, 5, 6, 7]


def test_a_redirect_to_a_page_for_people_is_told_with_its_address_and_type(reads_rows: Web) -> None:
    reads_rows.server.answers["/rows/"] = to("/login?token=hunter22")
    reads_rows.server.answers["/login"] = lambda _query: Answer(b"<html>", {"Content-Type": "text/html"})
    text = refused(reads_rows, for_good=False)
    url = reads_rows.server.url
    assert f"GET {url}/rows, redirected to {url}/login?token=***, returned 200 OK, but its body is not valid" in text
    assert "Content-Type: text/html" in text


def test_a_redirect_without_an_end_is_told(reads_rows: Web) -> None:
    reads_rows.server.answers["/rows/"] = to("/rows")
    with pytest.raises(SynclineError, match=r"/rows returned 302 Found and redirects without an end, last to http"):
        reads_rows.read()


def test_a_redirect_to_something_else_than_http_is_told(reads_rows: Web) -> None:
    reads_rows.server.answers["/rows/"] = to("ftp://127.0.0.1/rows")
    with pytest.raises(SynclineError, match=r"a redirect to ftp://127.0.0.1/rows, which is no address of an API"):
        reads_rows.read()


@pytest.mark.parametrize("status", MOVED)
def test_a_redirect_takes_the_body_along_or_is_refused(web: Web, status: HTTPStatus) -> None:
    web.server.answers["/rows"] = to("/rows/", status)
    web.server.answers["/rows/"] = lambda body: Answer({"items": [{"id": body["from"]}]})
    endpoint = {"path": "rows", "method": "POST", "json": {"from": 5}, "data_selector": "items"}
    web.resources = [{"name": "orders", "endpoint": endpoint | {"paginator": "single_page"}}]
    if status in {HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT}:
        assert ids(web) == [5]
    else:
        with pytest.raises(
            ConfigurationError, match=r"that would not be sent the POST request's body\. Set 'base_url'"
        ):
            web.read()
        assert web.server.asked == ["/rows"]


def test_a_failure_behind_a_redirect_is_tried_again_as_often_as_any_other(
    reads_rows: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)
    reads_rows.server.answers["/rows/"] = lambda _query: Answer({}, {}, HTTPStatus.SERVICE_UNAVAILABLE)
    with pytest.raises(SynclineError, match="503 Server Error"):
        reads_rows.read()
    assert reads_rows.server.asked == ["/rows", *["/rows/"] * 6]
    # A connection that is still open is told now, and fails the test.
    gc.collect()


def test_a_failure_that_a_redirect_leads_to_can_be_ignored(web: Web) -> None:
    ignored = [{"status_code": 404, "action": "ignore"}]
    says(web, to("/gone"), data_selector="items", response_actions=ignored)
    web.server.answers["/gone"] = lambda _query: Answer({}, {}, HTTPStatus.NOT_FOUND)
    assert ids(web) == []


@pytest.mark.parametrize(
    "auth", [{"type": "bearer", "token": "hunter22"}, {"type": "api_key", "name": "X-Key", "api_key": "hunter22"}]
)
def test_another_server_is_sent_no_secret(web: Web, auth: dict[str, str]) -> None:
    with serving() as other:
        other.answers["/rows"] = lambda _query: Answer({"items": ROWS})
        says(web, to("/here"), data_selector="items")
        web.server.answers["/here"] = to(f"{other.url}/rows")
        web.client = {"auth": auth, "headers": {"X-Tenant": "hunter22"}}
        assert len(ids(web)) == 7
    assert [str(headers).count("hunter22") for headers in web.server.headers] == [2, 2]
    assert [str(headers).count("hunter22") for headers in other.headers] == [0]
