"""The data directory, tried out before anything relies on it."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

# One block: a full disk may still have room for an empty file.
_PROBE = bytes(4096)


def prepare_data_dir(path: Path) -> None:
    """Create the directory if it is missing, and check that files can be written to it.

    Raises:
        ConfigurationError: they cannot; for example, the path is a file, belongs to another user, or the disk is full.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(_PROBE)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        reason = "Not a directory" if isinstance(error, FileExistsError) else error.strerror
        raise ConfigurationError(
            f"cannot write to the data directory {str(path)!r}: {reason}; set SYNCLINE_DATA_DIR (or --data of "
            "'syncline dev') to a directory that this user can write to, on a disk with free space"
        ) from error
