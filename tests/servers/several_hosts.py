"""Every form in which a URL names a server that is away and, after it, one that is there."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.postgres import TcpServer

FORMS: Final = (
    "postgresql://{login}@{host}:{away},{host}:{port}/{name}",
    "postgresql://{login}@/{name}?host={host}:{away}&host={host}:{port}",
    "postgresql://{login}@/{name}?host={host}&port={away}&host={host}&port={port}",
    "postgresql://{login}@/{name}?host={host},{host}&port={away},{port}",
    "postgres://{login}@{host},{host}/{name}?port={away},{port}&target_session_attrs=any",
)


@contextmanager
def first_one_away(form: str, server: TcpServer, name: str) -> Iterator[str]:
    """The URL of the database `name` in this form."""
    login = f"{quote(server['user'])}:{quote(server['password'])}"
    with socket.socket() as nobody:
        nobody.bind((server["host"], 0))
        away = nobody.getsockname()[1]
        yield form.format(login=login, host=server["host"], away=away, port=server["port"], name=name)
