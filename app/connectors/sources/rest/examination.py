"""`python -m app.connectors.sources.rest.examination`: what dlt says about a configuration, without the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.dlt.examination import examine
from app.connectors.sources.rest.api import Api
from app.connectors.sources.rest.validation import InvalidConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.connectors.options.complaints import KeyProblem


def check(config: dict[str, Any], home: Path) -> Iterable[KeyProblem]:
    """Raises `ConfigurationError` if no resources can be made of it, and no single key is to blame."""
    try:
        Api(config, home=home, log=lambda _level, _message: None)
    except InvalidConfigError as error:
        return error.problems
    return ()


if __name__ == "__main__":
    examine(check)
