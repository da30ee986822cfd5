"""Answers with a good status that have no rows, a part of them, or no end: the reading fails and says why."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.errors import ConfigurationError
from tests.connectors.sources.rest.web import Answer, Web, ids, refused, says

if TYPE_CHECKING:
    from tests.connectors.attempts import Duckdb

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROWS = [{"id": number} for number in range(1, 8)]


@pytest.mark.parametrize(
    ("body", "path", "wrong"),
    [
        ({"items": ROWS}, "itmes", "'data_selector' 'itmes' does not exist: the response has the keys \"items\""),
        ({"items": None}, "items", "'data_selector' 'items' is null"),
        ({"data": {}}, "data.items", "'data_selector' 'data.items' does not exist"),
        ({"data": None}, "data.items[*]", "'data_selector' 'data.items[*]' does not exist"),
        ({"pages": [{"rows": []}]}, "pages[*].items", "'data_selector' 'pages[*].items' does not exist"),
        (None, "$", "'data_selector' '$' is null: the response is null"),
        (ROWS, "items", "'data_selector' 'items' does not exist: the response is a list"),
        (None, None, "'$' is null"),
    ],
)
def test_a_path_that_leads_to_nothing_is_no_page_without_rows(
    web: Web, body: Any, path: str | None, wrong: str
) -> None:
    says(web, body, data_selector=path, paginator="single_page")
    assert wrong in refused(web)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"items": []}, "items"),
        ({"items": []}, "items[*]"),
        ({"items": [{"id": 1, "open": False}]}, "items[?(@.open == true)]"),
        ({"pages": []}, "pages[*].items"),
        ([], "$"),
        ([], None),
        ({"items": [], "errors": [], "error": None, "message": "nothing found"}, None),
        ({"code": 0, "message": "success", "data": []}, None),
        ({"code": 1, "message": "found", "data": []}, "data"),
        ({"error": {"code": "ok", "message": "", "log_id": "2024"}, "data": []}, None),
        ({"data": [], "meta": {"code": 200}}, "data"),
        ({"errcode": 0, "errmsg": "\u6210\u529f", "data": []}, "data"),
        ({"errorCode": 0, "errorMessage": "Operation successful", "data": []}, "data"),
        ({"errorCode": "00000", "errorMessage": "all is fine", "data": []}, "data"),
        ({"errorCode": None, "errorMessage": "Finished", "data": []}, "data"),
        ({"results": [], "status": "ZERO_RESULTS"}, "results"),
        ({"results": [], "status": "OK"}, "results"),
        ({"status": 0, "message": "query ok", "data": []}, "data"),
        ({"status": "0", "message": "No transactions found", "result": []}, "result"),
        ({"status": False, "data": []}, "data"),
        ({"code": 20000, "msg": "\u64cd\u4f5c\u6210\u529f", "data": []}, "data"),
        ({"code": 204, "message": "The list is empty", "data": []}, "data"),
        ({"success": 0, "failure": 0, "results": []}, "results"),
        ({"code": 1, "message": "Orders retrieved successfully", "data": []}, "data"),
        ({"success": True, "code": 1, "message": "Fetched", "data": [], "page": 1}, "data"),
        ({"success": True, "code": 1, "message": "Fetched", "data": []}, "data"),
        ({"succeeded": 0, "items": []}, "items"),
        ({"hasError": False, "message": "", "data": []}, "data"),
    ],
)
def test_no_rows_are_no_error(web: Web, body: Any, path: str | None) -> None:
    says(web, body, data_selector=path, paginator="single_page")
    assert web.read()[0] == {"made": []}


@pytest.mark.parametrize("path", [None, "jobs", "jobs[*]"])
@pytest.mark.parametrize(
    ("body", "params"),
    [
        ({"status": "failed", "jobs": []}, {"status": "failed"}),
        ({"status": "Failed", "jobs": [], "page": 1}, {"q": "status:failed,done"}),
        ({"result": "error", "jobs": []}, {"only": "errors"}),
        ({"id": "a7-1", "status": "failed", "jobs": []}, {"run": "A7-1"}),
    ],
)
def test_a_state_that_was_asked_for_is_no_error(
    web: Web, body: dict[str, Any], params: dict[str, str], path: str | None
) -> None:
    says(web, body, data_selector=path, params=params, paginator="single_page")
    assert web.read()[0] == {"made": []}
    says(web, body, data_selector=path, params={"side": "left"}, paginator="single_page")
    assert "reports an error: {" in refused(web, for_good=False)


def test_a_state_that_was_asked_for_in_the_body_is_no_error(web: Web) -> None:
    web.server.answers["/rows"] = lambda _body: Answer({"status": "failed", "jobs": []})
    endpoint = {"path": "rows", "method": "POST", "json": {"where": {"status": ["failed"]}}, "data_selector": "jobs"}
    web.resources = [{"name": "orders", "endpoint": endpoint | {"paginator": "single_page"}}]
    assert web.read()[0] == {"made": []}


@pytest.mark.parametrize("path", ["data", "data[*]"])
@pytest.mark.parametrize(
    "body",
    [
        {"result": "fail", "data": []},
        {"status": "error", "data": [], "page": 1},
        {"status": "Failure", "data": None},
        {"stat": "failed", "request": "x"},
        {"code": "503", "data": []},
        {"id": 5, "status": "failed", "data": []},
        {"status": False, "message": "Invalid API key", "data": []},
        {"status": "false", "message": "Invalid API key", "data": []},
        {"status": False, "code": 17, "data": []},
        {"status": 0, "message": "No API keys found", "data": []},
        {"code": 40001, "msg": "token expired", "data": []},
        {"code": "40001", "msg": "token expired", "data": [], "page": 1},
        {"code": -1, "message": "order not found", "data": []},
        {"code": "TOKEN_EXPIRED", "message": "log in again", "data": []},
        {"retcode": 10, "message": "limit", "data": []},
        {"code": 9, "message": "not successful", "data": []},
        {"success": 0, "error_code": 0, "data": []},
        {"hasError": True, "data": []},
        {"isError": True, "message": "no", "data": []},
        {"data": [], "status": "OVER_QUERY_LIMIT"},
        {"data": [], "status": "REQUEST_DENIED"},
    ],
)
def test_a_failure_without_rows_empties_no_table(web: Web, body: dict[str, Any], path: str) -> None:
    says(web, body, data_selector=path, paginator="single_page")
    assert "reports an error: {" in refused(web, for_good=False)


def test_a_failure_beside_declared_rows_takes_none_of_them(web: Web) -> None:
    says(web, {"status": "failed", "jobs": ROWS}, data_selector="jobs", paginator="single_page")
    assert len(ids(web)) == 7


def test_a_path_that_is_gone_on_a_later_page_is_tried_again_and_ends_no_pages(web: Web) -> None:
    def answer(query: dict[str, str]) -> Answer:
        return Answer({"items": ROWS[:3], "next": "2"} if "at" not in query else {"request_id": "x", "next": None})

    says(web, answer, paginator={"type": "cursor", "cursor_path": "next", "cursor_param": "at"})
    assert "'items' does not exist" in refused(web, for_good=False)


def test_rows_of_a_table_stay_where_an_answer_has_none(web: Web, duckdb: Duckdb) -> None:
    web.destinations = {"warehouse": duckdb.options()}
    says(web, {"items": ROWS}, data_selector="items", paginator="single_page")
    assert web.run().finished
    says(web, {"error": "rate limit exceeded"}, data_selector="items", paginator="single_page")
    assert not web.run().committed
    assert duckdb.execute("SELECT count(*) FROM loaded.made") == [(7,)]


@pytest.mark.parametrize("path", [None, "data", "$"])
@pytest.mark.parametrize(
    "body",
    [
        {"error": "invalid_auth"},
        {"error": {"code": 403, "message": "no", "errors": [{"reason": "limit"}]}},
        {"errors": [{"message": "no"}], "data": None},
        {"code": 40001, "message": "token expired"},
        {"code": "rate_limited", "message": "later", "data": None},
        {"code": 401, "message": "no", "data": []},
        {"status": "error", "message": "no"},
        {"status": "fail", "data": None},
        {"ok": False},
        {"success": False, "data": []},
        {"timestamp": "2024-01-01T00:00:00Z", "status": 404, "error": "Not Found", "path": "/rows"},
        {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "no"},
        {"errcode": 40013, "errmsg": "invalid appid"},
        {"meta": {"code": 400, "error_message": "no"}, "data": None},
        [{"message": "Session expired", "errorCode": "INVALID_SESSION_ID"}],
    ],
)
def test_an_error_with_status_200_is_neither_no_rows_nor_a_row(web: Web, body: Any, path: str | None) -> None:
    says(web, body, data_selector=path, paginator="single_page")
    assert "reports an error: " in refused(web, for_good=False)


@pytest.mark.parametrize(
    "body",
    [
        {"message": "Unauthorized"},
        {"ok": False, "error": "missing_scope", "needed": "a:read", "messages": ["no"]},
        {"error": "only a part could be read", "items": ROWS},
        {"errors": [{"message": "no"}]},
        {"status": "failed", "message": "no", "data": [], "page": 1},
        {"status": False, "message": "Invalid key"},
        {"hasError": True, "message": "Invalid key"},
    ],
)
def test_rows_are_not_guessed_of_an_error(web: Web, body: Any) -> None:
    says(web, body, paginator="single_page")
    assert "reports an error: {" in refused(web, for_good=False)


def test_what_graphql_read_beside_an_error_is_not_all(web: Web) -> None:
    says(
        web,
        {"data": {"orders": ROWS}, "errors": [{"message": "timeout", "path": ["orders", 7]}]},
        data_selector="data.orders",
    )
    assert '{"errors":[{"message":"timeout"' in refused(web, for_good=False)


@pytest.mark.parametrize(
    ("body", "path", "count"),
    [
        ({"items": [{"id": 1, "error": "boom", "ok": False}, {"id": 2, "error": None}]}, None, 2),
        ([{"id": 1, "error": "boom", "message": "no"}], None, 1),
        ({"id": 1, "status": "failed", "error": "disk full"}, None, 1),
        ({"id": 1, "success": False, "message": "no"}, None, 1),
        ({"name": "nightly", "state": "done", "error": "disk full"}, None, 1),
        ({"name": "nightly", "state": "done", "ok": False}, "$", 1),
        ({"data": ROWS, "errors": [], "error": None}, None, 7),
        ({"error": 0, "errors": 3, "items": ROWS}, None, 7),
        ({"errors": [{"id": 1, "message": "NullPointer"}, {"id": 2, "message": "IO"}]}, None, 2),
        ({"errors": [{"message": "NullPointer"}]}, "errors", 1),
        ({"status": "success", "message": "https://example.com/dog.jpg"}, None, 1),
        ({"message": "pong"}, "$", 1),
        ({"code": 200, "message": "OK", "data": ROWS}, None, 7),
        ({"error": "see there", "items": ROWS}, "items", 7),
        ({"code": "X1", "type": "book", "details": {"pages": 3}}, None, 1),
        ([{"code": "E1", "message": "not found"}, {"code": "E2", "message": "denied"}], None, 2),
        ([{"timestamp": "2024-01-01T00:00:00Z", "error": "boom", "path": "/"}], None, 1),
        ({"errMsg": "request:ok", "data": ROWS}, None, 7),
        ({"errorMessage": "Success.", "data": ROWS}, None, 7),
        ({"errorCode": "00000", "errorMessage": "fine", "data": ROWS}, None, 7),
        ({"messages": [{"id": 1, "text": "hello"}]}, None, 1),
        ({"status": False, "name": "door"}, None, 1),
        ({"code": 7, "message": "see you", "data": ROWS}, "data", 7),
    ],
)
def test_rows_that_speak_of_errors_are_rows(web: Web, body: Any, path: str | None, count: int) -> None:
    says(web, body, data_selector=path, paginator="single_page")
    assert len(web.read()[0]["made"]) == count


@pytest.mark.parametrize(
    "body",
    [
        {"success": True, "errors": [], "messages": [], "result": ROWS},
        {"messages": ["two zones"], "zones": ROWS},
        {"warnings": [], "meta": {"a": 1}, "found": {"zones": ROWS}},
    ],
)
def test_a_list_of_errors_or_words_is_not_taken_for_the_rows_beside_it(web: Web, body: dict[str, Any]) -> None:
    says(web, body, paginator="single_page")
    assert "declare the resource's 'data_selector', such as '" in refused(web)


def test_a_list_of_errors_beside_no_other_rows_is_fine(web: Web) -> None:
    for messages, links in (([], []), (["nothing there"], [{"rel": "self"}])):
        says(web, {"errors": [], "messages": messages, "links": links, "result": []}, paginator="single_page")
        assert ids(web) == []
    says(web, {"success": True, "errors": [], "messages": [], "result": ROWS}, data_selector="result")
    assert len(ids(web)) == 7


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (Answer(b""), "200 OK, but its body is empty (Content-Type: application/json)"),
        (Answer(b"", {}, HTTPStatus.NO_CONTENT), "204 No Content, but its body is empty"),
        (Answer(b"<html>", {"Content-Type": "text/html"}), "its body is not valid JSON: Expecting value"),
        (Answer(b'{"items": [', {}), "its body is not valid JSON"),
    ],
)
def test_a_body_that_is_not_json_is_told_with_its_type(web: Web, answer: Answer, wrong: str) -> None:
    says(web, lambda _query: answer, data_selector="items")
    text = refused(web, for_good=False)
    assert wrong in text
    assert f"Content-Type: {answer.headers.get('Content-Type', 'application/json')}" in text


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "200 OK, but its JSON is nested too deeply"),
        (b'{"items": [{"id": 1, "id": 2}]}', '200 OK, but the name "id" stands twice in one object of JSON'),
        (b'{"items": [{"id": NaN}]}', "200 OK, but its body has the number NaN, which is not valid JSON"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_with_its_address(web: Web, body: bytes, wrong: str) -> None:
    says(web, lambda _query: Answer(body), data_selector="items")
    assert wrong in refused(web, for_good=False)


def test_what_the_user_ignores_is_no_error(web: Web) -> None:
    ignored = [{"status_code": 204, "action": "ignore"}, {"content": '"items":null', "action": "ignore"}]
    for answer in (Answer(b"", {}, HTTPStatus.NO_CONTENT), Answer({"items": None})):
        says(web, partial(_always, answer), data_selector="items", response_actions=ignored)
        assert ids(web) == []


def _always(answer: Answer, _query: dict[str, str]) -> Answer:
    return answer


def test_no_secret_of_an_address_is_told(web: Web) -> None:
    says(
        web,
        {"items": None},
        data_selector="items",
        params={"client_secret": "hunter22", "authToken": "4711x", "side": "left"},
    )
    with pytest.raises(ConfigurationError) as error:
        web.read()
    assert "hunter22" not in str(error.value)
    assert "4711x" not in str(error.value)
    assert "side=left" in str(error.value)
