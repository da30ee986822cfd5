"""Checks whether a destination works, without leaving anything there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.attempt_protocol import Checked, TryDestination
from app.domain.errors import SynclineError
from app.execution.questions import answers_to, redacting, say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.destinations import Destination


async def check_destination(
    catalogue: Catalogue, destination: Destination, *, data_dir: Path, tell: Callable[[str], None] = say_nothing
) -> Checked:
    """What its connector says, without secrets of the catalogue."""
    question = TryDestination(destination.id, destination.for_attempt(), str(data_dir))
    try:
        answers = await answers_to(question, Checked, redacting(catalogue), tell=tell)
    except SynclineError as error:
        return Checked(destination.id, error=str(error))
    return answers[-1]
