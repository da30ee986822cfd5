"""Counts the rows of tables at a destination, in a child process as an attempt would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from app.domain.attempt_protocol import Counted, CountRows
from app.domain.redaction import redactor_of
from app.execution.questions import ask, redacting_errors, say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.execution.questions import Answer


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
    found: list[Counted] = []
    redact = redactor_of(catalogue.secrets()).redact

    def keep(answer: Answer) -> None:
        if isinstance(answer, Counted):
            found.append(msgspec.structs.replace(answer, error=redact(answer.error)))

    job = CountRows(destination, catalogue.destinations[destination].for_attempt(), list(tables), str(data_dir))
    with redacting_errors(catalogue):
        await ask(job, keep, tell=lambda line: tell(redact(line)))
    return found
