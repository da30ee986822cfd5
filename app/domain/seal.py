"""Seals of weeks of events: what is hashed, and how a week is compared with its seal.

Everything is SHA-256: a digest for each event, over all its columns; a hash for each stream, over the digests of its
events; a root for each week, over the hashes of blocks of 64 streams; and a seal over the root and the seal before, so
that the seals are a chain. The functions of migration 0027 do the same in the database. docs/history.md says what this
proves.

The fields of an event's data that people write are replaced by their hashes before the event is hashed. So one of them
can be redacted, and the event keeps its digest.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

REDACTABLE: Final = ("error", "message", "note", "problems", "reason", "who")
"""The fields that people or programs have written, in the order in which they are hashed. No fold depends on them."""

REDACTED: Final = "[redacted]"
BLOCK: Final = 64
"""The number of streams in a block."""

FIRST_WEEK: Final = date(1970, 1, 5)
"""Ids of any time before are of this week."""

NAMED_BYTES: Final = 24
"""What names a stream of a seal: its task, and the first 8 bytes of its hash."""

_TASK_BYTES: Final = 16
_FIRST: Final = sha256(b"").digest()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_WHO: Final = "who"
_REDACTED_JSON: Final = f'"{REDACTED}"'
_MAY_BE_REDACTABLE: Final = re.compile(f'"(?:{"|".join(REDACTABLE)})": ')
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str)


class Seal(NamedTuple):
    """A seal about all streams with ids from the day `week`, a Monday, to the day `before`, exclusive.

    It is about one week, or, if it `replaces` other seals, about what retention has left of theirs. `archived` says
    whether their weeks were archived before.
    """

    number: int
    week: date
    before: date
    events: int
    streams: int
    root: bytes
    replaces: Sequence[int]
    archived: bool
    sealed_at: datetime
    previous: bytes
    seal: bytes

    @property
    def computed(self) -> bytes:
        """What `seal` has to be."""
        replaces = ",".join(map(str, self.replaces)) or "-"
        microseconds = (self.sealed_at - _EPOCH) // _MICROSECOND
        text = (
            f"syncline seal 1 {self.number} {self.week} {self.before} {self.events} {self.streams} {self.root.hex()}"
            f" {replaces} {'t' if self.archived else 'f'} {microseconds} {self.previous.hex()}"
        )
        return sha256(text.encode()).digest()


class SealedEvent(NamedTuple):
    """An event as it is hashed.

    `at` is in microseconds since 1970, and None if it is not of the years 1 to 9999.
    `data` is its JSON as PostgreSQL prints it: normalized, and the same in all supported versions. `redacted` has the
    hashes of the values that redacted fields had.
    """

    task: UUID
    version: int
    type: str
    v: int
    at: int | None
    status: str | None
    attempt: int
    worker: UUID | None
    xid: int
    line: int | None
    data: str
    redacted: Mapping[str, bytes] = {}

    @property
    def digest(self) -> bytes:
        task, version, type_, v, at, status, attempt, worker, xid, line, data, redacted = self
        text = (
            f"{task} {version} {_with_length(type_)} {v} {_or_dash(at)} {_with_length(status)}"
            f" {attempt} {_or_dash(worker)} {xid} {_or_dash(line)} {_hashed_data(data, redacted)}"
        )
        return sha256(text.encode()).digest()


class Difference(NamedTuple):
    """What is wrong with a stream."""

    task: UUID
    what: str


class Comparison:
    """Compares events, which are taken in the order of task and version, with a seal and the streams that it names."""

    def __init__(self, seal: Seal, named: Iterable[bytes]) -> None:
        """`named` are the blocks of `sealed_streams`: `NAMED_BYTES` for each stream, in the order of tasks."""
        self.differences: list[Difference] = []
        self._seal = seal
        self._named = names_in(named)
        self._expected = next(self._named, None)
        self._task: UUID | None = None
        self._stream, self._block, self._root = sha256(), sha256(), sha256()
        self._version = self._streams = self._events = 0
        self._missing: int | None = None

    def take(self, event: SealedEvent) -> None:
        if event.task != self._task:
            self._end_stream()
            self._task = event.task
        self._events += 1
        self._version += 1
        if self._missing is None and event.version != self._version:
            self._missing = self._version
        self._stream.update(event.digest)

    def finish(self) -> list[str]:
        """What is wrong, beside the streams in `differences`, once all events are taken; nothing if all is well."""
        self._end_stream()
        if self._streams % BLOCK:
            self._root.update(self._block.digest())
        while self._expected:
            self._miss_expected()
        found, sealed = (self._events, self._streams, self._root.digest()), self._seal
        if found == (sealed.events, sealed.streams, sealed.root):
            return ["the list of its streams was changed, but not its events"] if self.differences else []
        if self.differences:
            return []
        return [
            (
                f"its {self._events} events of {self._streams} streams do not have the root of the seal, which is about"
                f" {sealed.events} of {sealed.streams}; the list of its streams was changed as well"
            )
        ]

    def _end_stream(self) -> None:
        if self._task is None:
            return
        found, task = self._stream.digest(), self._task
        while self._expected and self._expected[0] < task:
            self._miss_expected()
        if self._expected is None or self._expected[0] != task:
            self.differences.append(Difference(task, "its events were added after the week was sealed"))
        else:
            if not found.startswith(self._expected[1]):
                what = "its events were changed" if self._missing is None else f"event {self._missing} is missing"
                self.differences.append(Difference(task, what))
            self._expected = next(self._named, None)
        self._block.update(found)
        self._streams += 1
        if self._streams % BLOCK == 0:
            self._root.update(self._block.digest())
            self._block = sha256()
        self._stream, self._version, self._missing = sha256(), 0, None

    def _miss_expected(self) -> None:
        if self._expected:
            self.differences.append(Difference(self._expected[0], "its events were deleted"))
        self._expected = next(self._named, None)


def find_broken_links(seals: Iterable[Seal]) -> Iterator[tuple[int, str]]:
    """The numbers of seals that do not fit into the chain, in the order of their numbers, and why."""
    number, previous = 0, _FIRST
    for seal in seals:
        if seal.number != number + 1:
            yield number + 1, "is missing"
        elif seal.previous != previous:
            yield seal.number, f"does not follow seal {number}: one of the two was changed or replaced"
        if seal.seal != seal.computed:
            yield seal.number, "was changed"
        number, previous = seal.number, seal.seal


def current(seals: Iterable[Seal]) -> list[Seal]:
    """The seals that no later one replaces, in the order of their weeks."""
    seals = list(seals)
    replaced = {number for seal in seals for number in seal.replaces if number < seal.number}
    return sorted((seal for seal in seals if seal.number not in replaced), key=attrgetter("week"))


def first_id(day: date) -> UUID:
    """The lowest id of a task of a day."""
    if day <= FIRST_WEEK:
        return UUID(int=0)
    milliseconds = (day - date(1970, 1, 1)) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0x8 << 60)


def time_of(id_: UUID) -> datetime:
    """When a task or fact with this id was created."""
    return _EPOCH + timedelta(milliseconds=id_.int >> 80)


def redact(field: str, value: Any) -> Any:
    """A value as it is once it is redacted. The kind of who caused an event stays, so that it can still be read."""
    return {"kind": value.get("kind"), "name": REDACTED} if field == _WHO and isinstance(value, dict) else REDACTED


def names_in(blocks: Iterable[bytes]) -> Iterator[tuple[UUID, bytes]]:
    """The streams that the blocks of `sealed_streams` name: their tasks, and the first bytes of their hashes."""
    for block in blocks:
        for start in range(0, len(block), NAMED_BYTES):
            named = block[start : start + NAMED_BYTES]
            yield UUID(bytes=named[:_TASK_BYTES].ljust(_TASK_BYTES, b"\0")), named[_TASK_BYTES:]


def _with_length(text: str | None) -> str:
    return "-" if text is None else f"{len(text.encode())}:{text}"


def _or_dash(value: object) -> object:
    return "-" if value is None else value


def _hashed_data(data: str, redacted: Mapping[str, bytes]) -> str:
    if not _MAY_BE_REDACTABLE.search(data):
        return _with_length(data)
    try:
        fields = _fields_of(data)
        hashes = [_hash_field(key, fields[key][1], redacted.get(key)) for key in REDACTABLE if key in fields]
    except (ValueError, IndexError, RecursionError):
        return _with_length(data)
    rest = ", ".join(f"{json_key}: {value}" for key, (json_key, value) in fields.items() if key not in REDACTABLE)
    return _with_length(f"{{{rest}}}") + "".join(hashes)


def _hash_field(key: str, value: str, redacted: bytes | None) -> str:
    kind, after = "", _REDACTED_JSON
    if key == _WHO and value.startswith("{"):
        _, kind_value = _fields_of(value).get("kind", ("", "null"))
        kind = f" {_WHO}.kind={sha256(kind_value.encode()).hexdigest()}"
        after = f'{{"kind": {kind_value}, "name": {_REDACTED_JSON}}}'
    digest = redacted if redacted is not None and value == after else sha256(value.encode()).digest()
    return f"{kind} {key}={digest.hex()}"


def _fields_of(data: str) -> dict[str, tuple[str, str]]:
    """The fields of a JSON object as PostgreSQL prints it: each with its key and its value as they stand there.

    Raises:
        ValueError: it is not one; whoever hashes the fields by themselves would then hash something else.
        IndexError: it is not complete.
    """
    fields: dict[str, tuple[str, str]] = {}
    place = 0
    if data[place] != "{":
        raise ValueError("not an object")
    while data[place] != "}":
        begin = place + (1 if place == 0 else 2)
        key, colon = _DECODER.raw_decode(data, begin)
        _, place = _DECODER.raw_decode(data, colon + 2)
        if key in fields:
            raise ValueError("a key is there twice")
        fields[key] = (data[begin:colon], data[colon + 2 : place])
    in_order = sorted(fields, key=lambda key: (len(key.encode()), key.encode()))
    rebuilt = ", ".join(f"{fields[key][0]}: {fields[key][1]}" for key in in_order)
    if f"{{{rebuilt}}}" != data or any(fields[key][0] != f'"{key}"' for key in REDACTABLE if key in fields):
        raise ValueError("not as PostgreSQL prints it")
    return fields
