"""The first pipeline of the README loads what it says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import duckdb

from tests.deploy_files import ROOT
from tests.harness import opened_store, running_worker

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_first_pipeline_of_the_readme_loads_its_file(database_url: str, tmp_path: Path) -> None:
    shown = re.search(r"^```yaml\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    text = shown[1].replace("deploy/demo", str(ROOT / "deploy/demo")).replace("weather.duckdb", str(tmp_path / "w.db"))
    config = tmp_path / "first.yaml"
    config.write_text(text)
    async with opened_store(database_url) as store, running_worker(database_url, config):
        task = await store.schedule("weather", "new_york", source_type="files")
        assert await store.ended(task, seconds=60) == "SUCCESS"
    with duckdb.connect(str(tmp_path / "w.db")) as connection:
        assert connection.execute("SELECT count(*) FROM new_york_weather").fetchall() == [(26115,)]
