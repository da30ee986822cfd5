"""An attempt that dies where dlt is about to note that it has loaded everything."""

from __future__ import annotations

import os
import signal
from typing import Any

from dlt.destinations.impl.filesystem.filesystem import FilesystemClient
from dlt.destinations.job_client_impl import SqlJobClientBase


def die_at_the_end_of_a_load() -> None:
    SqlJobClientBase.complete_load = _die  # type: ignore[method-assign, assignment]
    FilesystemClient.complete_load = _die  # type: ignore[method-assign, assignment]


def _die(_client: Any, _load_id: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
