"""How many files a new part takes: CONTRIBUTING.md says the number, and it is tried on a copy of the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest

from tests.deploy_files import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = """
sources:
  greeter:
    type: greeter
    destinations: [warehouse]
    config: {names: [Ada, Grace]}
    collections:
      - {name: greetings, greeting: hello}
destinations:
  warehouse: {type: duckdb, path: warehouse.duckdb}
"""

# A kind of source: its folder, and what one line of `kinds.py` becomes. Its page and its tests come with them.
FOLDER = {
    "__init__.py": "",
    "options.py": '''
"""The options of the source `greeter`: whom it greets."""

from app.connectors.contract.kind import SourceKind
from app.connectors.options.types import Options


class GreeterOptions(Options):
    names: tuple[str, ...]


KINDS = {
    "greeter": SourceKind(
        GreeterOptions, where="app.connectors.sources.greeter.source:GreeterSource", offers="by itself"
    )
}
''',
    "source.py": '''
"""A greeting for each name."""

from app.connectors.contract.offers import column_types
from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.domain.attempt_protocol import Offered

COLUMNS = {"name": Kind.TEXT, "greeting": Kind.TEXT}


class GreeterSource:
    def __init__(self, options, parameters, job, *, work_dir, log):
        self._names = options.names
        self._collection = job.collection

    def check(self):
        pass

    def discover(self):
        yield Offered(name="greetings", columns=column_types(COLUMNS), key=["name"])

    def read(self, bookmark):
        table = self._collection.table_name
        yield Table(name=table, columns=COLUMNS, key=("name",), full_refresh=True)
        rows = [{"name": name, "greeting": self._collection.greeting} for name in self._names]
        yield Rows(table, rows, size=100 * len(rows))
        yield Checkpoint(None)

    def close(self):
        pass
''',
}
# What each line comes after, and the line: one for the kind, and all that the key `greeting` takes beside its use.
NEW_LINES = {
    "app/connectors/kinds.py": [('    "synthetic",\n', '    "greeter",\n')],
    "app/domain/collection.py": [
        (
            "    parameters: dict[str, Any] = Field(default_factory=dict, repr=False)\n",
            "    greeting: str = 'nothing'\n",
        ),
        ("    windows: Windows | None = None\n", "    greeting: str = 'nothing'\n"),
    ],
}

RUN_AN_ATTEMPT = """
import asyncio, os
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from app.config.reader import load_catalogue
from app.domain.claim import Claim
from app.execution.child import AttemptProcess, finish
from app.execution.jobs import make_job

claim = Claim("greeter", "greetings", UUID(int=1), 1, 1, 0, 3, False, datetime.now(UTC), 0)
job = make_job(load_catalogue(Path("syncline.yaml"), {}), claim, Path("data"))

async def run():
    child = await AttemptProcess.start(job, os.environ)
    texts = asyncio.create_task(child.free_text(lambda text: asyncio.sleep(0)))
    messages = [message async for message in child.messages()]
    await finish(child, texts, grace_seconds=1)
    print(messages[-1])

asyncio.run(run())
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in ("app", "syncline", "migrations"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "app" / "connectors" / "sources" / "greeter"
    folder.mkdir()
    for name, text in FOLDER.items():
        (folder / name).write_text(text)
    for name, lines in NEW_LINES.items():
        text = (tmp_path / name).read_text()
        for before, line in lines:
            assert text.count(before) == 1, (name, before)
            text = text.replace(before, before + line)
        (tmp_path / name).write_text(text)
    (tmp_path / "syncline.yaml").write_text(CATALOGUE)
    return tmp_path


def run(copy: Path, *arguments: str) -> str:
    """What Python prints in the copy."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_kind_of_source_and_a_key_of_collections_take_the_files_that_are_named(copy: Path) -> None:
    told = (ROOT / "CONTRIBUTING.md").read_text()
    assert "**A kind of source.** Its folder" in told
    assert "one line in `app/connectors/kinds.py`" in told
    assert "**A key of collections.** Two files: `app/domain/collection.py` and the code that uses it" in told

    syncline = ("-m", "app.cli")
    assert "1 source with 1 collection" in run(copy, *syncline, "check", "syncline.yaml")
    assert "greetings" in run(copy, *syncline, "sources", "discover", "--config", "syncline.yaml", "greeter")
    tested = run(copy, *syncline, "sources", "test", "--config", "syncline.yaml", "greeter")
    assert [line.rsplit(None, 1)[-1] for line in tested.splitlines()] == ["RESULT", "ok", "ok"]

    assert "rows_written=2" in run(copy, "-c", RUN_AN_ATTEMPT)
    with duckdb.connect(str(copy / "warehouse.duckdb")) as warehouse:
        rows = warehouse.execute("SELECT name, greeting FROM greeter_greetings ORDER BY name").fetchall()
    assert rows == [("Ada", "hello"), ("Grace", "hello")]
