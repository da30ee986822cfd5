"""TCP ports. Without pydantic, so that the command line stays fast."""

from __future__ import annotations

from typing import Final

HIGHEST_PORT: Final = 65535
