"""`syncline sources spec`: a connector is installed and asked, without any catalogue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.servers.package_index import WHEEL, wheel

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {"type": "object", "required": ["url"], "properties": {"url": {"type": "string", "description": "Where."}}}
CONNECTOR = f"""
import json, sys
SETTINGS = json.loads({json.dumps(json.dumps(SETTINGS))})
def main():
    assert "airbyte" in sys.argv[0] or sys.argv[1:] == ["--about", "--format=json"], sys.argv
    if sys.argv[1:] == ["spec"]:
        print(json.dumps({{"type": "SPEC", "spec": {{"connectionSpecification": SETTINGS}}}}))
    else:
        print(json.dumps({{"name": "made", "settings": SETTINGS}}))
"""
MUTE = "def main():\n    raise SystemExit('unknown option --about')\n"


def spec(directory: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "sources", "spec", *arguments],
        env=os.environ | {"SYNCLINE_DATA_DIR": str(directory / "data"), "SYNCLINE_CONFIG": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    return done


def package(directory: Path, module: str, *commands: str) -> str:
    made = directory / WHEEL
    made.write_bytes(wheel(*commands, module=module))
    return f"tap-made@file://{made}"


@pytest.mark.parametrize(("type_", "command"), [("singer", "tap-made"), ("airbyte", "airbyte-made")])
def test_a_connector_says_what_it_asks_for(tmp_path: Path, type_: str, command: str) -> None:
    made = package(tmp_path, CONNECTOR, command)
    done = spec(tmp_path, made, "--type", type_)
    assert yaml.safe_load(done.stdout) == {
        "sources": {"made": {"type": type_, "destinations": [], "config": {"package": made, "config": {"url": ""}}}}
    }
    assert "        # Where. (required, string)\n" in done.stdout
    assert "syncline: installing tap-made" in done.stderr
    again = spec(tmp_path, made, "--type", type_, "--json")
    assert json.loads(again.stdout) == SETTINGS
    assert "installing" not in again.stderr


def test_a_tap_that_cannot_be_asked_is_one_error(tmp_path: Path) -> None:
    done = spec(tmp_path, package(tmp_path, MUTE, "tap-made"), code=2)
    told = "syncline: the tap does not say which configuration it asks for: only taps of the Singer SDK do so; "
    assert done.stderr.splitlines()[-1] == f"{told}see its documentation"
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("tap-made",), "syncline: config.package: 'tap-made' is not pinned: write name==version"),
        (("anything==1.0",), "does not tell what it is: give '--type singer' or '--type airbyte'"),
        (("airbyte/source-made:1.0", "--type", "singer"), "syncline: config.image: unknown key"),
    ],
)
def test_what_is_no_package_is_refused_before_anything_is_installed(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    assert told in spec(tmp_path, *arguments, code=2).stderr
    assert not (tmp_path / "data" / "venvs").exists()
