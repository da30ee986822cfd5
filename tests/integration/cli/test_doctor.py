"""`syncline doctor`, as people type it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "sources: {load: {type: synthetic, destinations: [d], collections: [a]}}\ndestinations: {d: {type: none}}\n"


def syncline(directory: Path, *arguments: str, url: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SYNCLINE_DATA_DIR": str(directory / "data"), "DATABASE_URL": url}
    environment.pop("DATABASE_DIRECT_URL", None)
    command = [sys.executable, "-m", "app.cli", "doctor", *arguments]
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "syncline.yaml"
    path.write_text(GOOD)
    return path


def test_one_line_says_what_was_found_and_the_remedy_is_below_its_text(config: Path, database_url: str) -> None:
    done = syncline(config.parent, "--config", str(config), url=database_url)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, summary = done.stdout.splitlines()
    assert summary.startswith("0 failures, ")
    assert "\x1b" not in done.stdout
    begin = lines[0].index("0.")
    assert all(line[:begin].strip() == "" or line[begin - 1] == " " != line[begin] for line in lines)
    at = next(number for number, line in enumerate(lines) if line.startswith("warn  workers "))
    assert lines[at][begin:] == "none is alive: nothing is claimed and no schedule fires"
    assert lines[at + 1] == " " * begin + "Start 'syncline worker'."
    assert not (config.parent / "data").exists()


def test_a_failure_is_exit_code_1_and_json_has_the_same_findings(config: Path) -> None:
    shown = syncline(config.parent, "--config", str(config))
    assert shown.returncode == 1
    assert "\nfail  database " in shown.stdout
    done = syncline(config.parent, "--config", str(config), "--json")
    assert done.returncode == 1
    findings = json.loads(done.stdout)
    assert all(finding.keys() == {"name", "state", "text", "remedy"} for finding in findings)
    assert [finding["name"] for finding in findings if finding["state"] == "fail"] == ["database"]
    assert "Traceback" not in shown.stderr + done.stderr


@pytest.mark.parametrize("arguments", [["--overwrite"], ["--bundle", ""], ["--bundle", "missing/b.tar.gz"], ["more"]])
def test_wrong_usage_is_exit_code_2(config: Path, arguments: list[str]) -> None:
    done = syncline(config.parent, *arguments)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_setting_that_cannot_be_read_is_exit_code_2(config: Path) -> None:
    done = syncline(config.parent, url="mysql://host/db")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "syncline: DATABASE_URL: must begin with postgresql://, not mysql://\n"


def test_a_bundle_is_only_for_its_user_and_replaces_nothing_by_itself(config: Path, database_url: str) -> None:
    path = config.parent / "bundle.tar.gz"
    made = syncline(config.parent, "--bundle", str(path), url=database_url)
    assert made.returncode == 0, made
    assert path.stat().st_mode & 0o777 == 0o600
    assert f"{path} is written, with README.txt, findings.json, " in made.stderr
    before = path.read_bytes()
    refused = syncline(config.parent, "--bundle", str(path), url=database_url)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"syncline: --bundle: '{path}' exists: name another file, or use --overwrite\n"
    assert path.read_bytes() == before
    path.chmod(0o644)
    assert syncline(config.parent, "--bundle", str(path), "--overwrite", url=database_url).returncode == 0
    assert path.stat().st_mode & 0o777 == 0o600
