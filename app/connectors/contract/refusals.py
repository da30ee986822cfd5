"""PostgreSQL errors that a retry does not fix: the user has to act."""

from __future__ import annotations

from typing import Final

LASTING_CLASSES: Final = ("0A", "22", "28", "3D", "3F", "42", "54")
"""Classes of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html."""
LASTING_REFUSALS: Final = ("no password supplied", "authentication failed", "does not exist", "no pg_hba.conf entry")
"""Parts of the messages about refused connections, which have no SQLSTATE."""
