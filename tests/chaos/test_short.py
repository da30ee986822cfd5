"""The short form of `make chaos`: one seed, some ten faults under a lighter load, every invariant."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.faults import KINDS
from tests.chaos.plan import plan

ROOT = Path(__file__).parents[2]
# Chosen for its faults: processes, clock, network, servers, promotion, disk, locks, configuration.
SEED = 1957
FAULTS = 10


@pytest.mark.long
@pytest.mark.timeout(300)
def test_ten_faults_break_no_invariant_and_everything_runs_again_in_time(tmp_path: Path) -> None:
    results = tmp_path / "chaos.json"
    options = ["--seeds", str(SEED), "--faults", str(FAULTS), "--light", "--results", str(results)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]
    [seed] = json.loads(results.read_text())["seeds"]
    planned = [planned.kind for volley in plan(SEED, FAULTS, KINDS) for planned in volley]
    assert [one["kind"] for one in seed["injected"]] == [kind for kind in planned if kind not in seed["skipped"]]
    assert seed["violations"] == seed["problems"] == []
    assert seed["counts"]["SUCCESS"] > 100
