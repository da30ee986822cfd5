"""The command `syncline`."""

from app.cli.main import main

__all__ = ["main"]
