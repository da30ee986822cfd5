"""A Redis server of the tests' own, on a socket: nobody else meets it, and it needs no port."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD: Final = "hunter22"
PROGRAM: Final = shutil.which("redis-server")
MISSING: Final = "no redis-server is installed here"


@contextmanager
def running_redis(directory: Path) -> Iterator[Path]:
    """The path of its socket."""
    path = directory / "socket"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(directory)]
    with subprocess.Popen(
        [str(PROGRAM), *options, "--requirepass", PASSWORD], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        assert any("eady to accept connections" in line for line in server.stdout)
        yield path
        server.terminate()
