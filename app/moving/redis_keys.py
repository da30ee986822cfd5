"""What Jitsu Classic's Redis has. The forms of its keys are those of Classic v1.44.8 (server/meta/redis.go).

`source#ID:collection#KEY:chunks` is a hash. That of a Singer tap or Airbyte connector has the last state in the field
`ALL`, that of one of Classic's own drivers a field for each interval that is loaded, such as `UTC_DAY_2024-01-31`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.connectors.options.validation import validated
from app.connectors.sources.redis.options import RedisOptions
from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.moving.address import RedisAddress

Chunks = dict[tuple[str, str], dict[str, str]]
"""For a source's id and one of its keys: what is kept for each interval."""

_CHUNKS: Final = re.compile(r"source#(.*?):collection#(.*):chunks", re.DOTALL)
_INDEX: Final = re.compile(r"sync_tasks_index:source#(.*?):collection#(.*)", re.DOTALL)
_AT_ONCE: Final = 1000
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")


@contextmanager
def opened_redis(address: RedisAddress) -> Iterator[ClassicRedis]:
    """What Jitsu Classic keeps there.

    Raises:
        ConfigurationError: the server refuses the login, or the address cannot be used.
        SynclineError: it does not answer, or is not that of a Jitsu Classic.
    """
    options = validated(RedisOptions, dict(address.options), key_path=address.key)
    # Imported here, because the package is an extra, which the options have asked for.
    from app.connectors.sources.redis.client import Client  # noqa: PLC0415

    client = Client(options, log=lambda _level, _message: None)
    with client.connected(f"cannot read the Redis of Jitsu Classic at {address.shown}"):
        try:
            yield ClassicRedis(client.commands, address.shown)
        finally:
            client.commands.close()


class ClassicRedis:
    """The keys of Jitsu Classic on a Redis server."""

    def __init__(self, commands: Any, shown: str) -> None:
        self._commands = commands
        self._shown = shown

    def require_classic(self) -> None:
        """Raise `ConfigurationError` if there is nothing of Jitsu Classic."""
        for pattern in ("source#*:chunks", "sync_tasks*", "config#system"):
            if next(self._commands.scan_iter(match=pattern, count=_AT_ONCE), None) is not None:
                return
        raise ConfigurationError(
            f"the Redis at {self._shown} has no keys of Jitsu Classic, such as 'source#…:chunks' and 'sync_tasks#…': "
            "check the address, and the number of the database"
        )

    def chunks(self) -> Chunks:
        """What is kept of each source."""
        found: Chunks = {}
        for source, key, name in self._named("source#*:collection#*:chunks", _CHUNKS):
            found[source, key] = self._hash(name)
        return found

    def tasks(self, newest: int) -> Iterator[dict[str, Any]]:
        """The `newest` tasks of each collection with their logs, as Classic's API shows them."""
        for _, _, index in self._named("sync_tasks_index:source#*:collection#*", _INDEX):
            ids = (_text(index, each) for each in self._ask("zrevrange", index, 0, -1))
            # The index may name tasks that Classic has removed.
            there = ((id_, fields) for id_ in ids if (fields := self._hash(f"sync_tasks#{id_}".encode())))
            for id_, fields in islice(there, newest):
                priority = fields.get("priority", "")
                whole = {"priority": int(priority)} if _INTEGER.fullmatch(priority) else {}
                yield fields | whole | {"logs": self._lines(f"sync_tasks#{id_}:logs".encode())}

    def _lines(self, name: bytes) -> list[Any]:
        return [_line(_text(name, each)) for each in self._ask("zrange", name, 0, -1)]

    def _named(self, pattern: str, form: re.Pattern[str]) -> list[tuple[str, str, bytes]]:
        """Keys, with the source and collection in each; always in the same order."""
        # A scan may return a key twice.
        names = sorted(set(self._commands.scan_iter(match=pattern, count=_AT_ONCE)))
        return [(parts[1], parts[2], name) for name in names if (parts := form.fullmatch(_text(name, name)))]

    def _hash(self, name: bytes) -> dict[str, str]:
        return {_text(name, key): _text(name, value) for key, value in self._ask("hgetall", name).items()}

    def _ask(self, command: str, name: bytes, *arguments: int) -> Any:
        """What `command` says of a key.

        Raises:
            ConfigurationError: the key has another type in Redis than Classic gives it.
        """
        from redis import ResponseError  # noqa: PLC0415 (an extra, as above)

        try:
            return getattr(self._commands, command)(name, *arguments)
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            wanted = "hash" if command == "hgetall" else "sorted set"
            raise ConfigurationError(
                f"key {_shown(name)!r} of Jitsu Classic is not a {wanted} in Redis, so Classic has not written it: "
                "check the address, and the number of the database, or rename the key"
            ) from None


def _line(text: str) -> dict[str, Any]:
    """A line of a log as the object that Classic writes, which has no others inside; anything else as its message."""
    try:
        line = jsontext.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        line = None
    is_flat = isinstance(line, dict) and not any(isinstance(each, dict | list) for each in line.values())
    return line if is_flat else {"message": text}


def _text(key: bytes, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"key {_shown(key)!r} of Jitsu Classic has bytes that are not valid UTF-8") from None


def _shown(key: bytes) -> str:
    return key.decode(errors="backslashreplace")[:200]
