"""An index of packages for tests, with one package, and an installation without settings of whose machine it is."""

from __future__ import annotations

import http.server
import io
import os
import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

from app.connectors.programs import indexes
from tests.servers.web import answering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pytest

WHEEL = "tap_made-1.0-py3-none-any.whl"


def wheel(*commands: str, module: str = "") -> bytes:
    """Of tap-made 1.0, which brings `commands`: the function `main` of `module`, a text of Python."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = "tap_made-1.0.dist-info"
        entries = "".join(f"{each} = made:main\n" for each in commands)
        for name, text in {
            "METADATA": "Metadata-Version: 2.1\nName: tap-made\nVersion: 1.0\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "entry_points.txt": f"[console_scripts]\n{entries}",
            "RECORD": "",
        }.items():
            # Without the time of day, which would change the hash.
            archive.writestr(zipfile.ZipInfo(f"{info}/{name}"), text)
        if module:
            archive.writestr(zipfile.ZipInfo("made.py"), module)
    return packed.getvalue()


class Index(http.server.ThreadingHTTPServer):
    """`asked` are the paths that somebody wanted; only with `password` is an answer given."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://bob:hunter2@127.0.0.1:{self.server_address[1]}/simple"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Index

    def log_message(self, *_: Any) -> None:
        """Tests look at what was asked for."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = f'<!DOCTYPE html><html><body><a href="/{WHEEL}">{WHEEL}</a></body></html>'.encode()
        pages = {"/simple/tap-made/": ("text/html", page), f"/{WHEEL}": ("application/zip", wheel("tap-made"))}
        kind, content = pages.get(self.path, ("text/plain", b""))
        if self.headers["Authorization"] is None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
        else:
            self.send_response(200 if content else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def serving() -> AbstractContextManager[Index]:
    return answering(Index())


def forget_settings(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Neither pip nor uv has a setting: `home` is the user's, pip reads no file, and the machine's are left out."""
    for variable in os.environ:
        if variable.startswith(("PIP_", "UV_", "XDG_")):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(home / "everybody"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("_files_of_pip", "_files_of_uv"):
        monkeypatch.setattr(indexes, name, partial(_below, home, getattr(indexes, name)))


def _below(home: Path, files: Callable[[], Iterator[Path]]) -> Iterator[Path]:
    return (file for file in files() if file.is_relative_to(home))
