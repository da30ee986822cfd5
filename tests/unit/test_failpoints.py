"""Fail points: without effect unless armed, armed only for tests, and every mistake is one clear line."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from app import failpoints
from app.cli.main import cli
from app.domain.errors import ConfigurationError
from app.failpoints import ACTIONS, POINTS, VARIABLE, FailPointError, arm, armed_environment, fail_point, parse

APP = Path(__file__).parents[2] / "app"


@pytest.fixture(autouse=True)
def _disarmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_armed", {})
    monkeypatch.setattr(failpoints, "_text", [])
    monkeypatch.setattr(failpoints, "_reached", Counter())


def test_a_point_that_is_not_armed_does_nothing() -> None:
    arm({}, allowed=True)
    for point in POINTS:
        fail_point(point)
    assert armed_environment() == {}


def test_an_armed_point_fails_and_the_others_do_not() -> None:
    arm({VARIABLE: "log.appended=error"}, allowed=True)
    fail_point("queue.claimed")
    with pytest.raises(FailPointError, match=r"log\.appended"):
        fail_point("log.appended")
    assert armed_environment() == {VARIABLE: "log.appended=error"}


@pytest.mark.parametrize(("probability", "fewest", "most"), [("0", 0, 0), ("0.5", 400, 600), ("1", 1000, 1000)])
def test_the_probability_decides_how_often(probability: str, fewest: int, most: int) -> None:
    arm({VARIABLE: f"log.appended=error:{probability}"}, allowed=True)
    random.seed(7)
    reached = 0
    for _ in range(1000):
        try:
            fail_point("log.appended")
        except FailPointError:
            reached += 1
    assert fewest <= reached <= most


def test_a_point_can_fail_the_second_time_and_never_again() -> None:
    arm({VARIABLE: "log.appended=error@2"}, allowed=True)
    fail_point("log.appended")
    with pytest.raises(FailPointError):
        fail_point("log.appended")
    fail_point("log.appended")


def test_a_process_is_killed_at_its_point() -> None:
    program = f"from app.failpoints import *; arm({{'{VARIABLE}': 'queue.claimed=kill:1'}}, allowed=True); "
    done = subprocess.run([sys.executable, "-c", program + "fail_point('queue.claimed')"], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere=kill", f"unknown fail point 'nowhere'; choose one of {', '.join(sorted(POINTS))}"),
        ("log.appended=explode", f"log.appended: unknown action 'explode'; choose one of {', '.join(ACTIONS)}"),
        ("log.appended", "log.appended: unknown action ''"),
        ("log.appended=kill:2", "log.appended: probability '2' must be a number from 0 to 1"),
        ("log.appended=kill:often", "log.appended: probability 'often' must be a number from 0 to 1"),
        ("log.appended=kill:0.5,", "unknown fail point ''"),
        ("log.appended=kill@0", "log.appended: time '0' must be an integer, 1 or greater"),
        ("log.appended=kill@-1", "log.appended: time '-1' must be an integer, 1 or greater"),
    ],
)
def test_what_is_no_fail_point_is_one_clear_error(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        parse(text)


@pytest.mark.parametrize("command", ["api", "worker", "dev"])
def test_a_service_refuses_to_start_with_fail_points_unless_a_test_starts_it(command: str) -> None:
    environment = {VARIABLE: "queue.claimed=kill:0.5", "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    refused = CliRunner().invoke(cli, [command, "--config", "/nowhere.yaml"], env=environment)
    assert refused.exit_code == 2
    assert refused.stderr.splitlines() == [
        f"syncline: {VARIABLE} is set, which makes processes crash on purpose: unset it (tests give --with-fail-points)"
    ]
    assert "--with-fail-points" not in CliRunner().invoke(cli, [command, "--help"]).output
    started = CliRunner().invoke(cli, [command, "--with-fail-points", "--config", "/nowhere.yaml"], env=environment)
    assert "nowhere.yaml" in started.stderr


def test_every_point_stands_at_one_place_of_the_product_or_once_in_each_kind_of_destination() -> None:
    named = [name for file in APP.rglob("*.py") for name in re.findall(r'fail_point\("([^"]+)"\)', file.read_text())]
    assert set(named) == POINTS
    for name, places in Counter(named).items():
        assert places == 1 or name.startswith("destination."), name
