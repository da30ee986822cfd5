"""`python -m app.connectors.sources.rest.examination`: what dlt says about a configuration, without the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.dlt.examination import examine
from app.connectors.sources.rest.api import Api

if TYPE_CHECKING:
    from pathlib import Path


def complain(config: dict[str, Any], home: Path) -> None:
    """Raises `ConfigurationError` if no resources can be made of it."""
    Api(config, home=home, log=lambda _level, _message: None)


if __name__ == "__main__":
    examine(complain)
