"""Totals and limits: what is announced and does not come is an error or a warning, and no raw text of dlt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.connectors.sources.rest.web import Answer, Web, ids, refused, says

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROWS = [{"id": number} for number in range(10)]
SELECTED = {"type": "offset", "limit": 4, "total_path": "total"}


def capped(most: int, *, rows: list[dict[str, int]] = ROWS, **beside: Any) -> Callable[[dict[str, str]], Answer]:
    """Returns at most so many rows, whatever the limit."""

    def answer(query: dict[str, str]) -> Answer:
        begin = int(query["offset"])
        found = rows[begin : begin + min(most, int(query["limit"]))]
        return Answer({"items": found, "has_more": begin + len(found) < len(rows)} | beside)

    return answer


@pytest.mark.parametrize(("most", "limit"), [(1, 2), (2, 4), (3, 4), (2, 100)])
@pytest.mark.parametrize(
    ("paginator", "beside"),
    [
        ({"total_path": "total"}, {"total": 10}),
        ({"total_path": "total"}, {"total": "10"}),
        ({"total_path": None, "has_more_path": "has_more"}, {}),
        ({"total_path": "total", "has_more_path": "has_more"}, {"total": 10}),
    ],
)
def test_an_api_that_returns_fewer_rows_than_the_limit_is_told(
    web: Web, most: int, limit: int, paginator: dict[str, Any], beside: dict[str, Any]
) -> None:
    paginator = {"type": "offset", "limit": limit} | paginator
    says(web, capped(most, **beside), data_selector="items", paginator=paginator)
    text = refused(web)
    assert f"with {most} rows although the paginator's 'limit' is {limit} and more follow: " in text
    assert f"Set 'limit: {most}' if the API returns at most so many" in text
    assert len(web.server.asked) == 1
    says(web, capped(most, **beside), data_selector="items", paginator=paginator | {"limit": most})
    assert len(ids(web)) == 10


@pytest.mark.parametrize("path", ["items[*]", "items[?(@.id > 0)]"])
def test_rows_that_are_chosen_from_a_list_are_compared_with_the_limit_before_that(web: Web, path: str) -> None:
    says(web, capped(2, total=10), data_selector=path, paginator=SELECTED)
    assert "with 2 rows although the paginator's 'limit' is 4" in refused(web)
    says(web, capped(4, total=10), data_selector=path, paginator=SELECTED)
    assert ids(web)[-9:] == list(range(1, 10))
    assert web.lines == []


def test_a_short_page_in_the_middle_is_told_when_rows_come_after_it(web: Web) -> None:
    rows = [{"id": 0}, {"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}]
    says(
        web,
        lambda query: Answer({"items": rows[: 1 if query["offset"] == "4" else 4], "total": 12}),
        data_selector="items",
        paginator=SELECTED,
    )
    assert "after a page with 1 rows although the paginator's 'limit' is 4" in refused(web)
    assert len(web.server.asked) == 3


def test_a_short_page_is_told_when_rows_come_after_an_empty_page_too(web: Web) -> None:
    pages = {"0": [{"id": 0}, {"id": 1}], "2": [{"id": 2}], "4": [], "6": [{"id": 6}, {"id": 7}]}
    says(
        web,
        lambda query: Answer({"items": pages[query["offset"]], "total": 8}),
        data_selector="items",
        paginator=SELECTED | {"limit": 2},
    )
    assert "after a page with 1 rows although the paginator's 'limit' is 2" in refused(web)


def test_who_declares_no_total_reads_an_api_that_hides_rows_with_a_warning(web: Web) -> None:
    visible = [each if each["id"] % 3 else None for each in ROWS]

    def answer(query: dict[str, str]) -> Answer:
        begin = int(query["offset"])
        return Answer({"items": [each for each in visible[begin : begin + 4] if each], "total": 10})

    says(web, answer, data_selector="items", paginator=SELECTED)
    assert "If it hides rows, set 'total_path: null' and no 'has_more_path'" in refused(web)
    says(web, answer, data_selector="items", paginator=SELECTED | {"total_path": None})
    web.lines.clear()
    assert ids(web) == [1, 2, 4, 5, 7, 8]
    assert [level for level, _ in web.lines] == ["warn"]
    assert "rows between the pages are left out" in web.lines[0][1]


@pytest.mark.parametrize("limit", [2, 3, 4, 5, 10, 11])
@pytest.mark.parametrize(
    "paginator", [{"total_path": "total"}, {"total_path": None}, {"total_path": "total", "offset": 4}]
)
def test_a_short_page_at_the_end_is_the_end(web: Web, limit: int, paginator: dict[str, Any]) -> None:
    says(
        web,
        capped(limit, total=10),
        data_selector="items",
        paginator={"type": "offset", "limit": limit} | paginator,
    )
    assert ids(web) == list(range(paginator.get("offset", 0), 10))
    assert web.lines == []


@pytest.mark.parametrize("total", [11, 13])
def test_a_total_that_is_not_reached_is_a_warning(web: Web, total: int) -> None:
    """Approximate, or some were deleted meanwhile."""
    says(web, capped(4, total=total), data_selector="items", paginator=SELECTED)
    assert len(ids(web)) == 10
    assert [level for level, _ in web.lines] == ["warn"]
    assert (
        f"10 of its total of {total} rows came. If its total means something else, set 'total_path: null'"
        in (web.lines[0][1])
    )


def test_an_empty_page_in_the_middle_is_passed_over_and_the_missing_rows_are_told(web: Web) -> None:
    says(
        web,
        lambda query: Answer(
            {"items": [] if query["offset"] == "4" else ROWS[int(query["offset"]) :][:2], "total": 10}
        ),
        data_selector="items",
        paginator=SELECTED | {"limit": 2},
    )
    assert len(ids(web)) == 8
    assert "8 of its total of 10 rows came" in web.lines[0][1]


def test_an_empty_page_in_the_middle_is_told_without_a_total_too(web: Web) -> None:
    def answer(query: dict[str, str]) -> Answer:
        begin = int(query["offset"])
        return Answer({"items": [] if begin == 4 else ROWS[begin:][:2], "more": begin < 8})

    paginator = {"type": "offset", "limit": 2, "total_path": None, "has_more_path": "more"}
    says(web, answer, data_selector="items", paginator=paginator)
    assert len(ids(web)) == 8
    assert [level for level, _ in web.lines] == ["warn"]
    assert "after a page with 0 rows although the paginator's 'limit' is 2" in web.lines[0][1]


def test_a_short_page_of_numbered_pages_is_told_where_the_total_counts_rows(web: Web) -> None:
    def answer(query: dict[str, str]) -> Answer:
        number = int(query["page"])
        return Answer({"items": ROWS[number * 3 : number * 3 + (1 if number == 1 else 3)], "total": 10})

    says(web, answer, data_selector="items", paginator="page_number")
    assert len(ids(web)) == 8
    assert [level for level, _ in web.lines] == ["warn"]
    assert "8 of its total of 10 rows came" in web.lines[0][1]


def test_a_total_without_any_row_is_an_error(web: Web) -> None:
    says(web, {"items": [], "total": 10}, data_selector="items", paginator=SELECTED)
    assert "without rows, although its total is 10. If its total means something else, set 'total_path: null'" in (
        refused(web)
    )
    says(web, {"items": [], "total": 10}, data_selector="items", paginator=SELECTED | {"total_path": None})
    assert ids(web) == []
    says(web, {"items": [], "total": 0}, data_selector="items", paginator=SELECTED)
    assert ids(web) == []


def test_whoever_ends_the_offsets_is_told_of_no_missing_rows(web: Web) -> None:
    says(web, capped(4, total=10), data_selector="items", paginator=SELECTED | {"maximum_offset": 8})
    assert len(ids(web)) == 8
    assert web.lines == []


@pytest.mark.parametrize("total", [{"total": 40}, {}])
def test_an_api_that_ignores_the_limit_repeats_no_rows(web: Web, total: dict[str, int]) -> None:
    many = [{"id": number} for number in range(40)]
    says(
        web,
        lambda query: Answer({"items": many[int(query["offset"]) :][:10]} | total),
        data_selector="items",
        paginator=SELECTED | ({} if total else {"total_path": None}),
    )
    assert "with 10 rows although the paginator's 'limit' is 4: the next page would begin with rows of this" in (
        refused(web)
    )


def test_an_api_that_returns_everything_at_once_is_read_once(web: Web) -> None:
    says(web, {"items": ROWS, "total": 10}, data_selector="items", paginator=SELECTED)
    assert len(ids(web)) == 10
    assert len(web.server.asked) == 1


def test_rows_of_rows_have_another_number_than_the_limit(web: Web) -> None:
    """The API counts orders, of which each has as many lines as its number."""

    def answer(query: dict[str, str]) -> Answer:
        orders = [{"lines": [{"id": line} for line in range(each["id"])]} for each in ROWS]
        begin = int(query["offset"])
        return Answer({"orders": orders[begin : begin + 4], "total": 10})

    says(web, answer, data_selector="orders[*].lines[*]", paginator=SELECTED)
    assert len(ids(web)) == sum(range(10))
    assert web.lines == []


def test_the_fields_of_elements_have_the_number_of_the_elements(web: Web) -> None:
    """As of Elasticsearch; some hits have no source."""
    hits = [{"_source": {"id": number}} if number % 2 else {} for number in range(10)]
    says(
        web,
        lambda query: Answer({"hits": hits[int(query["offset"]) :][:4], "total": 10}),
        data_selector="hits[*]._source",
        paginator=SELECTED,
    )
    assert ids(web) == [1, 3, 5, 7, 9]
    assert web.lines == []


@pytest.mark.parametrize("total", ["pages", "total"])
@pytest.mark.parametrize("base", [0, 1])
def test_pages_counted_from_another_number_are_told(web: Web, base: int, total: str) -> None:
    """The API counts from 1 if `base` is 0, and the other way round."""

    def answer(query: dict[str, str]) -> Answer:
        begin = (int(query["page"]) - (1 - base)) * 4
        return Answer({"items": ROWS[begin : begin + 4] if begin >= 0 else [], total: 3})

    paginator = {"type": "page_number", "base_page": base, "total_path": total}
    says(web, answer, data_selector="items", paginator=paginator)
    assert f"set 'base_page: {1 - base}' if the API counts pages from {1 - base}" in refused(web)
    says(web, answer, data_selector="items", paginator=paginator | {"base_page": 1 - base})
    assert len(ids(web)) == 10


def test_a_last_page_that_is_gone_meanwhile_is_no_error(web: Web) -> None:
    def answer(query: dict[str, str]) -> Answer:
        rows = {"1": ROWS[:4], "2": ROWS[4:8]}.get(query["page"], [])
        return Answer({"items": rows, "pages": 3 if rows else 2})

    says(web, answer, data_selector="items", paginator={"type": "page_number", "base_page": 1, "total_path": "pages"})
    assert len(ids(web)) == 8


@pytest.mark.parametrize(
    ("paginator", "parameter"),
    [
        ({"type": "offset", "limit": 4}, "offset"),
        ({"type": "offset", "limit": 4, "stop_after_empty_page": False}, "offset"),
        ({"type": "page_number"}, "page"),
    ],
)
@pytest.mark.parametrize("later", [{}, {"total": None}])
def test_a_total_that_only_the_first_response_has_is_kept(
    web: Web, paginator: dict[str, Any], parameter: str, later: dict[str, Any]
) -> None:
    def answer(query: dict[str, str]) -> Answer:
        begin = int(query[parameter]) * (1 if parameter == "offset" else 4)
        total = {"total": 10 if parameter == "offset" else 3}
        return Answer({"items": ROWS[begin : begin + 4]} | (later if begin else total))

    says(web, answer, data_selector="items", paginator=paginator)
    assert len(ids(web)) == 10
    assert len(web.server.asked) == 3


@pytest.mark.parametrize(
    ("paginator", "beside", "wrong"),
    [
        ({"total_path": "page.total"}, {}, "'total_path' 'page.total' does not exist: the response has the keys "),
        ({"total_path": "total"}, {"total": None}, "'total_path' 'total' is null: the response has the keys "),
        (
            {"total_path": "hits.total"},
            {"hits": {"total": {"value": 10, "relation": "eq"}}},
            "'total_path' 'hits.total' leads to {\"value\":10,\"relation\":\"eq\"}, which is not a number",
        ),
        ({"total_path": "total"}, {"total": "ten"}, 'leads to "ten", which is not a number. Correct the path'),
        ({"total_path": None, "has_more_path": "more"}, {}, "'has_more_path' 'more' does not exist: the response has"),
        ({"total_path": None, "has_more_path": "more"}, {"more": 5}, "leads to 5, which is not true or false"),
    ],
)  # fmt: skip
def test_a_total_that_is_not_there_is_told_without_the_rows(
    web: Web, paginator: dict[str, Any], beside: dict[str, Any], wrong: str
) -> None:
    body = {"items": [{"id": 1, "name": "of a person"}] * 4} | beside
    says(web, body, data_selector="items", paginator={"type": "offset", "limit": 4} | paginator)
    text = refused(web)
    assert wrong in text
    assert "of a person" not in text
    assert "Paginator" not in text


def test_a_later_page_that_does_not_say_whether_more_follow_is_tried_again(web: Web) -> None:
    def answer(query: dict[str, str]) -> Answer:
        return Answer({"items": ROWS[:4]} | ({"more": True} if "at" not in query else {}) | {"next": "2"})

    paginator = {"type": "cursor", "cursor_path": "next", "cursor_param": "at", "has_more_path": "more"}
    says(web, answer, data_selector="items", paginator=paginator)
    assert "'has_more_path' 'more' does not exist" in refused(web, for_good=False)
