"""Where a collection is written whose test has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.bootstrap.sources import catalogue_of
from app.bootstrap.trials import Trial, locate, path_of
from app.config.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = """\
shop:
  type: synthetic
  destinations: [nowhere]
  collections:
    - users
    - name: orders
tap:
  type: singer
  destinations: [nowhere]
  config: {command: tap}
"""
DESTINATIONS = "destinations: {nowhere: {type: none}}\n"


@pytest.mark.parametrize("separate", [False, True])
def test_a_collection_is_located_wherever_the_sources_are_written(tmp_path: Path, *, separate: bool) -> None:
    path = own = tmp_path / "syncline.yaml"
    if separate:
        own = tmp_path / "sources.yaml"
        own.write_text(f"\n{SOURCES}")
        path.write_text(f"sources: sources.yaml\n{DESTINATIONS}")
    else:
        indented = "".join(f"  {line}" for line in SOURCES.splitlines(keepends=True))
        path.write_text(f"sources:\n{indented}{DESTINATIONS}")
    settings = read_settings()
    sources = catalogue_of(settings, path).sources

    def text(source: str, collection: str) -> str:
        (problem,) = locate(settings, path, [Trial("", "", path_of(sources[source], collection), error="fails")])
        return str(problem)

    assert text("shop", "users") == f"{own}:6: sources.shop.collections[0]: fails"
    assert text("shop", "orders") == f"{own}:7: sources.shop.collections[1]: fails"
    assert text("tap", "all") == f"{own}:8: sources.tap: fails"
