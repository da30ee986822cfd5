"""What PostgreSQL says that trying again does not mend: the user has to do something about it."""

from __future__ import annotations

from typing import Final

LASTING_CLASSES: Final = ("0A", "22", "28", "3D", "3F", "42", "54")
"""Of the SQLSTATE of a statement: https://www.postgresql.org/docs/current/errcodes-appendix.html."""
LASTING_REFUSALS: Final = ("no password supplied", "authentication failed", "does not exist", "no pg_hba.conf entry")
"""In the words for a connection that is refused, which have no SQLSTATE."""
