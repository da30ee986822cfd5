"""Counts the rows of tables at a destination, in a child process as an attempt would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.attempt_protocol import Counted, CountRows
from app.execution.questions import answers_to, redacting, say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from app.config.catalogue import Catalogue


async def count_rows(
    catalogue: Catalogue,
    destination: str,
    tables: Sequence[str],
    *,
    data_dir: Path,
    tell: Callable[[str], None] = say_nothing,
) -> list[Counted]:
    """What each table has. `tell` gets a line now and then; nothing contains secrets of the catalogue.

    Raises:
        SynclineError: the destination cannot be reached, or the process failed or took too long.
    """
    job = CountRows(destination, catalogue.destinations[destination].for_attempt(), list(tables), str(data_dir))
    return await answers_to(job, Counted, redacting(catalogue), tell=tell)
