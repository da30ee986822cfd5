from __future__ import annotations

import subprocess
import sys

import pytest
from alembic.script import ScriptDirectory

from app.bootstrap.migrations import alembic_config
from app.bootstrap.schema_version import head, pending_migrations, schema_problem


def test_the_version_is_the_one_that_alembic_migrates_to() -> None:
    assert head() == ScriptDirectory.from_config(alembic_config()).get_current_head()


def test_older_schemas_are_refused_and_newer_ones_are_not() -> None:
    older = [script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()][1:]
    assert older
    for version in older:
        told = f"the database schema is at version {version}, but this release needs {head()}: run 'syncline migrate'"
        assert schema_problem(version) == told
    told = f"the database schema is not created yet, but this release needs {head()}: run 'syncline migrate'"
    assert schema_problem(None) == told
    assert [schema_problem(version) for version in (head(), "ffff")] == [None, None]


@pytest.mark.parametrize("process", ["api", "worker"])
def test_the_services_load_no_tool_of_migrations(process: str) -> None:
    tested = f"import sys, app.bootstrap.{process}; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", tested], check=False).returncode == 0


def test_what_a_migration_would_do_is_all_that_follows_the_version() -> None:
    scripts = [*ScriptDirectory.from_config(alembic_config()).walk_revisions()][::-1]
    steps = [(script.revision, script.doc) for script in scripts]
    assert pending_migrations(None) == steps
    assert pending_migrations(scripts[2].revision) == steps[3:]
    assert pending_migrations(head()) == pending_migrations("ffff") == []
