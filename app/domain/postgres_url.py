"""The form of the URL of Syncline's own database."""

from __future__ import annotations

import re
from typing import Final

EXAMPLE: Final = "postgresql://user:password@host:5432/database"
SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
POSTGRES: Final = frozenset({"postgresql", "postgres"})
"""The schemes that libpq accepts."""
NO_SCHEME: Final = f"has no scheme; expected {EXAMPLE}"
