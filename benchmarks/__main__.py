"""Runs the benchmarks in turn and writes the page: `python -m benchmarks [NAME…] [--small]`.

Each has a process of its own. One that fails does not stop the others, but sets the exit code. A missed goal is no
failure.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

from benchmarks import page
from benchmarks.history import DIRECTORY_VARIABLE
from benchmarks.run import BENCHMARKS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run the benchmarks in turn.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--small", action="store_true", help="small sizes, to see that everything works; no page")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in BENCHMARKS]:
        parser.error(f"unknown benchmark {unknown[0]!r}; choose from {', '.join(BENCHMARKS)}")
    with tempfile.TemporaryDirectory(prefix="syncline-benchmark-") as directory:
        os.environ.setdefault(DIRECTORY_VARIABLE, directory)  # long histories are made once for all of them
        failed = [name for name in arguments.names or BENCHMARKS if not run(name, small=arguments.small)]
    if not arguments.small:
        page.main()
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def run(name: str, *, small: bool) -> bool:
    """Whether the benchmark has run to its end."""
    began = time.monotonic()
    print(f"== {name}", flush=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", *(["--small"] if small else [])]
    ended = subprocess.run(command, check=False)
    print(f"== {name} took {time.monotonic() - began:.0f} s\n", flush=True)
    return ended.returncode == 0


if __name__ == "__main__":
    main()
