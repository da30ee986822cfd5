"""The options of the source `redis`: the server's address, and the keys of a collection."""

from __future__ import annotations

from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from app.connectors.contract.kind import SourceKind
from app.connectors.options.installed import check_installed
from app.connectors.options.passwords import PasswordCommand, check_one_password
from app.connectors.options.types import Options, check_one_address
from app.connectors.sources.redis.address import PORT, URLS, Address, check_database, parse_host
from app.domain.numbers import Port, Whole  # noqa: TC001 - pydantic reads the annotations


class RedisOptions(Options):
    """A `url`, or its parts; `tls_skip_verify` trusts any certificate, as in Jitsu Classic.

    `host` may also be a URL, as Classic's, or sentinels.
    """

    url: SecretStr | None = None
    host: str | None = Field(default=None, min_length=1)
    port: Port = PORT
    sentinel_master_name: str | None = None
    sentinel_password: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None
    password_command: PasswordCommand | None = None
    database: Whole = Field(default=0, ge=0)
    tls: bool = False
    tls_skip_verify: bool = False

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        text = url.get_secret_value()
        if not text.startswith((*URLS, "unix://")):
            raise ValueError("not a Redis URL; write redis://user:password@host:6379/0, or rediss:// for TLS")
        if text.startswith(URLS):
            check_database(text)
        return url

    @model_validator(mode="after")
    def _check_address(self) -> Self:
        check_one_address(self, "host", "port", "username", "password", "database", "tls")
        in_url = self.url is not None and _has_password(self.url.get_secret_value())
        check_one_password(command=self.password_command, password=self.password, in_url=in_url)
        if self.sentinel_master_name and self.host is None:
            raise ValueError("'sentinel_master_name' needs 'host': write node1:26379,node2:26379")
        if self.sentinel_password is not None and not self.address.sentinels:
            raise ValueError("'sentinel_password' has no effect without 'sentinel_master_name'")
        return self

    @property
    def address(self) -> Address:
        """Where the server is, or who knows that."""
        if self.url is not None:
            return Address(url=self.url.get_secret_value())
        # To sentinels, the default is another one.
        port = self.port if "port" in self.model_fields_set else None
        return parse_host(self.host or "", port, self.sentinel_master_name)

    @model_validator(mode="after")
    def _check_host(self) -> Self:
        if self.host is not None:
            _ = self.address
        return self

    @model_validator(mode="after")
    def _check_packages(self) -> Self:
        check_installed("type 'redis'", "redis", "redis")
        return self


def _has_password(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.password) or "password" in parse_qs(parts.query)


class RedisParameters(Options):
    """Which keys: `redis_key` is one, or a pattern with `*`, `?` or `[…]`."""

    redis_key: str = Field(min_length=1)


KINDS: Final[dict[str, SourceKind]] = {
    "redis": SourceKind(
        RedisOptions,
        RedisParameters,
        "app.connectors.sources.redis.source:RedisSource",
        instead_of_intervals="all its keys are read each time",
        library="redis",
        heavy=("redis",),
        bookmark_problem="app.connectors.contract.bookmarks:no_bookmark_problem",
        tries="reach the server",
    ),
}
