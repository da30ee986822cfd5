"""What vendors write of pages that follow, and what others write of something else by the same names."""

from __future__ import annotations

from typing import Any

import pytest

from app.connectors.sources.rest.following import sign_of_more

TEN = [{"id": number} for number in range(10)]


@pytest.mark.parametrize(
    ("body", "selector", "sign"),
    [
        ({"object": "list", "data": TEN, "has_more": True}, "data", "has_more"),  # Stripe
        ({"items": TEN, "response_metadata": {"next_cursor": "x="}}, "items", "response_metadata.next_"),  # Slack
        ({"results": TEN, "paging": {"next": {"after": "10"}}}, "results", "paging.next"),  # HubSpot
        ({"users": TEN, "meta": {"has_more": True}, "links": {"next": "/users?page=2"}}, "users", "meta.has_more"),
        ({"users": TEN, "links": {"prev": None, "next": "/users?page=2"}}, "users", "links.next"),  # Zendesk
        ({"data": TEN, "links": {"next": {"href": "/?page=2"}}}, "data", "links.next"),  # JSON:API
        ({"_embedded": {"a": TEN}, "_links": {"next": {"href": "/?page=2"}}}, "_embedded.a", "_links.next"),  # HAL
        ({"count": 123, "next": "/?page=2", "previous": None, "results": TEN}, "results", "next"),  # DRF
        ({"value": TEN, "@odata.nextLink": "/?$skip=10"}, "value", "@odata.nextLink"),
        ({"d": {"results": TEN, "__next": "/?$skip=10"}}, "d.results", "d.__next"),  # OData 2
        ({"items": TEN, "nextPageToken": "x"}, "items", "nextPageToken"),  # Google
        ({"records": TEN, "done": False, "nextRecordsUrl": "/query/2"}, "records", "nextRecordsUrl"),  # Salesforce
        ({"records": TEN, "offset": "itr23sd"}, "records", "offset"),  # Airtable
        ({"data": TEN, "info": {"more_records": True, "page": 1}}, "data", "info.more_records"),  # Zoho
        ({"data": {"list": TEN, "cursor": "abc"}}, "data.list", "data.cursor"),
        ({"data": {"shop": {"orders": {"nodes": TEN, "pageInfo": {"hasNextPage": True}}}}}, "data.shop.orders.nodes",
         "data.shop.orders.pageInfo.hasNextPage"),
        ({"entry": TEN, "link": [{"relation": "next", "url": "/?page=2"}]}, "entry", "link"),  # FHIR
        ({"items": TEN, "links": [{"rel": "next", "href": "/?page=2"}]}, "items", "links"),
        ({"items": TEN, "has_more": "true"}, "items", "has_more"),
        ({"items": TEN, "hasMore": 1}, "items", "hasMore"),
        ({"Items": TEN, "LastEvaluatedKey": {"id": {"N": "9"}}}, "Items", "LastEvaluatedKey"),  # DynamoDB
        ({"query": {"pages": TEN}, "continue": {"rccontinue": "20|1"}}, "query.pages", "continue"),  # MediaWiki
    ],
)  # fmt: skip
def test_a_link_a_token_or_a_word_says_that_more_follow(body: dict[str, Any], selector: str, sign: str) -> None:
    for counted in (True, False):
        assert str(sign_of_more(body, {}, 10, selector=selector, counted=counted)).startswith(sign)


@pytest.mark.parametrize(
    ("body", "selector", "sign"),
    [
        ({"startAt": 0, "maxResults": 10, "total": 25, "issues": TEN}, "issues", "total"),  # Jira
        ({"hits": {"total": {"value": 25, "relation": "eq"}, "hits": TEN}}, "hits.hits", "hits.total.value"),
        ({"hits": {"total": 25, "hits": TEN}}, "hits.hits.[*]._source", "hits.total"),  # Elasticsearch
        ({"content": TEN, "page": {"size": 10, "totalPages": 3, "number": 0}}, "content", "page.totalPages"),  # Spring
        ({"content": TEN, "totalPages": 3, "number": 0}, "content", "totalPages"),
        ({"data": TEN, "meta": {"pagination": {"page": 1, "pageCount": 3}}}, "data", "meta.pagination.pageCount"),
        ({"items": TEN, "total": 120}, "items", "total"),
        ({"items": TEN, "total": 120, "page": 1, "status": "ok"}, "items", "total"),
        ({"items": TEN, "count": 120}, "items", "count"),
        ({"items": TEN, "paging": {"count": 120}}, "items", "paging.count"),
        ({"items": TEN, "meta": {"total": 120}}, "items", "meta.total"),
        ({"value": TEN, "@odata.count": 25}, "value", "@odata.count"),
        ({"items": TEN, "totalCount": 25}, "items", "totalCount"),
        ({"items": TEN, "meta": {"total_results": 25}}, "items", "meta.total_results"),
        ({"result": {"records": TEN, "limit": 10, "total": 25}}, "result.records", "result.total"),  # CKAN
        ({"result": TEN, "result_info": {"page": 1, "per_page": 10, "total_pages": 3}}, "result", "result_info.total_"),
    ],
)
def test_a_number_says_that_more_follow_unless_a_paginator_is_declared(
    body: dict[str, Any], selector: str, sign: str
) -> None:
    assert str(sign_of_more(body, {}, 10, selector=selector)).startswith(sign)
    assert sign_of_more(body, {}, 10, selector=selector, counted=False) is None


@pytest.mark.parametrize(
    ("headers", "counted"),
    [
        ({"Link": '</products.json?page_info=x>; rel="previous", </products.json?page_info=y>; rel="next"'}, False),
        ({"X-Next-Page": "2"}, False),
        ({"X-Total-Count": "11"}, True),
        ({"X-Total": "11"}, True),
        ({"X-WP-TotalPages": "2"}, True),
    ],
)
def test_a_header_says_that_more_follow(headers: dict[str, str], *, counted: bool) -> None:
    assert sign_of_more(TEN, headers, 10, selector="$")
    assert bool(sign_of_more(TEN, headers, 10, selector="$", counted=False)) is not counted


@pytest.mark.parametrize(
    "beside",
    [
        {"settings": {"continue": True}},
        {"video": {"truncated": True}},
        {"config": {"offset": "+02:00"}},
        {"user": {"cursor": "arrow", "meta": {"next": "x"}}},
        {"plan": {"seats": {"total": 50, "limit": 10}}},
        {"schedule": {"next": "2026-01-01"}},
        {"meta": {"next_id": "", "next": None, "nextCursor": 0}},
        {"links": {"next": {"href": None}}},
        {"page": 0, "pages": 1},
        {"page": {"size": 10, "totalPages": 1, "totalElements": 10, "number": 0}},
        {"number": 3, "pages": 300},
        {"hits": {"total": 25}},
        {"meta": {"has_more": False, "next_cursor": "x"}},
        {"total": 25, "title": "a basket"},
        {"total": 25, "quantity": 10},
        {"order": {"total": 25, "count": 25}},
        {"count": 10},
        {"links": [{"rel": "self", "href": "/"}, {"rel": "next", "href": None}]},
        {"has_more": "false"},
        {"has_more": 0},
        {"totalCount": 10},
        {"cart": {"totalItems": 25}},
    ],
)
def test_the_same_names_elsewhere_say_nothing(beside: dict[str, Any]) -> None:
    assert sign_of_more({"items": TEN} | beside, {}, 10, selector="items") is None
