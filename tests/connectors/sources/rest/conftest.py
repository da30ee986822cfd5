from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.connectors.sources.rest.web import Server, Web, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def web(server: Server, tmp_path: Path) -> Web:
    """A source with one collection, `orders`, at the path `rows`."""
    return Web(server, tmp_path, [{"name": "orders", "endpoint": {"path": "rows"}}])
