"""The parameters of libpq that a user may set for a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.domain.choices import nearest

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

_OPTIONS: Final = {
    "host": "host",
    "port": "port",
    "user": "user",
    "password": "password",
    "dbname": "database",
    "sslmode": "sslmode",
}
"""Parameters that have an option of their own."""

_PAGE: Final = "https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS"


def check_parameters(names: Iterable[str], *, known: Sequence[str], elsewhere: Container[str]) -> None:
    """Raises ValueError for a name that is not `known` to libpq, or that stands `elsewhere` as well."""
    for name in names:
        if name in _OPTIONS:
            raise ValueError(f"{name!r} is an option of its own: write '{_OPTIONS[name]}' beside 'parameters'")
        if name == "application_name":
            raise ValueError("'application_name' cannot be set: Syncline names each connection after its task")
        if name not in known:
            similar = nearest(name, known)
            hint = f"; did you mean {similar!r}?" if similar else _hint(name)
            raise ValueError(f"libpq has no parameter {name!r}{hint}")
        if name in elsewhere:
            raise ValueError(f"{name!r} is in 'url' or 'ssl' as well: remove one of them")


def _hint(name: str) -> str:
    return f": a setting of the server goes into 'options', such as options: '-c {name}=…'; all parameters: {_PAGE}"
