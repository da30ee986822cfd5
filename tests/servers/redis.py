"""Redis servers of the tests' own."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.servers.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD: Final = "hunter22"
PROGRAM: Final = shutil.which("redis-server")
MISSING: Final = "no redis-server is installed here"


@contextmanager
def running_redis(directory: Path) -> Iterator[Path]:
    """The path of its socket: nobody else meets it, and it needs no port."""
    path = directory / "socket"
    with _running(directory, "--port", "0", "--unixsocket", str(path)):
        yield path


@contextmanager
def running_sentinel(directory: Path, master: str) -> Iterator[tuple[int, int]]:
    """The port of a sentinel without a password, and that of its master."""
    sentinel, port = free_port(), free_port()
    file = directory / "sentinel.conf"
    file.write_text(
        f"port {sentinel}\nbind 127.0.0.1\ndir {directory}\nsentinel monitor {master} 127.0.0.1 {port} 1\n"
        f"sentinel auth-pass {master} {PASSWORD}\n"
    )
    with (
        _running(directory, "--bind", "127.0.0.1", "--port", str(port)),
        _started([str(PROGRAM), str(file), "--sentinel"], "Sentinel ID is"),
    ):
        yield sentinel, port


@contextmanager
def _running(directory: Path, *options: str) -> Iterator[None]:
    own = ["--save", "", "--dir", str(directory), "--requirepass", PASSWORD]
    with _started([str(PROGRAM), *options, *own], "eady to accept connections"):
        yield


@contextmanager
def _started(command: list[str], ready: str) -> Iterator[None]:
    """Until it has written a line with `ready`."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert any(ready in line for line in server.stdout)
        yield
        server.terminate()
