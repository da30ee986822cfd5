"""The pages of the destinations show the types that columns get."""

from __future__ import annotations

import pytest

from tests.connectors.destinations.type_tables import read, table_of


@pytest.mark.parametrize("page", ["postgres", "duckdb", "parquet", "dlt", "singer"])
def test_the_page_shows_the_types_of_the_code(page: str) -> None:
    assert table_of(page) in read(page), "run python -m tests.connectors.destinations.type_tables"
