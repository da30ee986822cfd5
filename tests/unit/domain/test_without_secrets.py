"""What is left of a configuration is the same before and after its secrets are renewed, and nothing more is missing."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.without_secrets import without_secrets

SIGNED = "https://lake.example.com/data?sv=2024&se={}&sp=r&sig={}"
ACCOUNT = "DefaultEndpointsProtocol=https;AccountName={};AccountKey={};EndpointSuffix=core.windows.net"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"password": "a", "host": "h"}, {"password": "b", "host": "h"}),
        ({"apiKey": "a"}, {"apiKey": 12}),
        ({"credentials": {"user": "a", "more": ["b"]}}, {"credentials": {"user": "c", "more": []}}),
        ('{"password": "a", "host": "h"}', '{"host": "h", "password": "b"}'),
        ("postgresql://u:old@h/d", "postgresql://u:n=e:w@h/d"),
        ("postgresql://u:d@h/d", "postgresql://u:password@h/d"),
        ("https://old-token@h/d", "https://new-token@h/d"),
        ("see git+https://old-token@h/d", "see git+https://new-token:@h/d"),
        ("https://old-token:x-oauth-basic@h/d", "https://new-token:x-oauth-basic@h/d"),
        ({"url": "https://h/d?from=https://old-token@h"}, {"url": "https://h/d?from=https://new-token@h"}),
        ("https://me@corp.example:old@h/d", "https://me@corp.example:new@h/d"),
        ("://u:old@h/d", "://u:new@h/d"),
        ("host=h password='o l\\'d' dbname=d", "host=h password=new dbname=d"),
        ("Server=h;Database=d;Pwd=old", "Server=h;Database=d;Pwd=new"),
        ({"connection_string": ACCOUNT.format("a", "b2xk")}, {"connection_string": ACCOUNT.format("a", "bmV3ZXI==")}),
        (SIGNED.format("2024", "old"), SIGNED.format("2025", "new")),
        ({"token": "b2xk="}, {"token": "bmV3ZXI=="}),
    ],
)
def test_renewed_secrets_leave_the_same(old: Any, new: Any) -> None:
    assert without_secrets(old) == without_secrets(new)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"host": "a"}, {"host": "b"}),
        ({"schema": "a"}, {}),
        ("postgresql://u:p@a/d", "postgresql://u:p@b/d"),
        ("postgresql://somebody@h/d", "postgresql://someone-else@h/d"),
        ("https://somebody:p@h/d", "https://someone-else:p@h/d"),
        ("https://token-of-a@a/d", "https://token-of-b@b/d"),
        ({"dsn": "postgresql://u:p@h/a"}, {"dsn": "postgresql://u:p@h/b"}),
        ("mysql://u:p@h/a?mail=x@y", "mysql://u:p@g/a?mail=x@y"),
        ("host=a password=p", "host=b password=p"),
        ("Server=a;Pwd=p;Database=x", "Server=a;Pwd=p;Database=y"),
        ({"connection_string": ACCOUNT.format("a", "b")}, {"connection_string": ACCOUNT.format("c", "b")}),
        ({"primary_key": "a"}, {"primary_key": "b"}),
        ({"s3_key_prefix": "a"}, {"s3_key_prefix": "b"}),
    ],
)
def test_everything_else_stays(one: Any, other: Any) -> None:
    assert without_secrets(one) != without_secrets(other)
