"""The protocol between a worker and its attempt server, which forks the processes of attempts.

Both write one JSON message per packet to a socket of type SEQPACKET. A `Start` comes with five descriptors, in the
order of `DESCRIPTORS`: ends of the pipes to and from the attempt. The server hands them on and reads none.
"""

from __future__ import annotations

from typing import Final

import msgspec

DESCRIPTORS: Final = ("standard input", "standard output", "standard error", "messages", "lines")
"""What a `Start` comes with."""

LONGEST_PACKET: Final = 256 * 1024
"""In bytes; longer ones are not sent."""


class Start(msgspec.Struct, frozen=True, tag="start"):
    """Fork an attempt. `mark` is what /proc shows of it; `environment` is all of its environment."""

    request: int
    mark: str
    environment: dict[str, str]


class Release(msgspec.Struct, frozen=True, tag="release"):
    """Nobody signals the attempt's process group any more: its number may be given out again."""

    request: int


class Started(msgspec.Struct, frozen=True, tag="started"):
    """The attempt runs."""

    request: int
    pid: int


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The server cannot fork: start the attempt in another way."""

    request: int
    reason: str


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The attempt has ended; a negative `exit_code` is that of a signal. Its process is there until `Release`."""

    request: int
    exit_code: int


Request = Start | Release
Answer = Started | Refused | Ended
