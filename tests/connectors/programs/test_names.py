"""What programs are called in logs."""

from __future__ import annotations

import pytest

from app.connectors.programs.names import program_name


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["tap-github"], "tap-github"),
        (["/opt/taps/bin/tap-github", "--token", "hunter22"], "tap-github"),
        (["python", "/opt/tap.py", "--token", "hunter22"], "tap.py"),
        (["/usr/bin/python3.11", "-u", "-W", "ignore", "tap.py"], "tap.py"),
        (["python3", "-m", "tap_github"], "tap_github"),
        (["python3", "-c", "token = 'hunter22'"], "python3"),
        (["sh", "-c", "tap --token hunter22"], "sh"),
        (["bash", "run.sh"], "run.sh"),
        (["python"], "python"),
        (["python", "-m"], "python"),
        (["node", "--token=hunter22"], "node"),
        (["/"], "/"),
    ],
)
def test_a_command_is_called_by_its_last_part_or_that_of_its_script(command: list[str], name: str) -> None:
    assert program_name(command) == name


@pytest.mark.parametrize(
    "package",
    ["tap-github==1.2.3", "tap-github", "tap-github[fast]==1.2.3", "tap-github@https://me:hunter22@host/tap-1.0.zip"],
)
def test_a_package_gives_its_own_name(package: str) -> None:
    assert program_name(["/data/venvs/x/bin/tap"], [package, "other==1"]) == "tap-github"
