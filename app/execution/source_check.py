"""Trying a source out without copying anything."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.domain.attempt_protocol import AttemptJob, Failed, Finished
from app.domain.errors import ConfigurationError, SynclineError
from app.execution.child import AttemptProcess, finish
from app.loops import to_its_end

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from app.config.catalogue import Catalogue

_TIMEOUT_SECONDS: Final = 120.0
_NO_TASK: Final = UUID(int=0)


async def check_source(
    catalogue: Catalogue, source_id: str, collection_id: str | None, *, data_dir: Path, today: date
) -> None:
    """Let the connector look at its configuration and at what it names.

    Raises:
        ConfigurationError: the catalogue does not have the source or the collection.
        SynclineError: the connector's own error.
    """
    source = catalogue.sources.get(source_id)
    first = next(iter(source.collections)) if source else ""
    source, collection = catalogue.find(source_id, collection_id or first)
    job = AttemptJob(
        task=str(_NO_TASK),
        task_id=f"check of {source_id}",
        attempt=0,
        source=source.id,
        source_type=source.type,
        source_config=source.config,
        collection=collection.for_attempt(today),
        destinations={},
        generation=0,
        data_dir=str(data_dir),
        mode="check",
    )
    child = await AttemptProcess.start(job, os.environ)
    texts = asyncio.create_task(child.free_text(_ignore))
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            async for message in child.messages():
                match message:
                    case Finished():
                        return
                    case Failed(retryable=True):
                        raise SynclineError(message.error)
                    case Failed():
                        raise ConfigurationError(message.error)
                    case _:
                        pass
            raise SynclineError(f"the connector ended with exit code {await child.exit_code()} and no result")
    except TimeoutError:
        raise SynclineError(f"the connector did not answer within {_TIMEOUT_SECONDS:.0f} seconds") from None
    except asyncio.CancelledError:
        child.kill()  # nobody waits for its answer, so it gets no time to end
        raise
    finally:
        await to_its_end(finish(child, texts, grace_seconds=1))


async def _ignore(_text: str) -> None:
    """What the connector prints beside its result is for the log of a task, and this is none."""
