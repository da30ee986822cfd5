"""`make demo`: adds rows to the source, then becomes `syncline dev`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import source

from app.bootstrap.api import DEFAULT_HOST, bind
from app.domain.errors import SynclineError

CONFIG = Path(__file__).with_name("syncline.yaml")


def main() -> None:
    refuse_taken_port()
    source.main()
    syncline = str(Path(sys.executable).with_name("syncline"))
    os.execv(syncline, [syncline, "dev", "--config", str(CONFIG)])  # noqa: S606 - there is nothing to expand


def refuse_taken_port() -> None:
    """Ends if the port is taken, before rows are added to the source of the demo that uses it."""
    try:
        bind(DEFAULT_HOST, int(os.environ.get("SYNCLINE_PORT") or 8001)).close()
    except (SynclineError, ValueError) as error:
        print(f"syncline: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
