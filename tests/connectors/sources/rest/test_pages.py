"""Pages that come again, that nobody asks for, or that are empty: none is lost, and the reading has an end."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.connectors.sources.rest.web import Answer, Web, ids, refused, says

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROWS = [{"id": number} for number in range(1, 8)]


@pytest.mark.parametrize(
    "paginator",
    [
        {"type": "cursor", "cursor_path": "next", "cursor_param": "after"},
        {"type": "json_link", "next_url_path": "link"},
        "header_link",
        {"type": "header_cursor", "cursor_key": "X-Next", "cursor_param": "after"},
        {"type": "offset", "limit": 0, "total_path": None},
    ],
)
@pytest.mark.timeout(60)
def test_a_page_that_comes_again_ends_the_reading(web: Web, paginator: Any) -> None:
    numbers = iter(range(1000))

    def answer(_query: dict[str, str]) -> Answer:
        link = "/rows?after=abc"
        headers = {"Link": f'<{web.server.url}{link}>; rel="next"', "X-Next": "abc"}
        return Answer({"items": [{"id": next(numbers)}], "next": "abc", "link": link}, headers)

    says(web, answer, data_selector="items", paginator=paginator)
    assert "has already been read, so reading would never end: GET http://" in refused(web)
    assert len(web.server.asked) <= 2
    assert not web.run().committed, "nor is the page loaded that leads back"


@pytest.mark.timeout(60)
def test_a_page_that_comes_again_after_another_ends_the_reading(web: Web) -> None:
    following = {"": "a", "a": "b", "b": "a"}
    says(
        web,
        lambda query: Answer({"items": [{"id": query.get("after", "")}], "next": following[query.get("after", "")]}),
        data_selector="items",
        paginator={"type": "cursor", "cursor_path": "next", "cursor_param": "after"},
    )
    assert "has already been read, so reading would never end: GET http://" in refused(web)
    assert len(web.server.asked) == 3
    assert not web.run().committed


def test_a_page_that_comes_again_by_a_paginator_that_nobody_declared_is_told_so(web: Web) -> None:
    """Any name that begins with `next` is one of a cursor to dlt."""
    says(web, {"items": ROWS[:3], "schedule": {"next": "2026-01-01"}}, data_selector="items")
    assert "Its paginator, 'cursor', was guessed: declare the resource's 'paginator' (one of " in refused(web)
    says(web, {"items": ROWS[:3], "schedule": {"next": "2026-01-01"}}, data_selector="items", paginator="single_page")
    assert ids(web) == [1, 2, 3]


def test_bodies_that_differ_are_other_pages(web: Web) -> None:
    web.server.answers["/rows"] = lambda body: Answer(
        {"items": [{"id": body["at"] or 0}], "at": (body["at"] or 0) + 1 if (body["at"] or 0) < 3 else None}
    )
    endpoint = {
        "path": "rows",
        "method": "POST",
        "json": {"at": None},
        "data_selector": "items",
        "paginator": {"type": "cursor", "cursor_path": "at", "cursor_body_path": "at"},
    }
    web.resources = [{"name": "orders", "endpoint": endpoint}]
    assert ids(web) == [0, 1, 2, 3]


def test_an_api_that_ignores_the_page_that_dlt_guesses_is_told(web: Web) -> None:
    """It guesses that pages are counted from zero where it sees their number."""
    says(web, {"items": ROWS[:3], "pages": 3, "total": 9, "page": 1}, data_selector="items")
    text = refused(web)
    assert (
        "with the same rows as the previous page: the API seems to ignore the parameter that asks for the next" in text
    )
    assert "Its paginator, 'page_number', was guessed: declare the resource's 'paginator' (one of json_link, " in text


ALIKE = [{"id": 0, "at": 1}, {"id": 1, "at": 2}]


def without_numbers(query: dict[str, str]) -> Any:
    """The same rows whatever is asked for, with a new token and a new link each time."""
    number = int(query.get("n", query.get("offset", query.get("page", 0)))) + 1
    headers = {"Link": f'</rows?n={number}>; rel="next"', "X-Next": str(number)}
    return {"next": str(number), "link": f"/rows?n={number}"}, headers


EVERY_KIND: list[Any] = [
    {"type": "cursor", "cursor_path": "next", "cursor_param": "n"},
    {"type": "json_link", "next_url_path": "link"},
    "header_link",
    {"type": "header_cursor", "cursor_key": "X-Next", "cursor_param": "n"},
    {"type": "offset", "limit": 2, "total_path": None},
    {"type": "page_number", "total_path": None},
]


@pytest.mark.parametrize("paginator", EVERY_KIND)
@pytest.mark.parametrize("rows", [ALIKE, ALIKE[:1], [{"_id": 1}, {"_id": 2}], [{"sku": "a"}, {"sku": "b"}]])
@pytest.mark.timeout(60)
def test_an_api_that_ignores_the_page_of_a_declared_paginator_is_told(web: Web, paginator: Any, rows: Any) -> None:
    def answer(query: dict[str, str]) -> Answer:
        beside, headers = without_numbers(query)
        return Answer({"items": rows} | beside, headers)

    says(web, answer, data_selector="items", paginator=paginator)
    web.resources[0]["primary_key"] = "sku" if "sku" in rows[0] else []
    assert "with the same rows as the previous page: the API seems to ignore the parameter" in refused(web)
    assert len(web.server.asked) == 2
    assert web.run().committed == []


@pytest.mark.timeout(60)
def test_an_offset_that_the_api_ignores_doubles_no_rows(web: Web) -> None:
    paginator = {"type": "offset", "limit": 2, "total_path": "total"}
    says(web, {"items": ALIKE, "total": 5}, data_selector="items", paginator=paginator)
    assert "with the same rows as the previous page" in refused(web)


@pytest.mark.parametrize("paginator", EVERY_KIND[:4])
@pytest.mark.parametrize("rows", [ALIKE, [{"value": 0}, {"value": 1}]])
@pytest.mark.timeout(60)
def test_tokens_that_lead_in_a_circle_end_the_reading(web: Web, paginator: Any, rows: list[Any]) -> None:
    """From A to B and back to A."""

    def answer(query: dict[str, str]) -> Answer:
        following = "A" if query.get("n") == "B" else "B"
        headers = {"Link": f'</rows?n={following}>; rel="next"', "X-Next": following}
        beside = {"next": following, "link": f"/rows?n={following}"}
        return Answer({"items": rows if following == "B" else [{"id": 7}, {"id": 8}]} | beside, headers)

    says(web, answer, data_selector="items", paginator=paginator)
    assert "has already been read, so reading would never end" in refused(web)
    assert len(web.server.asked) == 3
    assert web.run().committed == []


@pytest.mark.parametrize("paginator", EVERY_KIND[:4])
@pytest.mark.timeout(60)
def test_new_tokens_that_lead_in_a_circle_end_the_reading(web: Web, paginator: Any) -> None:
    def answer(query: dict[str, str]) -> Answer:
        beside, headers = without_numbers(query)
        rows = [ALIKE, [{"id": 7}, {"id": 8}], [{"id": 9}, {"id": 8}]][int(query.get("n", 0)) % 3]
        return Answer({"items": rows} | beside, headers)

    says(web, answer, data_selector="items", paginator=paginator)
    assert "with the same rows as an earlier page: the API seems to ignore the parameter" in refused(web)
    assert len(web.server.asked) == 4


def test_parameters_in_another_order_ask_for_the_same_page(web: Web) -> None:
    following = {"0": "/rows?p=1&x=1", "1": "/rows?p=2&x=1", "2": "/rows?x=1&p=1"}
    numbers = iter(range(1000))
    says(
        web,
        lambda query: Answer({"items": [{"id": next(numbers)}], "next": following[query.get("p", "0")]}),
        data_selector="items",
        paginator={"type": "json_link", "next_url_path": "next"},
    )
    assert "has already been read, so reading would never end" in refused(web)


@pytest.mark.parametrize("paginator", EVERY_KIND[:4])
@pytest.mark.timeout(60)
def test_empty_pages_without_an_end_are_told_whatever_leads_to_the_next(web: Web, paginator: Any) -> None:
    def answer(query: dict[str, str]) -> Answer:
        beside, headers = without_numbers(query)
        return Answer({"items": [] if "n" in query else ROWS} | beside, headers)

    says(web, answer, data_selector="items", paginator=paginator)
    text = refused(web)
    assert "without rows, like the 99 pages before it, and there is a next page again. Check the resource's" in text
    assert len(web.server.asked) == 101


def test_empty_pages_before_rows_are_passed_over_by_tokens(web: Web) -> None:
    says(
        web,
        lambda query: Answer(
            {"items": ROWS if query.get("n") == "99" else []}
            | ({} if query.get("n") == "99" else {"next": str(int(query.get("n", 0)) + 1)})
        ),
        data_selector="items",
        paginator=EVERY_KIND[0],
    )
    assert len(ids(web)) == 7


@pytest.mark.parametrize("rows", [[{"value": 0}] * 3, [{"value": 1}, {"value": 2}]])
@pytest.mark.timeout(60)
def test_equal_pages_of_rows_without_a_key_end_after_a_hundred(web: Web, rows: list[Any]) -> None:
    def answer(query: dict[str, str]) -> Answer:
        beside, headers = without_numbers(query)
        return Answer({"items": rows} | beside, headers)

    says(web, answer, data_selector="items", paginator=EVERY_KIND[0])
    assert "with the same rows as the previous page" in refused(web)
    assert len(web.server.asked) == 100
    warnings = [message for level, message in web.lines if level == "warn"]
    assert len(warnings) == (rows[0] != rows[-1]), "rows that are all alike say nothing"


@pytest.mark.parametrize(
    ("pages", "declared"),
    [
        ([[{"value": 0}] * 3, [{"value": 0}] * 3, [{"value": 1}]], True),
        ([[{"value": 0}, {"value": 1}], [{"value": 0}, {"value": 1}], [{"value": 0}]], True),
        ([[{"id": 7, "value": 0}] * 2, [{"id": 7, "value": 0}] * 2, [{"id": 7, "value": 0}]], True),
        ([[{"value": 0}] * 2, [{"value": 1}], [{"value": 1}], [{"value": 2}]], False),
        ([[{}, {}], [{}, {}], [{"value": 1}]], False),
    ],
)
def test_pages_of_rows_without_a_key_may_be_equal(web: Web, pages: list[Any], *, declared: bool) -> None:
    def answer(query: dict[str, str]) -> Answer:
        at = int(query.get("at", 0))
        return Answer({"items": pages[at]} | ({"next": f"/rows?at={at + 1}"} if at + 1 < len(pages) else {}))

    paginator = {"type": "json_link", "next_url_path": "next"} if declared else None
    says(web, answer, data_selector="items", paginator=paginator)
    assert web.read()[0]["made"] == [row for page in pages for row in page]


@pytest.mark.parametrize(
    ("beside", "headers", "sign"),
    [
        ({"has_more": True, "last_id": "3"}, {}, "has_more: true"),
        ({"meta": {"hasNextPage": True, "endCursor": "x"}}, {}, "meta.hasNextPage: true"),
        ({"last": False, "number": 0}, {}, "last: false"),
        ({"nextLevel": "", "has_more": True}, {}, "has_more: true"),
        ({"@odata.nextLink": "https://example.com/rows?page=2"}, {}, "@odata.nextLink: "),
        ({"paging": {"next": {"after": "3"}}}, {}, 'paging.next: {"after":"3"}'),
        ({"offset": "itr23sd"}, {}, 'offset: "itr23sd"'),
        ({"pagination": {"cursor": "abc"}}, {}, 'pagination.cursor: "abc"'),
        ({"page": 1, "page_count": 3}, {}, "page_count: 3"),
        ({"total": 7, "limit": 3, "skip": 0}, {}, "total: 7"),
        ({"total_count": 7, "count": 3}, {}, "total_count: 7"),
        ({"a": {"b": {"c": {"pageInfo": {"hasNextPage": True}}}}}, {}, "a.b.c.pageInfo.hasNextPage: true"),
        ({}, {"X-Next-Page": "2"}, 'X-Next-Page: "2"'),
        ({}, {"X-Total-Pages": "3"}, 'X-Total-Pages: "3"'),
    ],
)
def test_one_page_is_not_all_where_the_answer_says_that_more_follow(
    web: Web, beside: dict[str, Any], headers: dict[str, str], sign: str
) -> None:
    says(web, lambda _query: Answer({"items": ROWS[:3]} | beside, headers), data_selector="items")
    text = refused(web)
    assert f"says that more follows ({sign}" in text
    assert "'paginator: single_page' if you want only one page" in text
    says(
        web,
        lambda _query: Answer({"items": ROWS[:3]} | beside, headers),
        data_selector="items",
        paginator="single_page",
    )
    assert ids(web) == [1, 2, 3]


@pytest.mark.parametrize(
    "beside",
    [
        {"has_more": False, "last_id": "3", "cursor": "x"},
        {"next": None, "next_page": "", "offset": 0, "total": 3, "limit": 3},
        {"last": True, "number": 0},
        {"paging": {"cursors": {"before": "a", "after": "b"}}, "links": {"self": "/rows", "next": None}},
        {"page": 1, "page_count": 1, "total": 129, "quantity": 3},
        {"next_billing": {"at": "2024-01-01"}, "done": False},
        {"count": 3, "total": 130, "title": "a basket"},
    ],
)
def test_one_page_is_all_where_nothing_says_that_more_follow(web: Web, beside: dict[str, Any]) -> None:
    says(web, {"items": ROWS[:3]} | beside, data_selector="items")
    assert ids(web) == [1, 2, 3]


@pytest.mark.parametrize(
    "paginator",
    [{"type": "cursor", "cursor_path": "nxt"}, {"type": "json_link", "next_url_path": "links.next"}, "header_link"],
)
def test_a_paginator_that_looks_in_the_wrong_place_is_told(web: Web, paginator: Any) -> None:
    says(web, {"items": ROWS[:3], "paging": {"next_cursor": "3"}}, data_selector="items", paginator=paginator)
    text = refused(web)
    assert re.search(
        r"says that more follows \(paging.next_cursor: \S+\), but the paginator '\w+' found no next page, ", text
    )
    assert "so only one page would be read: correct it, or declare the resource's 'paginator'" in text


@pytest.mark.parametrize(
    ("paginator", "body"),
    [
        (
            {"type": "json_link", "next_url_path": "links.next"},
            {"links": {"next": None}, "schedule": {"next": "2026-01-01"}},
        ),
        ({"type": "json_link", "next_url_path": "links.next"}, {"links": {"next": ""}, "next": "2026-01-01"}),
        ({"type": "cursor", "cursor_path": "paging.next_cursor"}, {"paging": {"next_cursor": None}, "cursor": "arrow"}),
        ({"type": "cursor", "cursor_path": "paging.next_cursor"}, {"paging": {"next_cursor": ""}, "next": "season 2"}),
        ({"type": "cursor", "cursor_path": "paging.next_cursor"}, {"user": {"cursor": "arrow"}, "has_more": False}),
        (
            {"type": "cursor", "cursor_path": "paging.next_cursor"},
            {"settings": {"continue": True}, "total": 7, "count": 3},
        ),
        (
            {"type": "json_link", "next_url_path": "links.next"},
            {"schedule": {"next": "2026-01-01"}, "page": 0, "pages": 2},
        ),
        ({"type": "json_link", "next_url_path": "links.next"}, {"links": {"self": "/rows"}, "plan": {"next_id": 5}}),
    ],
)
def test_one_page_is_all_where_the_declared_paginator_finds_no_other(
    web: Web, paginator: dict[str, str], body: dict[str, Any]
) -> None:
    says(web, {"items": ROWS[:3]} | body, data_selector="items", paginator=paginator)
    assert ids(web) == [1, 2, 3]


@pytest.mark.parametrize(
    ("paginator", "headers"),
    [
        ("header_link", {"Link": '</rows?page=1>; rel="last"'}),
        ({"type": "header_cursor", "cursor_key": "X-Cursor", "cursor_param": "at"}, {"X-Cursor": ""}),
    ],
)
def test_one_page_is_all_where_the_header_of_the_declared_paginator_says_so(
    web: Web, paginator: Any, headers: dict[str, str]
) -> None:
    says(
        web,
        lambda _query: Answer({"items": ROWS[:3], "next": "season 2"}, headers),
        data_selector="items",
        paginator=paginator,
    )
    assert ids(web) == [1, 2, 3]


def test_the_only_element_of_a_list_is_no_object_that_is_the_only_row(web: Web) -> None:
    says(web, {"items": ROWS[:1], "has_more": True}, data_selector="items[*]")
    assert "says that more follows (has_more: true)" in refused(web)


@pytest.mark.parametrize("paginator", [None, {"type": "cursor", "cursor_path": "paging.next_cursor"}])
def test_no_page_follows_an_object_that_is_the_only_row(web: Web, paginator: Any) -> None:
    says(
        web,
        {"data": {"id": 1, "cursor": "arrow"}, "has_more": True, "meta": {"continuation": 5}},
        data_selector="data",
        paginator=paginator,
    )
    assert ids(web) == [1]


def test_rows_that_a_filter_leaves_out_are_not_on_a_page_that_follows(web: Web) -> None:
    says(web, {"items": ROWS, "totalCount": 7}, data_selector="items[?(@.id < 4)]")
    assert ids(web) == [1, 2, 3]


@pytest.mark.parametrize("following", [{"id": 8}, {"url": "/rows?id=8"}, "/rows?id=8", "8"])
@pytest.mark.parametrize("path", ["data", None])
def test_what_the_only_row_itself_calls_next_is_no_page(web: Web, path: str | None, following: Any) -> None:
    says(web, {"data": {"id": 7, "next": following}}, data_selector=path)
    assert web.read()[0]["made"] == [{"id": 7, "next": following} if path else {"data": {"id": 7, "next": following}}]
    assert len(web.server.asked) == 1


@pytest.mark.parametrize(
    ("paginator", "beside"),
    [
        ({"type": "page_number", "base_page": 1, "total_path": "pages"}, {"pages": 4}),
        ({"type": "page_number", "base_page": 1, "total_path": "pages", "stop_after_empty_page": True}, {"pages": 4}),
        ({"type": "offset", "limit": 2, "offset_param": "from", "total_path": "total"}, {"total": 8}),
        ({"type": "page_number", "base_page": 1, "total_path": None, "has_more_path": "more"}, None),
    ],
)
def test_an_empty_page_is_passed_over_where_more_are_announced(
    web: Web, paginator: Any, beside: dict[str, Any] | None
) -> None:
    def answer(query: dict[str, str]) -> Answer:
        number = int(query["page"]) if "page" in query else int(query["from"]) // 2 + 1
        rows = {1: ROWS[:2], 2: [], 3: [], 4: ROWS[2:3]}.get(number, [])
        told = {"more": number < 4} if beside is None else beside if number != 3 else {}
        return Answer({"items": rows} | told)

    says(web, answer, data_selector="items", paginator=paginator)
    assert ids(web) == [1, 2, 3]
    assert len(web.server.asked) == 4


@pytest.mark.parametrize("total", [{"total": 7}, {}])
def test_an_empty_page_is_the_end_where_all_rows_have_come_or_nothing_is_announced(
    web: Web, total: dict[str, int]
) -> None:
    """A total of rows instead of pages, and an empty answer that has no total."""

    def answer(query: dict[str, str]) -> Answer:
        begin = int(query["page"]) * 3
        return Answer({"items": ROWS[begin : begin + 3]} | ({"total": 7} if ROWS[begin:] else total))

    says(web, answer, data_selector="items", paginator={"type": "page_number", "total_path": "total"})
    assert len(ids(web)) == 7
    assert len(web.server.asked) == 4


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("hidden", [1, 3])
def test_a_total_of_rows_of_which_some_never_come_ends_with_the_last_page(web: Web, hidden: int, base: int) -> None:
    def answer(query: dict[str, str]) -> Answer:
        begin = (int(query["page"]) - base) * 4
        return Answer(
            {"items": [{"id": number} for number in range(12)][begin : min(begin + 4, 12 - hidden)], "total": 12}
        )

    says(web, answer, data_selector="items", paginator={"type": "page_number", "base_page": base})
    assert len(ids(web)) == 12 - hidden
    assert len(web.server.asked) == 4


def test_a_total_of_rows_that_shrinks_meanwhile_ends_with_the_last_page(web: Web) -> None:
    def answer(query: dict[str, str]) -> Answer:
        pages = {"0": [1, 2, 3, 4], "1": [5, 6, 7, 8], "2": [9, 10, 11, 12]}
        rows = [{"id": number} for number in pages.get(query["page"], [])]
        return Answer({"items": rows, "total": 12 if rows else 11})

    says(web, answer, data_selector="items", paginator={"type": "page_number"})
    assert len(ids(web)) == 12
    assert len(web.server.asked) == 4


def test_a_filter_asks_for_no_more_pages(web: Web) -> None:
    def answer(query: dict[str, str]) -> Answer:
        begin = int(query["page"]) * 4
        rows = [{"id": number, "open": number == 5} for number in range(12)]
        return Answer({"items": rows[begin : begin + 4], "total": 12})

    says(web, answer, data_selector="items[?(@.open == true)]", paginator={"type": "page_number"})
    assert ids(web) == [5]
    assert len(web.server.asked) == 3


def test_pages_that_are_empty_because_all_of_their_rows_are_hidden_end_with_a_warning(web: Web) -> None:
    says(
        web,
        lambda query: Answer({"items": ROWS[:3] if query["page"] == "0" else [], "total": 12}),
        data_selector="items",
        paginator={"type": "page_number"},
    )
    assert ids(web) == [1, 2, 3]
    assert len(web.server.asked) == 4
    assert [level for level, _ in web.lines] == ["warn"]
    assert "its total of 12 seems to count rows, not all of which came" in web.lines[0][1]


@pytest.mark.parametrize(("total", "asked"), [("total", 4), ("total_pages", 101)])
def test_empty_pages_without_an_end_are_told(web: Web, total: str, asked: int) -> None:
    """A total that may be one of rows as well is given up sooner."""
    says(
        web,
        lambda query: Answer({"items": ROWS[:3] if query["page"] == "0" else [], total: 10**9}),
        data_selector="items",
        paginator={"type": "page_number", "total_path": total},
    )
    assert "although more are announced" in refused(web)
    assert len(web.server.asked) == asked


def test_as_many_rows_as_there_are_pages_are_not_all(web: Web) -> None:
    def answer(query: dict[str, str]) -> Answer:
        rows = {"0": ROWS[:4], "3": ROWS[4:]}.get(query["page"], [])
        return Answer({"items": rows, "total_pages": 4})

    says(web, answer, data_selector="items", paginator={"type": "page_number", "total_path": "total_pages"})
    assert len(ids(web)) == 7
