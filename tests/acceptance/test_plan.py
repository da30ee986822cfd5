"""`syncline plan`, from a laptop that has a catalogue and a token."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.cluster import TOKEN, Cluster
from tests.acceptance.laptop import NOBODY, Laptop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = f"""
server: {{admin_token: {TOKEN}}}
sources:
  shop:
    type: files
    destinations: [lake]
    collections:
      - {{name: orders, primary_key: id, schedule: "@daily", parameters: {{path: LAKE/orders.csv}}}}
      - {{name: "old `|", parameters: {{path: LAKE/orders.csv}}}}
destinations:
  lake: {{type: duckdb, path: LAKE/lake.duckdb}}
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("plan")
    (directory / "orders.csv").write_text("id,day\n1,a\n2,b\n")
    return directory


@pytest.fixture(scope="module")
def laptop(module_database_url: str, directory: Path) -> Iterator[Laptop]:
    with Cluster(directory, written(directory, CONFIG), module_database_url) as cluster:
        cluster.worker()
        api = cluster.api()
        api.ended(api.run("shop", "orders"))
        token = subprocess.run(
            [sys.executable, "-m", "app.cli", "token", "create", "--scope", "admin", "--name", "laptop"],
            env=cluster.environment, capture_output=True, text=True, check=True, timeout=60,
        ).stdout.split()[0]  # fmt: skip
        yield Laptop(api.address, token)


def written(directory: Path, config: str) -> str:
    return config.replace("LAKE", str(directory))


def file_of(tmp_path: Path, config: str) -> str:
    (tmp_path / "syncline.yaml").write_text(config)
    return str(tmp_path / "syncline.yaml")


def test_nothing_is_different(laptop: Laptop, directory: Path, tmp_path: Path) -> None:
    same = file_of(tmp_path, written(directory, CONFIG))
    assert laptop.call("plan", "--config", same).stdout == "Nothing would change.\n"
    assert json.loads(laptop.call("plan", "--config", same, "--json").stdout) == {"changes": [], "tables": []}
    assert laptop.call("plan", "--config", same, "--markdown").stdout == "**Syncline plan.** Nothing would change.\n"


def test_what_is_different_is_an_exit_code_lines_and_a_count(laptop: Laptop, directory: Path, tmp_path: Path) -> None:
    other = written(directory, CONFIG).replace("@daily", "@hourly").replace("primary_key: id", "primary_key: day")
    kept = "\n".join(line for line in other.splitlines() if "old" not in line)
    planned = file_of(tmp_path, kept)
    shown = laptop.call("plan", "--config", planned, "--rows", code=5)
    lines = [line.split(maxsplit=2) for line in shown.stdout.splitlines()]
    assert [line[:2] for line in lines[:4]] == [
        ["~", "collection"], ["~", "collection"], ["-", "collection"], ["~", "table"],
    ]  # fmt: skip
    assert "@daily → @hourly, fires in " in lines[0][2]
    assert "primary_key: id → day" in lines[1][2]
    assert lines[2][2].startswith("shop.old `|")
    assert "lake: shop_orders" in lines[3][2]
    assert "but now there is the key 'day'" in lines[3][2]
    assert lines[3][2].endswith("(2 rows)")
    assert lines[-1] == ["1", "removed,", "1 changed. Tables: 1 loaded again."]
    document = json.loads(laptop.call("plan", "--config", planned, "--json", code=5).stdout)
    assert [each["change"] for each in document["changes"]] == ["changed", "changed", "removed"]
    (table,) = document["tables"]
    assert (table["destination"], table["table"], table["fate"]) == ("lake", "shop_orders", "reloaded")
    assert "rows" not in table
    comment = laptop.call("plan", "--config", planned, "--markdown", code=5).stdout.splitlines()
    assert (comment[0], comment[2], comment[-1]) == (f"**Syncline plan.** {' '.join(lines[-1])}", "```diff", "```")


def test_a_bad_catalogue_and_an_api_that_is_not_there(laptop: Laptop, directory: Path, tmp_path: Path) -> None:
    bad = file_of(tmp_path, written(directory, CONFIG).replace("type: files", "type: fils"))
    refused = laptop.call("plan", "--config", bad, code=2)
    assert "did you mean 'files'?" in refused.stderr
    assert laptop.call("plan", "--config", str(tmp_path / "none.yaml"), code=2).stderr.count("\n") == 1
    same = file_of(tmp_path, written(directory, CONFIG))
    refusing = Laptop(f"{laptop.environment['SYNCLINE_URL']}/elsewhere")
    assert refusing.call("plan", "--config", same, code=4).stderr.count("\n") == 1
    assert Laptop(NOBODY).call("plan", "--config", same, code=3).stderr.startswith(f"syncline: {NOBODY} ")
