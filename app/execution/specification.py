"""Asks a connector which configuration it needs, before any catalogue has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.attempt_protocol import Specified, Specify
from app.domain.collection import ALL, Collection, Inherited
from app.domain.redaction import Redactor
from app.domain.secret_values import secrets_in
from app.execution.questions import Redacting, answers_to, say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path


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
    collection = Collection(name=ALL).within(source_type, Inherited()).for_attempt(now)
    question = Specify(
        source=source_type,
        source_type=source_type,
        source_config=origin,
        collections=[collection],
        data_dir=str(data_dir),
    )
    answers = await answers_to(question, Specified, Redacting.by(Redactor(secrets_in(origin))), tell=tell)
    return answers[-1].specification
