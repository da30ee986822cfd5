"""Faults of the configuration file, as people and programs write it."""

from __future__ import annotations

import asyncio
import math
import re
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from tests.chaos.kinds import A_WHILE, kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.chaos.system import System

_LOOK_SECONDS: Final = 0.05
# From reading the configuration to the exit of a process that cannot use it.
_START_SECONDS: Final = 10.0
# Longer than a replica reads until two readings agree.
_SEEN_SECONDS: Final = 1.0
# Where a source or a collection of many begins.
_BEGIN: Final = re.compile(r"^(?:  \w|    - max_attempts)", re.MULTILINE)


@kind("configuration changed", touches="configuration", hold=A_WHILE)
@asynccontextmanager
async def configuration_changed(system: System, _victim: int) -> AsyncIterator[None]:
    """Schedules come, go and change; a version that is no YAML and one that lacks a destination come between."""
    system.change_catalogue()
    await asyncio.sleep(_LOOK_SECONDS)
    system.may_refuse_until = math.inf
    system.put_catalogue("sources: [this is: no catalogue")
    yield
    system.change_catalogue()
    system.may_refuse_until = time.monotonic() + _START_SECONDS


@kind("catalogue half-written", touches="configuration", hold=A_WHILE)
@asynccontextmanager
async def half_written(system: System, victim: int) -> AsyncIterator[None]:
    """Written in place with a pause in it, as valid YAML of fewer collections; then an older version comes back."""
    system.version += 1
    text = system.text_of(system.version)
    system.may_lack_until = math.inf
    system.cluster.config.write_text(_beginning(text, victim))
    yield
    system.cluster.config.write_text(text)
    await asyncio.sleep(_SEEN_SECONDS)
    system.put_catalogue(system.text_of(system.version - 1))
    await asyncio.sleep(_SEEN_SECONDS)
    system.put_catalogue(system.text_of(system.version))
    system.may_lack_until = time.monotonic() + _START_SECONDS


def _beginning(text: str, number: int) -> str:
    """The text up to one of the places where a source or a collection begins: a collection cut short is another one.

    Its schedule, for example, ends at once when the key is missing.
    """
    places = [place.start() for place in _BEGIN.finditer(text, text.index("\nsources:"))]
    return text[: places[1 + number % (len(places) - 1)]]
