"""From keys to records: one for each element, and for each JSON object in an element.

https://redis.io/docs/latest/commands/scan/: a scan returns everything that is there from its beginning to its end, and
may return it more than once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors.contract.batches import BATCH_BYTES
from app.connectors.contract.reads import READS
from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from redis import Redis

_AT_ONCE = 1000
_LARGEST_VALUE_MEGABYTES = 64
_WILD = set("*?[")
_TYPES = ("string", "hash", "list", "set", "zset")
_KEY, _FIELD, _INDEX, _SCORE, _VALUE = "redis_key", "redis_hash", "redis_index", "redis_score", "value"


class Keys:
    """The keys that match a pattern; `count` is how many were read."""

    def __init__(self, client: Redis, pattern: str) -> None:
        self._client: Any = client  # its results are typed for asynchronous use as well
        self._pattern = pattern
        self.count = 0

    def records(self) -> Iterator[tuple[dict[str, Any], int]]:
        """Each with its approximate size in bytes.

        Raises:
            ConfigurationError: a key has another type, or its content is too large or not UTF-8.
            redis.RedisError: the server does not answer, or refuses.
        """
        for names in self._pages():
            strings: list[bytes] = []
            waiting = 0
            for name, kind, length in self._describe(names):
                self.count += 1
                if kind != "string":
                    yield from self._elements(name, kind)
                    continue
                if strings and waiting + length > BATCH_BYTES:
                    yield from self._strings(strings)
                    strings, waiting = [], 0
                strings.append(name)
                waiting += length
            yield from self._strings(strings)

    def _pages(self) -> Iterator[list[bytes]]:
        if not _WILD & set(self._pattern):
            yield [self._pattern.encode()]
            return

        def scan(cursor: int) -> tuple[int, list[tuple[bytes, None]]]:
            cursor, names = self._client.scan(cursor, match=self._pattern, count=_AT_ONCE)
            return cursor, [(name, None) for name in names]

        for page in _scan_pages(scan):
            yield [name for name, _ in page]

    def _describe(self, names: list[bytes]) -> Iterator[tuple[bytes, str, int]]:
        """Name, type and, of a string, its size in bytes; without keys that are gone by now."""
        asking = self._client.pipeline(transaction=False)
        for name in names:
            asking.type(name)
            asking.strlen(name)
        answers = asking.execute(raise_on_error=False)
        for name, kind, length in zip(names, answers[::2], answers[1::2], strict=True):
            if isinstance(kind, Exception):
                raise kind
            type_ = kind.decode()
            if type_ == "none":
                continue
            if type_ not in _TYPES:
                raise ConfigurationError(
                    f"key {_show_key(name)} has the unsupported type {type_} (supported: {', '.join(_TYPES)}); "
                    "narrow 'redis_key'"
                )
            if type_ == "string" and length > _LARGEST_VALUE_MEGABYTES << 20:
                raise ConfigurationError(f"key {_show_key(name)} is larger than {_LARGEST_VALUE_MEGABYTES} MiB")
            yield name, type_, length if type_ == "string" else 0

    def _strings(self, names: list[bytes]) -> Iterator[tuple[dict[str, Any], int]]:
        values = self._client.mget(names) if names else []
        for name, value in zip(names, values, strict=True):
            if value is not None:
                yield from _records(name, value, {})

    def _elements(self, name: bytes, kind: str) -> Iterator[tuple[dict[str, Any], int]]:
        match kind:
            case "hash":
                for page in _scan_pages(lambda cursor: _pairs(self._client.hscan(name, cursor, count=_AT_ONCE))):
                    for field, value in page:
                        yield from _records(name, value, {_FIELD: _text(name, field)})
            case "set":
                for page in _scan_pages(lambda cursor: _singles(self._client.sscan(name, cursor, count=_AT_ONCE))):
                    for member, _ in page:
                        yield from _records(name, member, {})
            case "zset":
                for page in _scan_pages(lambda cursor: self._client.zscan(name, cursor, count=_AT_ONCE)):
                    for member, score in page:
                        yield from _records(name, member, {_SCORE: _number(name, score)})
            case _:
                yield from self._list(name)

    def _list(self, name: bytes) -> Iterator[tuple[dict[str, Any], int]]:
        begin = 0
        while values := self._client.lrange(name, begin, begin + _AT_ONCE - 1):
            for index, value in enumerate(values, begin):
                yield from _records(name, value, {_INDEX: index})
            begin += len(values)


def _scan_pages(scan: Callable[[int], tuple[int, Iterable[tuple[bytes, Any]]]]) -> Iterator[list[tuple[bytes, Any]]]:
    """The pages of a scan, each element once."""
    seen: set[bytes] = set()
    cursor = 0
    while True:
        cursor, found = scan(cursor)
        READS.note()
        page = [(name, value) for name, value in dict(found).items() if name not in seen]
        if page:
            yield page
        if not cursor:
            return
        seen.update(name for name, _ in page)


def _pairs(answer: tuple[int, dict[bytes, bytes]]) -> tuple[int, Iterable[tuple[bytes, Any]]]:
    cursor, fields = answer
    return cursor, fields.items()


def _singles(answer: tuple[int, Iterable[bytes]]) -> tuple[int, Iterable[tuple[bytes, Any]]]:
    cursor, members = answer
    return cursor, [(member, None) for member in members]


def _records(key: bytes, value: bytes, position: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """An object becomes a record, an array a record for each of its items, other text a `value`."""
    own = {_KEY: _text(key, key)} | position
    parts = _parse(_text(key, value))
    for part in parts:
        yield (part if isinstance(part, dict) else {_VALUE: part}) | own, 64 + len(key) + len(value) // len(parts)


def _parse(text: str) -> list[Any]:
    if not text.startswith(("{", "[")):
        return [text]
    try:
        found = jsontext.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return [text]
    return found if isinstance(found, list) else [found]


def _number(key: bytes, score: float) -> float:
    if not math.isfinite(score):
        raise ConfigurationError(f"key {_show_key(key)} has the score {score}, which a number column cannot hold")
    return score


def _text(key: bytes, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"key {_show_key(key)} has bytes that are not valid UTF-8") from None


def _show_key(key: bytes) -> str:
    return repr(key.decode(errors="backslashreplace")[:200])
