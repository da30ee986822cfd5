"""Commands that can be interrupted wherever the tests run."""

from __future__ import annotations

from typing import Final

# Where tests run in the background, they and their children ignore SIGINT.
INTERRUPTIBLE: Final = """
import signal
from app.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
"""`syncline` as a program for `python -c`; its arguments follow."""
