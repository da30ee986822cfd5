"""How many files a new part takes: CONTRIBUTING.md says the number, and it is tried on a copy of the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.deploy_files import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = """
sources:
  load:
    type: synthetic
    destinations: [nowhere]
    collections:
      - {name: made, greeting: hello, parameters: {records: 3}}
destinations:
  nowhere: {type: none}
"""

# Every line that the new key `greeting` takes: what it comes after, and the line.
NEW_KEY = {
    "app/domain/collection.py": [
        (
            "    parameters: dict[str, Any] = Field(default_factory=dict, repr=False)\n",
            "    greeting: str = 'nothing'\n",
        ),
        ("    windows: Windows | None = None\n", "    greeting: str = 'nothing'\n"),
    ],
    "app/connectors/sources/synthetic/source.py": [
        ("        self._log = log\n", "        log('info', f'it says {job.collection.greeting}')\n"),
    ],
}

# A real process for each: can it be read, what does it offer, and a task.
ASKS_AND_COPIES = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from app.config.reader import load_catalogue
from app.domain.attempt_protocol import Check, Discover, LogLine
from app.domain.claim import Claim
from app.execution.child import AttemptProcess, finish
from app.execution.jobs import make_job

catalogue = load_catalogue(Path(sys.argv[1]), {})
claim = Claim("load", "made", UUID(int=1), 1, 1, 0, 3, False, datetime.now(UTC), 0)
task = make_job(catalogue, claim, Path("data"))
source = dict(source="load", source_type="synthetic", source_config={}, data_dir="data", collections=[task.collection])

async def heard(job):
    child = await AttemptProcess.start(job, os.environ)
    texts = asyncio.create_task(child.free_text(lambda text: asyncio.sleep(0)))
    said = [each.message if isinstance(each, LogLine) else type(each).__name__ async for each in child.messages()]
    await finish(child, texts, grace_seconds=1)
    return said

for job in (Check(**source), Discover(**source), task):
    said = asyncio.run(heard(job))
    print(type(job).__name__, "it says hello" in said, said[-1])
"""


def test_a_key_of_a_collection_takes_two_files(tmp_path: Path) -> None:
    assert "**A key of a collection.** Two files:" in (ROOT / "CONTRIBUTING.md").read_text()
    assert len(NEW_KEY) == 2
    for package in ("app", "syncline", "migrations"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, lines in NEW_KEY.items():
        text = (tmp_path / name).read_text()
        for before, line in lines:
            assert text.count(before) == 1, (name, before)
            text = text.replace(before, before + line)
        (tmp_path / name).write_text(text)
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE)
    ran = subprocess.run(
        [sys.executable, "-c", ASKS_AND_COPIES, "catalogue.yaml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.splitlines() == ["Check True Finished", "Discover True Finished", "Sync True Finished"], (
        ran.stderr
    )
