"""All checks in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.doctor import (
    catalogue,
    clock,
    directory,
    history,
    network,
    rights,
    schema,
    server,
    sessions,
    transactions,
    work,
)
from app.doctor.bounded import bounded
from app.doctor.finding import Finding, State
from app.doctor.installation import SECONDS
from app.doctor.trials import try_everything

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from app.doctor.installation import Installation


@dataclass(frozen=True, slots=True)
class Check:
    """What looks at one subject, in `seconds` at most; `name` is that of the finding if it cannot.

    `seconds` is None if it has limits of its own. A program that is asked for the password has its own time.
    """

    name: str
    look: Callable[[Installation], Awaitable[Iterable[Finding]]]
    seconds: float | None = SECONDS


HERE: Final = (
    Check("syncline", server.look_at_program),
    Check("data directory", directory.look),
)
DATABASE: Final = Check("database", server.look)
IN_DATABASE: Final = (
    Check("writes", server.look_at_writes),
    Check("pooler", sessions.look_for_pooler),
    Check("settings", sessions.look_at_settings),
    Check("connections", sessions.count_connections),
    Check("clock", clock.look),
    Check("rights", rights.look),
    Check("schema", schema.look),
    Check("positions", schema.look_at_positions),
    Check("transactions", transactions.look_at_open),
    Check("prepared", transactions.look_at_prepared),
    Check("slots", transactions.look_at_slots),
)
IN_SCHEMA: Final = (
    Check("projections", work.look_at_projections),
    Check("workers", work.look_at_workers),
    Check("queue", work.look_at_queue),
    Check("outages", work.look_at_outages),
    Check("pools", work.look_at_pools),
    Check("schedules", work.look_at_schedules),
    Check("seals", history.look_at_seals),
)
# The libraries behind some sources take seconds to import.
CATALOGUE: Final = Check("catalogue", catalogue.look, seconds=60)
NETWORK: Final = Check("network", network.look, seconds=None)


async def examine(installation: Installation, *, tell: Callable[[str], None] | None = None) -> list[Finding]:
    """What all checks find. With `tell`, every source and destination is tried too; it gets a line about what is slow.

    Never raises. What needs an answer of the database is left out if there is none.
    """
    findings = await _run(HERE, installation)
    findings += (reached := await _run([DATABASE], installation))
    if not _failed(reached, DATABASE.name):
        findings += (found := await _run(IN_DATABASE, installation))
        if not _failed(found, "schema"):
            findings += await _run(IN_SCHEMA, installation)
    findings += await _run([CATALOGUE, NETWORK], installation)
    if tell is not None:
        findings += await try_everything(installation, tell=tell)
    return findings


def has_failure(findings: Iterable[Finding]) -> bool:
    return any(finding.state is State.FAIL for finding in findings)


async def _run(checks: Sequence[Check], installation: Installation) -> list[Finding]:
    findings: list[Finding] = []
    for check in checks:
        seconds = None if check.seconds is None else check.seconds + installation.asking_seconds
        findings += await bounded(check.name, check.look(installation), seconds=seconds)
    return findings


def _failed(findings: Iterable[Finding], name: str) -> bool:
    return has_failure(finding for finding in findings if finding.name == name)
