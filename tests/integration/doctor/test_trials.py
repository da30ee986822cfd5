"""`syncline doctor --try` also tries every source and destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.doctor import catalogue
from app.doctor.trials import try_everything
from tests.integration.doctor.looking import look, with_catalogue

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CATALOGUE = """
sources:
  load: {type: synthetic, destinations: [warehouse], collections: [made]}
  broken:
    type: sql
    destinations: [warehouse]
    config: {url: "postgresql://me:very-secret@127.0.0.1:1/none"}
    collections: [one]
destinations:
  warehouse: {type: duckdb, path: PATH}
"""


async def test_each_source_and_destination_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_DATA_DIR", str(tmp_path / "data"))
    text = CATALOGUE.replace("PATH", str(tmp_path / "warehouse.duckdb"))
    installation = with_catalogue(tmp_path / "syncline.yaml", text)
    assert await try_everything(installation, tell=print) == []
    await look(catalogue.look, installation)
    made, broken, warehouse = await try_everything(installation, tell=print)
    assert (made.name, made.state, made.text) == ("source load.made", "ok", "tried: nothing")
    assert (broken.name, broken.state, broken.text) == (
        "source broken.one",
        "fail",
        "tried: find the table, or prepare the query",
    )
    assert broken.remedy.startswith(f"{tmp_path}/syncline.yaml:8: sources.broken.collections[0]: ")
    assert "very-secret" not in broken.remedy
    assert (warehouse.name, warehouse.state) == ("destination warehouse", "ok")
