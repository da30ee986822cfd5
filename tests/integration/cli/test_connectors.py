"""`syncline connectors install` fills a directory, where neither passwords nor a database are there."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import yaml

from app.connectors.programs.packages import PackageSet, installed_command
from tests.servers.package_index import WHEEL, wheel

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def install(directory: Path, catalogue: dict[str, object], code: int) -> subprocess.CompletedProcess[str]:
    config = directory / "syncline.yaml"
    config.write_text(yaml.safe_dump(catalogue))
    unset = ("DATABASE_URL", "SYNCLINE_CONFIG", "SYNCLINE_CONNECTORS_DIR")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "app.cli", "connectors", "install"),
            *("--config", str(config), "--dir", str(directory / "image")),
        ],
        env={name: value for name, value in os.environ.items() if name not in unset}
        | {"SYNCLINE_DATA_DIR": str(directory / "data"), "SYNCLINE_INSTALL": "never"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    return done


def test_everything_that_the_catalogue_runs_is_installed_without_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / WHEEL
    made.write_bytes(wheel("tap-made"))
    package = f"tap-made@file://{made}"
    catalogue = {
        "server": {"secret_key": "${env.SYNCLINE_TEST_UNSET}"},
        "sources": {
            "shop": {
                "type": "singer",
                "destinations": ["warehouse"],
                "config": {"package": package, "config": {"url": "${env.SYNCLINE_TEST_UNSET}"}},
                "schedule": "${env.SYNCLINE_TEST_UNSET|@daily}",
            },
            "again": {"type": "singer", "destinations": ["lake"], "config": {"package": package}},
            "boxed": {
                "type": "airbyte",
                "destinations": ["warehouse"],
                "config": {"image": "airbyte/source-faker:6.2.10"},
            },
            "tables": {"type": "sql", "destinations": ["warehouse"], "config": {"url": "${env.SYNCLINE_TEST_UNSET}"}},
        },
        "destinations": {
            "warehouse": {"type": "postgres", "url": "${env.SYNCLINE_TEST_UNSET}"},
            "lake": {
                "type": "singer",
                "package": package,
                "settings": {"token": "${file./nonexistent}", "port": "${env.SYNCLINE_TEST_UNSET:int}"},
            },
        },
    }
    done = install(tmp_path, catalogue, 0)
    image = tmp_path / "image"
    assert done.stdout.splitlines() == [
        "Not installed: image airbyte/source-faker:6.2.10; run 'docker pull' where it will run.",
        package,
        f"{image} has 1 environment for this catalogue.",
    ]
    assert not (tmp_path / "data").exists()

    monkeypatch.setenv("SYNCLINE_CONNECTORS_DIR", str(image))
    monkeypatch.setenv("SYNCLINE_INSTALL", "never")
    said: list[str] = []
    command = installed_command(
        PackageSet((package,)), executable=None, data_dir=tmp_path / "data", log=lambda _, line: said.append(line)
    )
    assert command.is_file()
    assert command.is_relative_to(image)
    assert said == []


def test_what_cannot_be_installed_is_told_and_the_exit_code_is_1(tmp_path: Path) -> None:
    missing = f"tap-made@file://{tmp_path}/missing.whl"
    catalogue = {
        "sources": {
            "shop": {"type": "singer", "destinations": ["nowhere"], "config": {"package": missing}},
            "unpinned": {"type": "singer", "destinations": ["nowhere"], "config": {"package": "tap-made"}},
        },
        "destinations": {"nowhere": {"type": "none"}},
    }
    done = install(tmp_path, catalogue, 1)
    assert f"syncline: cannot install {missing}: the command ended with code " in done.stderr
    assert "sources.unpinned.config.package: " in done.stderr
    assert done.stderr.endswith("2 problems: not everything could be installed.\n")
    assert done.stdout == f"{tmp_path}/image has 0 environments for this catalogue.\n"
