"""Checks whether a source works, and discovers what it offers, without copying anything."""

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
# The first check of a connector installs its package. If that were stopped early, the next check would start over.
_INSTALLING_SECONDS: Final = 900.0

MOST_COLUMNS: Final = 500_000
"""Of all that a source offers. More are impractical to choose from, and the answer would take too much memory."""


async def check_source(
    catalogue: Catalogue, source_id: str, collection_id: str | None, *, data_dir: Path, now: datetime
) -> None:
    """Let the connector check its configuration and the collection, or all collections if none is given.

    Raises:
        ConfigurationError: the catalogue does not have the source or the collection.
        SynclineError: the connector's own error, without secrets of the catalogue.
    """
    source = catalogue.find_source(source_id)
    collections = list(source.collections.values())
    if collection_id is not None:
        collections = [catalogue.find(source_id, collection_id)[1]]
    with _redacting_errors(catalogue):
        await _run(Check(**_job(source, collections, data_dir=data_dir, now=now)))


async def discover_source(catalogue: Catalogue, source_id: str, *, data_dir: Path, now: datetime) -> list[Offered]:
    """Let the connector list everything that it offers.

    Raises:
        ConfigurationError: the catalogue does not have the source, or its kind cannot be discovered.
        SynclineError: the connector's own error, without secrets of the catalogue.
    """
    source = catalogue.find_source(source_id)
    if not can_discover(source.type):
        raise no_discovery_error(source.type)
    collections = list(source.collections.values())
    if source.type not in BY_COLLECTION:
        collections = collections[:1]
    with _redacting_errors(catalogue):
        return await _run(Discover(**_job(source, collections, data_dir=data_dir, now=now)))


@contextmanager
def _redacting_errors(catalogue: Catalogue) -> Iterator[None]:
    """Redact errors: a connector may repeat any of its settings."""
    try:
        yield
    except SynclineError as error:
        redacted = redactor_of(catalogue.secrets()).redact(str(error))
        if redacted == str(error):
            raise
        raise (ConfigurationError if isinstance(error, ConfigurationError) else SynclineError)(redacted) from None


def _job(source: Source, collections: list[Collection], *, data_dir: Path, now: datetime) -> dict[str, Any]:
    return {
        "source": source.id,
        "source_type": source.type,
        "source_config": source.config,
        "collections": [collection.for_attempt(now) for collection in collections],
        "data_dir": str(data_dir),
    }


async def _run(job: Check | Discover) -> list[Offered]:
    """Run the connector in a child process, which is killed if this is canceled."""
    child = await AttemptProcess.start(job, os.environ)
    texts = asyncio.create_task(child.free_text(_ignore))
    patience = _Patience()
    try:
        async with patience.clock:
            return await _collect_offers(child, patience)
    except TimeoutError:
        raise SynclineError(patience.explain_timeout()) from None
    except asyncio.CancelledError:
        child.kill()  # the result is not needed, so it gets no time to clean up
        raise
    finally:
        await finish_uninterrupted(finish(child, texts, grace_seconds=1))


class _Patience:
    """The timeout: for each collection that is checked, and longer while the connector's package is installed."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._installing_until = self._loop.time() + _INSTALLING_SECONDS
        self._installs = False
        self.clock = asyncio.timeout(_TIMEOUT_SECONDS)

    def wait_for_installer(self) -> None:
        """Extend the timeout to the end of the time for all installations together."""
        self._installs = True
        self.clock.reschedule(self._installing_until)

    def begin_again(self) -> None:
        """Restart the timeout, after the installation or a checked collection."""
        self._installs = False
        self.clock.reschedule(self._loop.time() + _TIMEOUT_SECONDS)

    def explain_timeout(self) -> str:
        if self._installs:
            return f"installing the connector's package took more than {_INSTALLING_SECONDS / 60:.0f} minutes"
        return f"the connector did not answer within {_TIMEOUT_SECONDS:.0f} seconds"


async def _collect_offers(child: AttemptProcess, patience: _Patience) -> list[Offered]:
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
    """Drop what the connector prints: there is no task whose log could have it."""
