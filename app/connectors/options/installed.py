"""Optional packages: if one is missing, the error names the extra that installs it."""

from __future__ import annotations

import importlib.util


def check_installed(what: str, extra: str, *modules: str) -> None:
    """Raises ValueError, with what to install, unless all `modules` that `what` needs are installed."""
    # Looked up, not imported: catalogues are checked often, by processes that never read or write data.
    if any(importlib.util.find_spec(module) is None for module in modules):
        raise ValueError(f"{what} needs packages that are not installed: pip install 'syncline[{extra}]'")
