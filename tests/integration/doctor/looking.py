"""How the tests of the doctor look at an installation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.config.settings import Settings
from app.doctor.bounded import bounded
from app.doctor.installation import Installation
from app.store.address import DatabaseAddress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from app.doctor.finding import Finding


def installation_at(url: str | None = None, *, direct: str | None = None, **settings: Any) -> Installation:
    """One whose database was reached already, if there is one."""
    given = {"DATABASE_URL": url, **settings}
    return Installation(
        Settings(**{name: value for name, value in given.items() if value is not None}),
        config=None,
        address=DatabaseAddress.of(url, direct) if url else None,
    )


def with_catalogue(path: Path, text: str, **given: Any) -> Installation:
    """One with this catalogue at this path."""
    path.write_text(text)
    return replace(installation_at(**given), config=path)


async def look(
    check: Callable[[Installation], Awaitable[Iterable[Finding]]], installation: Installation
) -> list[tuple[str, str, str, str]]:
    """What the check finds: name, state, text and remedy."""
    found = await bounded("check", check(installation), seconds=60)
    return [(each.name, each.state.value, each.text, each.remedy) for each in found]


async def look_once(
    check: Callable[[Installation], Awaitable[Iterable[Finding]]], installation: Installation
) -> tuple[str, str, str, str]:
    [found] = await look(check, installation)
    return found
