"""Lists and drops the tables of a collection, in a child process as an attempt would."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

from app.domain.attempt_protocol import DropTables, Failed, Finished, OwnTable
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.redaction import redactor_of
from app.execution.child import AttemptProcess, finish
from app.loops import finish_uninterrupted

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from app.config.catalogue import Catalogue

_TIMEOUT_SECONDS: Final = 600.0


async def own_tables(
    catalogue: Catalogue,
    source_id: str,
    collection_id: str,
    *,
    data_dir: Path,
    now: datetime,
    drop: dict[str, list[str]] | None = None,
) -> list[OwnTable]:
    """Return the tables that the collection has loaded into, after dropping those in `drop` (destination → names).

    Raises:
        ConfigurationError: the catalogue does not have the collection, or a destination cannot drop its tables.
        SynclineError: a destination's own error, without secrets of the catalogue.
    """
    source, collection = catalogue.find(source_id, collection_id)
    job = DropTables(
        source=source.id,
        source_type=source.type,
        source_config=source.config,
        collection=collection.for_attempt(now),
        destinations={id_: catalogue.destinations[id_].for_attempt() for id_ in source.destinations},
        data_dir=str(data_dir),
        confirmed=drop or {},
    )
    child = await AttemptProcess.start(job, os.environ)
    texts = asyncio.create_task(child.free_text(_ignore))
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return await _collect(child)
    except TimeoutError:
        raise SynclineError(f"the destinations did not answer within {_TIMEOUT_SECONDS:.0f} seconds") from None
    except SynclineError as error:
        raise type(error)(redactor_of(catalogue.secrets()).redact(str(error))) from None
    finally:
        await finish_uninterrupted(finish(child, texts, grace_seconds=1))


async def _collect(child: AttemptProcess) -> list[OwnTable]:
    found: list[OwnTable] = []
    async for message in child.messages():
        match message:
            case OwnTable():
                found.append(message)
            case Finished():
                return found
            case Failed(retryable=True):
                raise SynclineError(message.error)
            case Failed():
                raise ConfigurationError(message.error)
            case _:
                pass
    raise SynclineError(f"the process exited with code {await child.exit_code()} and sent no result")


async def _ignore(_text: str) -> None:
    """Drop what is printed: there is no task whose log could have it."""
