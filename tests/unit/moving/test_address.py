"""Where Jitsu Classic's Redis is, in all the forms that its configuration may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from app.domain.errors import ConfigurationError
from app.moving.address import RedisAddress, address_in, address_of_url
from app.moving.configuration import read_classic

if TYPE_CHECKING:
    from pathlib import Path


def found(directory: Path, written: dict[str, Any], environment: dict[str, str] | None = None) -> RedisAddress:
    file = directory / "eventnative.yaml"
    file.write_text(yaml.safe_dump(written))
    return address_in(read_classic(str(file), environment or {}), environment or {})


@pytest.mark.parametrize(
    ("redis", "shown", "options"),
    [
        ({"host": "cache"}, "cache:6379", {"host": "cache", "database": 0}),
        ({"host": "'cache'", "port": "6380"}, "cache:6380", {"host": "cache", "port": 6380, "database": 0}),
        ({"host": "cache:6381"}, "cache:6381", {"host": "cache:6381", "database": 0}),
        ({"host": "cache:6381,other"}, "cache:6381", {"host": "cache:6381", "database": 0}),
        (
            {"host": "cache", "password": "${env.PW}", "database": 2, "tls_skip_verify": True},
            "cache:6379",
            {"host": "cache", "database": 2, "password": "hunter22", "tls_skip_verify": True},
        ),
        ({"host": "redis://:hunter22@cache:6390"}, "cache:6390", {"url": "redis://:hunter22@cache:6390"}),
        ({"host": "rediss://:hunter22@cache", "database": 3}, "cache:6379", {"url": "rediss://:hunter22@cache/3"}),
        ({"host": "redis://cache/1", "database": 3}, "cache:6379", {"url": "redis://cache/1"}),
    ],
)
def test_one_server(tmp_path: Path, redis: dict[str, Any], shown: str, options: dict[str, Any]) -> None:
    address = found(tmp_path, {"meta": {"storage": {"redis": redis}}}, {"PW": "hunter22"})
    assert (address.shown, address.options) == (shown, options)
    assert "hunter22" not in repr(address)


@pytest.mark.parametrize(
    "redis",
    [
        {"host": "one:26380,two", "sentinel_master_name": "main", "password": "hunter22"},
        {"host": "sentinel://main:hunter22@one:26380,two"},
    ],
)
def test_sentinels(tmp_path: Path, redis: dict[str, Any]) -> None:
    address = found(tmp_path, {"meta": {"storage": {"redis": redis}}})
    assert (address.shown, dict(address.options)) == ("one:26380, two:26379", {**redis, "database": 0})
    assert "hunter22" not in repr(address)


@pytest.mark.parametrize(
    "written",
    [
        {"meta.storage.redis.host": "cache", "meta.storage.redis.port": 1},
        {"meta.storage": {"redis.host": "cache", "redis": {"port": 1}}},
    ],
)
def test_keys_may_be_joined_by_dots(tmp_path: Path, written: dict[str, Any]) -> None:
    assert found(tmp_path, written).shown == "cache:1"


def test_without_an_address_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        found(tmp_path, {"sources": {}})
    assert str(error.value) == (
        f"{tmp_path}/eventnative.yaml: has no meta.storage.redis.host: name the Redis of Jitsu Classic with --redis"
    )
    with pytest.raises(ConfigurationError, match=r"REDIS_URL is not set; .*; or name the Redis of Jitsu Classic"):
        found(tmp_path, {"meta": {"storage": {"redis": {"host": "${env.REDIS_URL}"}}}})


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter22@cache",
        "hunter22",
        "redis://:hunter22@cache:nosuch",
        "sentinel://hunter22",
        "sentinel://a@b:hunter22",
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        address_of_url(url)
    assert "hunter22" not in str(error.value)
    assert str(error.value).startswith("--redis: ")
    assert "write redis://user:password@host:6379/0, rediss:// for TLS, " in str(error.value)
