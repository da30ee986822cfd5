"""What a catalogue may say of an API: each mistake is named by its key and line, and no secret is repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from app.config.reader import load_catalogue
from app.connectors.dlt.runtime import translate_errors
from app.connectors.sources.rest.casting import cast_texts
from app.connectors.sources.rest.validation import InvalidConfigError, check_config
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

# dlt and what it stands on warn of their own future.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CATALOGUE = """
sources:
  shop:
    type: rest
    destinations: [there]
    config:
      client:
        base_url: https://shop.example.com
        auth:
          {auth}
        paginator: {paginator}
      resources: [orders, customers]
    collections: [{collection}]
destinations:
  there: {{type: none}}
"""
SECRET = "hunter22-of-the-shop"
AUTHS = "bearer, api_key, http_basic, oauth2_client_credentials"
PAGINATORS = "json_link, json_response, header_link, header_cursor, auto, single_page, cursor, offset, page_number"


def complaints(
    tmp_path: Path,
    *,
    auth: str = "{type: bearer, token: x}",
    paginator: str = "single_page",
    collection: str = "orders",
) -> list[str]:
    file = tmp_path / "syncline.yaml"
    file.write_text(CATALOGUE.format(auth=auth, paginator=paginator, collection=collection))
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in load_catalogue(file, {}).problems]


def refusal(endpoint: Any = None, **client: Any) -> str:
    """Of a resource with this endpoint, read by this client."""
    resource = {"name": "orders"} | ({} if endpoint is None else {"endpoint": endpoint})
    config = {"client": {"base_url": "https://shop.example.com"} | client, "resources": ["shops", resource]}
    with pytest.raises(InvalidConfigError) as refused:
        check_config(config)
    return str(refused.value)


def test_a_password_of_digits_is_refused_at_its_line(tmp_path: Path) -> None:
    assert complaints(tmp_path, auth="type: http_basic\n          username: me\n          password: 12345") == [
        "syncline.yaml:12: sources.shop.config.client.auth.password: must be a string; put it in quotes"
    ]


def test_a_wrong_paginator_is_refused_with_those_there_are(tmp_path: Path) -> None:
    assert complaints(tmp_path) == []
    assert complaints(tmp_path, paginator="{type: page_numbr}") == [
        f"syncline.yaml:11: sources.shop.config.client.paginator.type: must be one of {PAGINATORS}"
    ]


def test_a_collection_that_is_no_resource_is_refused_with_those_there_are(tmp_path: Path) -> None:
    assert complaints(tmp_path, collection="ordres") == [
        (
            "syncline.yaml:13: sources.shop.collections[0]: unknown resource 'ordres'; did you mean 'orders'? "
            "choose one of orders, customers, all"
        )
    ]


@pytest.mark.parametrize(
    ("auth", "complaint"),
    [
        ({"type": "bearer", "token": 12345}, "client.auth.token: must be a string; put it in quotes"),
        ({"type": "bearr", "token": SECRET}, f"client.auth.type: must be one of {AUTHS}"),
        ({"type": "bearer", "tokn": SECRET}, "client.auth.token: is missing"),
        ({"type": "http_basic", "username": SECRET}, "client.auth.password: is missing"),
        ({"type": "offset", "token": SECRET}, f"client.auth.type: must be one of {AUTHS}"),
        ({}, "client.auth.token: is missing"),
        ("bearer", "client.auth: must be a mapping: 'bearer' also needs token"),
        (SECRET, f"client.auth: must be a mapping (key: value) or one of {AUTHS}"),
        ([SECRET], f"client.auth: must be a mapping (key: value) or one of {AUTHS}"),
    ],
)
def test_a_wrong_auth_is_refused_without_its_secrets(auth: Any, complaint: str) -> None:
    of_client, of_endpoint = refusal(auth=auth), refusal({"auth": auth})
    assert of_client.startswith(complaint)
    assert of_endpoint.startswith(complaint.replace("client.", "resources[1].endpoint."))
    for message in (of_client, of_endpoint):
        assert SECRET not in message
        assert "*" not in message


@pytest.mark.parametrize(
    ("endpoint", "complaint"),
    [
        (5, "resources[1].endpoint: must be a string or a mapping (key: value)"),
        ({"pth": "orders"}, "resources[1].endpoint.pth: unknown key; did you mean 'path'? choose one of auth, data, "),
        ({"path": 5}, "resources[1].endpoint.path: must be a string; put it in quotes"),
        ({"method": "PUT"}, "resources[1].endpoint.method: must be one of GET, POST"),
        ({"headers": ["a"]}, "resources[1].endpoint.headers: must be a mapping (key: value)"),
        ({"paginator": {"type": "offset"}}, "resources[1].endpoint.paginator.limit: is missing"),
        ({"paginator": {"type": "offset", "limit": "5"}}, "resources[1].endpoint.paginator.limit: must be an integer"),
        (
            {"paginator": "pages"},
            f"resources[1].endpoint.paginator: must be a mapping (key: value) or one of {PAGINATORS}",
        ),
        (
            {"response_actions": [{"status": 404}]},
            "resources[1].endpoint.response_actions[0].status: unknown key; did you mean 'status_code'? choose one of ",
        ),
        (
            {"path": "of/{shop}", "params": {"shop": {"type": "resolve", "resource": "shop", "field": "id"}}},
            "resources[1].endpoint.params.shop.resource: unknown resource 'shop'; did you mean 'shops'? ",
        ),
        (
            {"path": "of/{shop}", "params": {"shop": {"type": "resolve", "resource": "shops"}}},
            "resources[1].endpoint.params.shop.field: is missing",
        ),
    ],
)
def test_a_wrong_endpoint_is_refused_in_one_sentence(endpoint: Any, complaint: str) -> None:
    message = refusal(endpoint)
    assert message.startswith(complaint)
    assert "; resources" not in message


@pytest.mark.parametrize(
    "config",
    [
        "{client: {auth: {token: t}, headers: {X-Key: k}}, resources: [a]}",
        "{client: {auth: {type: api_key, name: X, api_key: k, location: header}}, resources: [{name: a, endpoint: a}]}",
        "{client: {paginator: auto}, resources: [{name: a, endpoint: {path: null, params: {tag: [1, {x: y}]}}}]}",
        "{client: {}, resources: [{name: a, primary_key: [b, c], columns: {b: {data_type: text}}}]}",
        "{client: {}, resources: [{name: a, write_disposition: {disposition: merge, strategy: upsert}}]}",
        "{client: {}, resources: [a], resource_defaults: {endpoint: {paginator: {type: single_page}}}}",
    ],
)
def test_everything_that_dlt_accepts_is_accepted(config: str) -> None:
    from dlt.sources import rest_api  # noqa: PLC0415 -- dlt takes seconds

    parsed = yaml.safe_load(config)
    rest_api._validate_config(parsed)
    check_config(parsed)


def test_text_becomes_a_number_or_a_boolean_where_dlt_accepts_no_text() -> None:
    paginator = {"type": "offset", "limit": "100", "stop_after_empty_page": "true", "maximum_offset": "many"}
    endpoint = {"path": "007", "params": {"page_size": "50"}, "paginator": paginator}
    config: Any = {
        "client": {"base_url": "https://shop.example.com", "auth": {"token": "00471"}},
        "resources": [{"name": "a", "endpoint": endpoint}],
    }
    cast_texts(config)
    assert config["client"]["auth"] == {"token": "00471"}
    assert endpoint == {
        "path": "007",
        "params": {"page_size": "50"},
        "paginator": {"type": "offset", "limit": 100, "stop_after_empty_page": True, "maximum_offset": "many"},
    }
    with pytest.raises(InvalidConfigError, match="maximum_offset: must be an integer"):
        check_config(config)


def test_what_dlt_quotes_of_a_wrong_configuration_is_left_out() -> None:
    from dlt.sources import rest_api  # noqa: PLC0415 -- dlt takes seconds

    config: Any = {"client": {"auth": {"type": "bearr", "token": SECRET}}, "resources": []}
    with pytest.raises(ConfigurationError) as refused, translate_errors("refused", config={}, permanent=True):
        rest_api._validate_config(config)
    assert str(refused.value) == "refused: client: the key 'auth' is not valid"
