"""Whether the drivers of PostgreSQL find a password in a file that they read at each login."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container

_IN_HOME: Final = "~/.pgpass"


def reads_passfile(parameters: Container[str]) -> bool:
    """Whether a login without a password reads one from a file, which may have another the next time.

    `parameters` are those of the connection. Without `passfile` and `service` in them, libpq and asyncpg read the file
    of PGPASSFILE, or `~/.pgpass` if there is one.
    """
    if "PGPASSWORD" in os.environ:
        return False
    return "passfile" in parameters or "service" in parameters or "PGPASSFILE" in os.environ or _is_in_home()


def _is_in_home() -> bool:
    # A user may have no home, or no access to it.
    with suppress(RuntimeError, OSError):
        return Path(_IN_HOME).expanduser().exists()
    return False
