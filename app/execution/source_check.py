"""Asking a source without copying anything: whether it works, and what it offers."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from app.connectors.kinds import BY_COLLECTION, can_discover, no_discovery_error
from app.domain.attempt_protocol import Check, Checked, Discover, Failed, Finished, Installing, Offered
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.redaction import redactor_of
from app.execution.child import AttemptProcess, finish
from app.loops import finish_uninterrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.sources import Source
    from app.domain.collection import Collection

_TIMEOUT_SECONDS: Final = 120.0
# The first trial of a package installs it: stopped half-way it would begin anew, and never come to its end.
_INSTALLING_SECONDS: Final = 900.0

MOST_COLUMNS: Final = 500_000
"""All that a source offers together: beyond it nobody chooses by hand, and the answer would fill the memory."""


async def check_source(
    catalogue: Catalogue, source_id: str, collection_id: str | None, *, data_dir: Path, now: datetime
) -> None:
    """Let the connector look at its configuration and at what the collection names; without one, at each of them.

    Raises:
        ConfigurationError: the catalogue does not have the source or the collection.
        SynclineError: the connector's own error, without a secret of the catalogue.
    """
    source = catalogue.find_source(source_id)
    asked = list(source.collections.values())
    if collection_id is not None:
        asked = [catalogue.find(source_id, collection_id)[1]]
    with _redacting_errors(catalogue):
        await _answer(Check(**_question(source, asked, data_dir=data_dir, now=now)))


async def discover_source(catalogue: Catalogue, source_id: str, *, data_dir: Path, now: datetime) -> list[Offered]:
    """Ask the connector for everything that there is to choose from.

    Raises:
        ConfigurationError: the catalogue does not have the source, or a source of its kind cannot tell.
        SynclineError: the connector's own error, without a secret of the catalogue.
    """
    source = catalogue.find_source(source_id)
    if not can_discover(source.type):
        raise no_discovery_error(source.type)
    collections = list(source.collections.values())
    asked = collections if source.type in BY_COLLECTION else collections[:1]
    with _redacting_errors(catalogue):
        return await _answer(Discover(**_question(source, asked, data_dir=data_dir, now=now)))


@contextmanager
def _redacting_errors(catalogue: Catalogue) -> Iterator[None]:
    """A connector may say what it was given, whatever the name of its key."""
    try:
        yield
    except SynclineError as error:
        shown = redactor_of(catalogue.secrets()).redact(str(error))
        if shown == str(error):
            raise
        raise (ConfigurationError if isinstance(error, ConfigurationError) else SynclineError)(shown) from None


def _question(source: Source, asked: list[Collection], *, data_dir: Path, now: datetime) -> dict[str, Any]:
    return {
        "source": source.id,
        "source_type": source.type,
        "source_config": source.config,
        "collections": [collection.for_attempt(now) for collection in asked],
        "data_dir": str(data_dir),
    }


async def _answer(job: Check | Discover) -> list[Offered]:
    """What the connector's process says, which ends with the waiting for it."""
    child = await AttemptProcess.start(job, os.environ)
    texts = asyncio.create_task(child.free_text(_ignore))
    patience = _Patience()
    try:
        async with patience.clock:
            return await _hear_all(child, patience)
    except TimeoutError:
        raise SynclineError(patience.explain_timeout()) from None
    except asyncio.CancelledError:
        child.kill()  # nobody waits for its answer, so it gets no time to end
        raise
    finally:
        await finish_uninterrupted(finish(child, texts, grace_seconds=1))


class _Patience:
    """How long is waited: for each collection that is checked, and before the first for a package to be installed."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._installing_until = self._loop.time() + _INSTALLING_SECONDS
        self._installs = False
        self.clock = asyncio.timeout(_TIMEOUT_SECONDS)

    def wait_for_installer(self) -> None:
        """All installations together have one time."""
        self._installs = True
        self.clock.reschedule(self._installing_until)

    def begin_again(self) -> None:
        """The connector has the whole time again: its package is installed, or its next collection has come."""
        self._installs = False
        self.clock.reschedule(self._loop.time() + _TIMEOUT_SECONDS)

    def explain_timeout(self) -> str:
        if self._installs:
            return f"installing the connector's package took more than {_INSTALLING_SECONDS / 60:.0f} minutes"
        return f"the connector did not answer within {_TIMEOUT_SECONDS:.0f} seconds"


async def _hear_all(child: AttemptProcess, patience: _Patience) -> list[Offered]:
    offered: list[Offered] = []
    columns = 0
    async for message in child.messages():
        match message:
            case Checked():
                patience.begin_again()
            case Offered():
                offered.append(message)
                columns += 1 + len(message.columns)
                if columns > MOST_COLUMNS:
                    raise SynclineError(f"the source offers more than {MOST_COLUMNS} columns: too many to list")
            case Installing(done=False):
                patience.wait_for_installer()
            case Installing():
                patience.begin_again()
            case Finished():
                return offered
            case Failed(retryable=True):
                raise SynclineError(message.error)
            case Failed():
                raise ConfigurationError(message.error)
            case _:
                pass
    raise SynclineError(f"the connector exited with code {await child.exit_code()} and sent no result")


async def _ignore(_text: str) -> None:
    """What the connector prints beside its result is for the log of a task, and this is none."""
