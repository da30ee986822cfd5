"""A MariaDB server of the tests' own, on a socket: nobody else meets it, and it needs no port."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATH: Final = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"
PROGRAM: Final = shutil.which("mariadbd", path=_PATH)
_INSTALLER: Final = shutil.which("mariadb-install-db", path=_PATH)
MISSING: Final = "no mariadbd is installed here"


@contextmanager
def running_mariadb(directory: Path, *, zone: str) -> Iterator[Path]:
    """The path of its socket; its login `root` needs no password. `zone` is that of its machine."""
    data, path = directory / "data", directory / "socket"
    user = ["--user=root"] if os.geteuid() == 0 else []
    made = ["--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db", *user]
    subprocess.run([str(_INSTALLER), *made], check=True, capture_output=True)
    options = ["--no-defaults", f"--datadir={data}", f"--socket={path}", "--skip-networking", *user]
    with subprocess.Popen(
        [str(PROGRAM), *options], stderr=subprocess.PIPE, text=True, env=os.environ | {"TZ": zone}
    ) as server:
        assert server.stderr
        assert any("ready for connections" in line for line in server.stderr)
        yield path
        server.terminate()
        server.stderr.read()
