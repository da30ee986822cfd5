"""What all attempts under a worker's lease share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from app.config.watch import CatalogueWatcher
    from app.execution.endings import Endings
    from app.execution.outages import KnownOutages
    from app.execution.progress import ProgressReports
    from app.execution.task_log import TaskLog
    from app.execution.unknown import LeftToOthers
    from app.store.bookmarks import Bookmarks
    from app.store.queue import TaskQueue
    from app.store.renewals import RenewedConfigs
    from app.store.streams import AttemptStreams


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """What all attempts under a worker's lease share."""

    worker: UUID
    queue: TaskQueue
    streams: AttemptStreams
    bookmarks: Bookmarks
    log: TaskLog
    watcher: CatalogueWatcher
    data_dir: Path
    grace_seconds: float
    endings: Endings
    progress: ProgressReports
    left_to_others: LeftToOthers
    renewed: RenewedConfigs
    outages: KnownOutages
