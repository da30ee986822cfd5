"""PostgreSQL errors that a retry does not fix: the user has to act."""

from __future__ import annotations

from typing import Final

LASTING_CLASSES: Final = ("0A", "22", "28", "3D", "3F", "42", "54")
"""Classes of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html."""
LASTING_REFUSALS: Final = ("does not exist", "no pg_hba.conf entry")
"""Parts of the messages about refused connections, which have no SQLSTATE."""
LOGIN_REFUSALS: Final = (
    *("no password supplied", "authentication failed"),  # PostgreSQL
    "Access denied for user",  # MySQL and MariaDB
    "Login failed for user",  # SQL Server
    "ORA-01017",
    "Incorrect username or password",  # Snowflake
)
"""Parts of the messages about refused logins: another password may help, if it can be read again."""


def is_login_refusal(message: str) -> bool:
    """Whether a driver's error says that the server refuses the user or the password."""
    return any(refusal in message for refusal in LOGIN_REFUSALS)
