"""The sections of a catalogue as they are written: unknown keys are refused, an empty value counts as absent."""

from __future__ import annotations

import datetime as dt
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)

from app.connectors.options.addresses import WRITABLE, normalize_address
from app.domain.collection import Collection, Inherited
from app.domain.duration import Duration, format_duration
from app.domain.keys import NOTHING, PoolName, Section, Several
from app.domain.numbers import Number, Whole
from app.domain.pool import DEFAULT_POOL
from app.domain.ports import HIGHEST_PORT

MOST_RUNS = 1_000_000
# Workers look at the table of schedules twice in this time, so it must not be too short.
_SHORTEST_PATIENCE: Final = dt.timedelta(seconds=10)
_SHORTEST_SECRET_KEY: Final = 32
_MOST_MINUTES: Final = 36_500 * 24 * 60
_LONGEST_PATIENCE: Final = dt.timedelta(days=1)
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_RESERVED_PATHS: Final = (["api"], ["livez"], ["readyz"], ["openapi.json"])
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization", "x-admin-token"})


def _parse_days(value: Any) -> Any:
    return 0 if value == NOTHING else _refuse_empty(value)


def _refuse_empty(value: Any) -> Any:
    if value is None:
        raise ValueError("must not be empty: 0 means forever; remove the key to use the default")
    return value


def _check_patience(patience: dt.timedelta) -> dt.timedelta:
    if not _SHORTEST_PATIENCE <= patience <= _LONGEST_PATIENCE:
        shortest, longest = format_duration(_SHORTEST_PATIENCE), format_duration(_LONGEST_PATIENCE)
        raise ValueError(f"must be from {shortest} to {longest}, not {format_duration(patience)}")
    return patience


def _check_secret_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    if any(0 < len(key) < _SHORTEST_SECRET_KEY for key in keys):
        raise ValueError(
            f"must have at least {_SHORTEST_SECRET_KEY} characters: make one with 'openssl rand -base64 32'"
        )
    return tuple(key for key in keys if key)


def _check_archive(address: str) -> str:
    return normalize_address(address, WRITABLE) if address else address


def _check_prefix(prefix: str) -> str:
    prefix = prefix.rstrip("/")
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("must be a path of letters, digits, '-', '_', '.' and '~', such as /syncline")
    if prefix.split("/")[1:2] in _RESERVED_PATHS:
        raise ValueError(f"must not begin with /{prefix.split('/')[1]}, where the API is")
    return prefix


def _parse_network(value: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError:
        raise ValueError(f"must be an address or a network such as 10.0.0.0/8{_hint(value)}") from None


def _hint(value: Any) -> str:
    try:
        return f"; did you mean {ip_network(str(value), strict=False)}?"
    except ValueError:
        return ", not the name of a host"


def _drop_empty(values: Any) -> Any:
    return [each for each in values if each != ""] if isinstance(values, list | tuple) else values


Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_parse_network, json_schema_input_type=str)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_drop_empty), Several]
"""An empty one counts as absent, so that a variable may be."""
Days = Annotated[Whole, BeforeValidator(_parse_days, json_schema_input_type=Whole | Literal["none"])]
Runs = Annotated[Whole, BeforeValidator(_refuse_empty)]
SecretKeys = Annotated[tuple[str, ...], Several, AfterValidator(_check_secret_keys)]
"""An empty one counts as absent, so that a variable may be."""
Patience = Annotated[Duration, AfterValidator(_check_patience)]


class Pool(Section):
    """`size` attempts run at once in one worker; 0: this process runs none."""

    size: Whole = Field(default=16, ge=0, le=1000)


class Stalled(Section):
    """`last_heartbeat_threshold_seconds` is the length of a worker's lease.

    `last_activity_threshold_minutes` is the `max_silence` of sources that do not say their own.
    """

    last_heartbeat_threshold_seconds: Number = Field(default=60, ge=1, le=86_400, allow_inf_nan=False)
    observe_stalled_every_seconds: Number = Field(default=20, gt=0, le=86_400, allow_inf_nan=False)
    last_activity_threshold_minutes: Number = Field(default=10, gt=0, le=_MOST_MINUTES)


class Kept(Section):
    """How long something is kept.

    An empty key is refused, because it could mean forever or the default; an empty section means the defaults.
    """

    # Replaces that of Section, which would drop empty keys.
    @model_validator(mode="before")
    @classmethod
    def _accept_empty(cls, value: Any) -> Any:
        return {} if value is None else value


class StoreLogs(Kept):
    """The last `last_runs` tasks of each collection keep their log lines; 0: all tasks do."""

    last_runs: Runs = Field(default=100, ge=0, le=MOST_RUNS)


class Retention(Kept):
    """Tasks and their logs are removed `days` after they end, their daily statistics after `statistics_days`.

    0 means never. Statistics of days that still have tasks are always kept.
    """

    days: Days = Field(default=90, ge=0, le=36_500)
    statistics_days: Days = Field(default=1095, ge=0, le=36_500)


class SyncTasks(Section):
    pool: Pool = Pool()
    stalled: Stalled = Stalled()
    store_logs: StoreLogs = StoreLogs()


class Ui(Section):
    """The pages for people, below `prefix`, which a proxy before the API must keep."""

    enabled: bool = True
    prefix: Annotated[str, AfterValidator(_check_prefix)] = ""


class Server(Section):
    """`server:`; without `admin_token` only the tokens in the database are valid.

    What connectors renew is encrypted with the first `secret_key` and decrypted with any, and lost if there is none.
    A source or collection may be missing from catalogues for `unknown_source_patience` before its tasks fail and its
    schedules end. Only `trusted_proxies` may name users, in the header `user_header`.
    With `ad_hoc_trials` the API tries configurations that are in no catalogue.
    `archive` is a directory or an address such as s3://bucket/path: weeks are written there as Parquet files before
    retention removes them.
    """

    admin_token: str = Field(default="", repr=False)
    secret_key: SecretKeys = Field(default=(), repr=False)
    port: Whole = Field(default=8001, ge=0, le=HIGHEST_PORT)
    sources_reload_sec: Number = Field(default=1, gt=0, le=86_400, allow_inf_nan=False)
    destinations_reload_sec: Number | None = Field(default=None, gt=0, le=86_400, allow_inf_nan=False)
    drain_seconds: Number = Field(default=30, ge=0, le=86_400, allow_inf_nan=False)
    unknown_source_patience: Patience = dt.timedelta(minutes=2)
    retention: Retention = Retention()
    archive: Annotated[str, AfterValidator(_check_archive)] = ""
    sync_tasks: SyncTasks = SyncTasks()
    ui: Ui = Ui()
    trusted_proxies: Networks = ()
    user_header: str = ""
    ad_hoc_trials: bool = False

    @property
    def reload_seconds(self) -> float:
        """How often all texts are read: they are one catalogue."""
        return min(self.sources_reload_sec, self.destinations_reload_sec or self.sources_reload_sec)

    @field_validator("user_header")
    @classmethod
    def _check_user_header(cls, name: str, info: ValidationInfo) -> str:
        if name and not _HEADER.fullmatch(name):
            raise ValueError("must be the name of a header, such as X-Forwarded-User")
        if name.lower() in _SECRET_HEADERS:
            raise ValueError("must not be a header with secrets: its value becomes part of events")
        # It is missing if it is wrong itself.
        if name and not info.data.get("trusted_proxies", True):
            raise ValueError(
                "needs server.trusted_proxies: the addresses or networks of the proxies whose header counts, "
                "such as 10.0.0.0/8"
            )
        return name


class Configurator(Section):
    """Jitsu Classic's server of sources and destinations, for a catalogue that leaves them out."""

    base_url: str = Field(default="", repr=False)
    admin_token: str = Field(default="", repr=False)


class Slack(Section):
    url: str = Field(default="", repr=False)


class Notifications(Section):
    slack: Slack = Slack()


class WrittenSource(Inherited):
    """An entry of `sources:`."""

    type: str | None = None
    destinations: Annotated[list[str], Several] = Field(default_factory=list)
    collections: list[Collection] | None = None
    pool: PoolName = DEFAULT_POOL
    config: dict[str, Any] = Field(default_factory=dict, repr=False)
