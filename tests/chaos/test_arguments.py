"""What cannot be done is refused in one line before anything is started, and a part of the run is not the page's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.arguments import FAULTS, SEEDS, left_out, parse


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seeds", "0,abc"], "--seeds: 'abc' is not a seed; write integers, separated by commas"),
        (["--seeds", ""], "--seeds: '' is not a seed"),
        (["--seeds=-1"], "--seeds: '-1' is not a seed"),
        (["--seeds", "1,2,1"], "--seeds: seed 1 is given twice"),
        (["--faults", "0"], "--faults: '0' is not a number of faults; write an integer, 1 or greater"),
        (["--faults", "many"], "--faults: 'many' is not a number of faults"),
        (["--only", "nosuch"], "--only: no fault has 'nosuch' in its name; valid are words of: "),
        (["--only", "rolling,"], "--only: no fault has '' in its name"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["--tap", "--seeds", "1,2,3"], "seeds 4, 5, 6, 7, 8, 9, 10"),
        (["--tap", "--faults", str(FAULTS - 1)], f"{FAULTS} faults for each seed"),
        (["--only", "rolling"], "every kind of fault (--only); the packaged tap (--tap)"),
        (["--tap", "--light"], "the whole load (--light)"),
        (["--tap", "--seeds", "11,10,9,8,7,6,5,4,3,2,1"], ""),
    ],
)
def test_a_part_of_the_run_is_not_for_the_page(arguments: list[str], missing: str) -> None:
    assert left_out(parse(arguments)) == missing


def test_the_committed_run_is_what_is_done_unless_something_else_is_asked_for() -> None:
    whole = parse(["--tap", "--page"])
    assert (whole.seeds, whole.faults, whole.only) == (list(SEEDS), FAULTS, [])
    assert parse(["--seeds", "3", "--faults", "20", "--only", "disk full,rolling"]).only == ["disk full", "rolling"]


def test_nothing_is_started_for_a_wrong_argument() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.chaos", "--only", "nosuch"]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines()[-1].startswith(
        "python -m tests.chaos: error: argument --only: no fault has 'nosuch'"
    )
