"""The version of the schema, and the check that a database has it.

It is read from the source of the migrations, because importing alembic takes a seventh of a process's memory.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.domain.errors import SchemaVersionError

if TYPE_CHECKING:
    from app.store.reads import Reader

_VERSIONS: Final = Path(__file__).parents[2] / "migrations" / "versions"
_REVISION: Final = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)
_FOLLOWS: Final = re.compile(r'^down_revision = "(\w+)"$', re.MULTILINE)


def head() -> str:
    """The version of this release's schema.

    Raises:
        RuntimeError: the migrations do not have exactly one head.
    """
    texts = _texts()
    followed = {followed for text in texts for followed in _FOLLOWS.findall(text)}
    ends = _known_revisions() - followed
    if len(ends) != 1:
        raise RuntimeError(f"the migrations end in {sorted(ends) or 'nothing'}, not in one version")
    return ends.pop()


def schema_problem(version: str | None) -> str | None:
    """Why this release cannot work with a schema of this version; None if it can.

    It works with its own version and with newer, unknown ones: every release works with the next release's schema.
    """
    if version is not None and (version == head() or version not in _known_revisions()):
        return None
    state = f"at version {version}" if version else "not created yet"
    return f"the database schema is {state}, but this release needs {head()}: run 'syncline migrate'"


def pending_migrations(version: str | None) -> list[tuple[str, str]]:
    """What `syncline migrate` would do with a schema of this version: each migration and its title, in order."""
    follows = {followed: (revision, title) for followed, revision, title in map(_describe, _texts())}
    pending: list[tuple[str, str]] = []
    while step := follows.get(version):
        pending.append(step)
        version = step[0]
    return pending


async def require_schema(reader: Reader) -> None:
    """Refuse a database whose schema is older than this release's.

    Raises:
        SchemaVersionError: the database was not migrated.
    """
    if problem := schema_problem(await reader.get_schema_version()):
        raise SchemaVersionError(problem)


def _describe(text: str) -> tuple[str | None, str, str]:
    """The version before, the version after, and the first line of the docstring."""
    before = _FOLLOWS.search(text)
    [after] = _REVISION.findall(text)
    return before[1] if before else None, after, text.partition("\n")[0].removeprefix('"""')


def _known_revisions() -> set[str]:
    return {revision for text in _texts() for revision in _REVISION.findall(text)}


@cache
def _texts() -> tuple[str, ...]:
    return tuple(path.read_text(encoding="utf-8") for path in _VERSIONS.glob("*.py"))
