"""Addresses in messages have no secrets."""

from __future__ import annotations

import pytest

from app.connectors.sources.rest.addresses import describe_value, mask_url
from app.connectors.sources.rest.following import sign_of_more


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://x/rows?side=left&access_token=hunter22", "https://x/rows?side=left&access_token=***"),
        ("https://x/rows?sv=1&sig=hunter22%3D", "https://x/rows?sv=***&sig=***"),
        (
            "https://x/rows?X-Amz-Signature=hunter22&X-Amz-Credential=hunter22",
            "?X-Amz-Signature=***&X-Amz-Credential=***",
        ),
        ("https://x/rows?X-Goog-Signature=hunter22&at=1", "?X-Goog-Signature=***&at=1"),
        ("https://x/rows?hdnea=exp=1~acl=/*~hmac=hunter22&at=1", "?hdnea=***&at=1"),
        ("https://me:hunter22@x/rows?at=1", "https://***@x/rows?at=1"),
        ("/rows?page=2&api_key=hunter22", "/rows?page=2&api_key=***"),
    ],
)
def test_a_secret_of_an_address_is_masked_wherever_it_is_told(url: str, told: str) -> None:
    assert told in mask_url(url)
    for value in (url, {"href": url}, [f'<{url}>; rel="next"'], f"see {url}"):
        assert "hunter22" not in describe_value(value)
        assert "***" in describe_value(value)


def test_an_address_without_secrets_is_as_it_was() -> None:
    url = "https://x/rows?$skip=10&at=2024-05-01T10:00:00+02:00"
    assert mask_url(url) == url
    assert describe_value(["a?", url]) == f'["a?","{url}"]'


def test_the_sign_that_more_follows_has_no_secret() -> None:
    url = "https://x/rows?access_token=hunter22"
    signs = [
        sign_of_more({"paging": {"next": url}}, {}, 1, selector="data"),
        sign_of_more({"links": {"next": {"href": url}}}, {}, 1, selector="data"),
        sign_of_more([], {"Link": f'<{url}>; rel="next"'}, 1, selector="$"),
    ]
    assert all(sign and "hunter22" not in sign for sign in signs)
