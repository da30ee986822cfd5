"""Asks a source in a process of its own what it offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.attempt_protocol import Offered
from tests.connectors.attempts import Attempt, Told

if TYPE_CHECKING:
    from pathlib import Path


def discovered(directory: Path, type_: str, config: dict[str, Any], *collections: dict[str, Any]) -> Told:
    """An attempt in the mode `discover`; without collections the source is asked by itself."""
    jobs = [
        {"name": "all", "type": "all", "table_name": "t", "start_date": "2020-01-01"} | each
        for each in collections or [{}]
    ]
    return Told.by(
        Attempt(
            {
                "source": "asked",
                "source_type": type_,
                "source_config": config,
                "collections": jobs,
                "data_dir": str(directory / "state"),
                "mode": "discover",
            }
        )
    )


def offers(told: Told) -> list[Offered]:
    assert told.finished
    return [message for message in told.messages if isinstance(message, Offered)]
