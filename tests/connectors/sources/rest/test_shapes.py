"""Answers of another shape than rows: no table is replaced by a word, a null, a job or an error."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from tests.connectors.sources.rest.web import Answer, Web, ids, refused, says

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROWS = [{"id": number} for number in range(1, 8)]


@pytest.mark.parametrize(
    ("body", "path", "wrong"),
    [
        ({"items": "rate limit"}, "items", "'data_selector' 'items' is a string instead of rows, \"rate limit\""),
        ({"items": ""}, "items", "'data_selector' 'items' is a string instead of rows"),
        ({"items": 5}, "items", "is a number instead of rows, 5"),
        ({"items": False}, "items", "is true or false instead of rows, false"),
        ({"data": {"items": 1.5}}, "data.items", "is a number instead of rows, 1.5"),
        ("rate limit", None, "'$' is a string instead of rows, \"rate limit\""),
        ("rate limit", "$", "is a string instead of rows"),
    ],
)
def test_a_single_value_is_no_row(web: Web, body: Any, path: str | None, wrong: str) -> None:
    says(web, body, data_selector=path, paginator="single_page")
    assert wrong in refused(web, for_good=False)


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ([None, {"id": 1}], "2 rows, of which row 1 is null"),
        ([{"id": 1}, None, {"id": 2}], "3 rows, of which row 2 is null"),
        ([1, None], "2 rows, of which row 2 is null"),
        ([{"id": 1}, "rate limit"], "2 rows, of which row 2 is a string"),
        ([5, {"id": 1}], "2 rows, of which row 1 is a number"),
        ([{"id": 1}, [2]], "2 rows, of which row 2 is a list"),
    ],
)
@pytest.mark.parametrize("path", ["items", "items[*]", None])
def test_rows_of_different_kinds_are_refused(web: Web, rows: list[Any], wrong: str, path: str | None) -> None:
    says(web, {"items": rows}, data_selector=path, paginator="single_page")
    text = refused(web, for_good=False)
    assert wrong in text
    assert "leave out what is not a row, for example with 'items[?(@.id)]'" in text
    says(web, {"items": rows}, data_selector="items[?(@.id)]", paginator="single_page")
    assert web.read()[0]["made"] == [row for row in rows if isinstance(row, dict)]


def test_a_null_inside_of_elements_is_left_out_as_the_error_says(web: Web) -> None:
    says(web, {"items": [{"x": {"id": 1}}, {"x": None}, {"y": 2}]}, data_selector="items[*].x", paginator="single_page")
    text = refused(web, for_good=False)
    assert "of which row 2 is null. Correct the path, or leave out what is not a row, for example with '" in text
    path = text.rpartition(" with ")[2].strip("'")
    assert path == "items[?(@.x.id)].x"
    says(web, {"items": [{"x": {"id": 1}}, {"x": None}, {"y": 2}]}, data_selector=path, paginator="single_page")
    assert ids(web) == [1]


@pytest.mark.parametrize(
    ("items", "path", "count"),
    [
        ([1, 2, "a"], "items", 3),
        ([[1, 2], [3, 4]], "items", 2),
        ([{"x": 1}, {"x": 2}], "items[*].x", 2),
        ([7], "items", 1),
    ],
)
def test_values_in_a_list_are_rows(web: Web, items: list[Any], path: str, count: int) -> None:
    says(web, {"items": items}, data_selector=path, paginator="single_page")
    assert len(web.read()[0]["made"]) == count


@pytest.mark.parametrize(
    ("body", "path", "status"),
    [
        ({"status": "processing", "job": "1"}, None, HTTPStatus.ACCEPTED),
        ({"job": {"id": "1"}}, None, HTTPStatus.ACCEPTED),
        ({"items": []}, "items", HTTPStatus.ACCEPTED),
        ({"id": 7}, "items", HTTPStatus.ACCEPTED),
        ({"status": "processing", "job": "1"}, None, HTTPStatus.OK),
        ({"status": "pending", "progress": 10}, None, HTTPStatus.OK),
        ({"state": "RUNNING", "queryExecutionId": "a", "message": "wait"}, None, HTTPStatus.OK),
        ({"jobStatus": "In Progress", "links": {"self": "/jobs/1"}}, None, HTTPStatus.OK),
        ({"status": "queued"}, "items", HTTPStatus.OK),
        ({"status": "processing", "items": []}, "items", HTTPStatus.OK),
        ({"status": "IN_PROGRESS", "items": []}, None, HTTPStatus.OK),
    ],
)
def test_an_answer_that_comes_before_its_rows_is_tried_again(
    web: Web, body: dict[str, Any], path: str | None, status: HTTPStatus
) -> None:
    says(web, lambda _query: Answer(body, {}, status), data_selector=path, paginator="single_page")
    text = refused(web, for_good=False)
    assert f"returned {status.value} {status.phrase}, but its rows are not ready: {{" in text
    ignored = [{"status_code": status.value, "action": "ignore"}]
    says(web, lambda _query: Answer(body, {}, status), data_selector=path, response_actions=ignored)
    assert ids(web) == []


@pytest.mark.parametrize(
    ("body", "path", "status", "count"),
    [
        ({"items": ROWS}, "items", HTTPStatus.ACCEPTED, 7),
        (ROWS, None, HTTPStatus.ACCEPTED, 7),
        ({"status": "processing", "job": "1"}, "$", HTTPStatus.ACCEPTED, 1),
        ({"status": "processing", "job": "1"}, "$", HTTPStatus.OK, 1),
        ({"id": 7, "status": "processing", "total": 5}, None, HTTPStatus.OK, 1),
        ({"status": "processing", "customer": "a"}, None, HTTPStatus.OK, 1),
        ({"status": "running", "workers": []}, "workers", HTTPStatus.OK, 0),
        ({"status": "processing", "items": ROWS}, "items", HTTPStatus.OK, 7),
        ({"status": "complete", "items": []}, "items", HTTPStatus.OK, 0),
    ],
)
def test_rows_that_have_a_state_are_rows(web: Web, body: Any, path: str | None, status: HTTPStatus, count: int) -> None:
    says(web, lambda _query: Answer(body, {}, status), data_selector=path, paginator="single_page")
    assert len(web.read()[0]["made"]) == count


def test_a_state_that_was_asked_for_is_no_wait(web: Web) -> None:
    says(
        web,
        {"status": "pending", "jobs": []},
        data_selector="jobs",
        params={"status": "pending"},
        paginator="single_page",
    )
    assert ids(web) == []


@pytest.mark.parametrize(
    "body",
    [
        {"responseStatus": "FAILURE", "responseMessage": "INVALID_SESSION_ID", "data": []},
        {"responseMessage": "INVALID_SESSION_ID", "data": []},
        {"result_status": "error", "data": []},
        {"returnCode": 401, "returnMsg": "no", "data": []},
        {"message": "API rate limit exceeded", "data": []},
        {"message": "Too many requests, please try again later.", "data": []},
        {"messages": ["Your access token has expired"], "data": []},
        {"detail": "Request was throttled.", "data": []},
        {"msg": "invalid api key", "data": []},
        {"message": "Access denied", "data": []},
        {"message": "The service is temporarily unavailable", "data": []},
        {"message": "An error occurred", "data": []},
    ],
)
@pytest.mark.parametrize("path", ["data", None])
def test_a_complaint_beside_no_rows_is_an_error(web: Web, body: dict[str, Any], path: str | None) -> None:
    says(web, body, data_selector=path, paginator="single_page")
    assert "reports an error: {" in refused(web, for_good=False)
    says(web, body | {"data": ROWS}, data_selector="data", paginator="single_page")
    assert len(ids(web)) == 7


@pytest.mark.parametrize(
    "beside",
    [
        {"message": "No invalid orders found"},
        {"message": "You have no expired orders"},
        {"message": "nothing to see"},
        {"message": "Orders could not be found"},
        {"success": True, "message": "Deleted orders are not allowed here"},
        {"message": "Completed without errors"},
        {"message": "Success", "responseStatus": "SUCCESS"},
        {"responseCode": 200, "responseMessage": "OK"},
        {"messages": []},
        {"detail": None},
    ],
)
def test_other_words_beside_no_rows_are_no_error(web: Web, beside: dict[str, Any]) -> None:
    says(web, {"data": []} | beside, data_selector="data", paginator="single_page")
    assert ids(web) == []


@pytest.mark.parametrize("path", [None, "$"])
def test_a_line_of_a_log_may_complain(web: Web, path: str | None) -> None:
    says(
        web,
        {"type": "log", "message": "failed to start", "timestamp": "2024-01-01"},
        data_selector=path,
        paginator="single_page",
    )
    assert len(web.read()[0]["made"]) == 1


@pytest.mark.parametrize(
    ("beside", "headers", "sign"),
    [
        ({}, {"Content-Range": "0-6/50"}, 'Content-Range: "0-6/50"'),
        ({}, {"Content-Range": "items 0-6/8"}, 'Content-Range: "items 0-6/8"'),
        ({"_scroll_id": "x"}, {}, '_scroll_id: "x"'),
        ({"scrollId": "x"}, {}, 'scrollId: "x"'),
        ({"nextCursorMark": "x"}, {}, 'nextCursorMark: "x"'),
        ({"resumptionToken": "x"}, {}, 'resumptionToken: "x"'),
    ],
)
def test_a_part_of_the_rows_is_not_all(web: Web, beside: dict[str, str], headers: dict[str, str], sign: str) -> None:
    part = Answer({"items": ROWS} | beside, headers, HTTPStatus.PARTIAL_CONTENT if headers else HTTPStatus.OK)
    says(web, lambda _query: part, data_selector="items")
    if beside.keys() & {"nextCursorMark"}:
        # dlt takes it for a cursor, which the API ignores.
        assert "Its paginator, 'cursor', was guessed" in refused(web)
    else:
        assert f"says that more follows ({sign})" in refused(web)
    says(web, lambda _query: part, data_selector="items", paginator="single_page")
    assert len(ids(web)) == 7


@pytest.mark.parametrize(
    ("items", "beside", "headers"),
    [
        (ROWS, {}, {"Content-Range": "0-6/7"}),
        (ROWS, {}, {"Content-Range": "items 43-49/50"}),
        (ROWS, {}, {"Content-Range": "0-6/*"}),
        (ROWS, {}, {"Content-Range": "bytes 0-6/50"}),
        ([], {}, {"Content-Range": "*/0"}),
        ([], {"_scroll_id": "x"}, {}),
        (ROWS, {"_scroll_id": None}, {}),
    ],
)
def test_the_last_part_is_the_end(web: Web, items: list[Any], beside: dict[str, Any], headers: dict[str, str]) -> None:
    says(web, lambda _query: Answer({"items": items} | beside, headers), data_selector="items")
    assert len(ids(web)) == len(items)
