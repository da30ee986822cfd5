"""Packages that not everybody installs: what is missing is told when a catalogue is checked, with its extra."""

from __future__ import annotations

import importlib.util


def check_installed(what: str, extra: str, *modules: str) -> None:
    """Raises ValueError, with what to install, unless all `modules` that `what` needs are there."""
    # Found, not imported: a catalogue is checked often, and by processes that never read or write anything.
    if any(importlib.util.find_spec(module) is None for module in modules):
        raise ValueError(f"{what} needs packages that are not installed: pip install 'syncline[{extra}]'")
