"""Asks a connector which configuration it needs, before any catalogue has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.attempt_protocol import Specified, Specify
from app.domain.collection import ALL, Collection, Inherited
from app.execution.questions import ask, say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from app.execution.questions import Answer


async def ask_specification(
    source_type: str,
    origin: dict[str, Any],
    *,
    data_dir: Path,
    now: datetime,
    tell: Callable[[str], None] = say_nothing,
) -> dict[str, Any]:
    """The JSON Schema of the configuration that the connector at `origin`, a package or an image, asks for.

    Raises:
        ConfigurationError: the connector does not say so, or cannot be started.
        SynclineError: it cannot be installed, or took too long.
    """
    found: list[dict[str, Any]] = []

    def keep(answer: Answer) -> None:
        if isinstance(answer, Specified):
            found.append(answer.specification)

    collection = Collection(name=ALL).within(source_type, Inherited()).for_attempt(now)
    question = Specify(
        source=source_type,
        source_type=source_type,
        source_config=origin,
        collections=[collection],
        data_dir=str(data_dir),
    )
    await ask(question, keep, tell=tell)
    return found[-1]
