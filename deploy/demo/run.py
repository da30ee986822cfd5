"""`make demo`: let the source's rows arrive, then become `syncline dev`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import source

CONFIG = Path(__file__).with_name("syncline.yaml")


def main() -> None:
    source.main()
    syncline = str(Path(sys.executable).with_name("syncline"))
    os.execv(syncline, [syncline, "dev", "--config", str(CONFIG)])  # noqa: S606 - there is nothing to expand


if __name__ == "__main__":
    main()
