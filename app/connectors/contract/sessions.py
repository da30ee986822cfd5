"""What the servers of sources show of the sessions that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.attempt_protocol import SourceJob


def session_name(job: SourceJob) -> str:
    """The name under which a server shows whatever reads this collection."""
    return f"syncline {job.source}.{job.collection.name}"


def session_environment(job: SourceJob) -> dict[str, str]:
    """What lets a program that connects through libpq name its sessions so, unless it has a name of its own.

    https://www.postgresql.org/docs/current/libpq-envars.html
    """
    return {"PGAPPNAME": session_name(job)}
