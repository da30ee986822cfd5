"""Runs a command with DATABASE_URL set to an empty database, which is dropped afterwards; from the project's root."""  # noqa: INP001 - a script

from __future__ import annotations

import os
import subprocess
import sys

from tests.servers.postgres import create_database, drop_database, running_server


def main(command: list[str]) -> int:
    if not command:
        sys.exit(f"usage: {sys.argv[0]} COMMAND [ARGUMENT]...")
    with running_server() as server:
        url = create_database(server.url)
        try:
            environment = os.environ | {"DATABASE_URL": url, "DATABASE_DIRECT_URL": url}
            return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - the Makefile's own
        finally:
            drop_database(url, server_url=server.url)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
