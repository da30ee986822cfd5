"""`python -m tests.chaos`: one seed after the other, a summary, and the results as JSON and as a table."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from app.connectors.programs.packages import PackageSet, installed_command
from tests.chaos.arguments import left_out, parse
from tests.chaos.load import PACKAGE
from tests.chaos.results import put_into_page, tables, write
from tests.chaos.run import run

# Beside the results they would be taken for some.
TAPS = Path(__file__).parents[2] / ".syncline" / "chaos"
_NAMESPACE = ("unshare", "--map-root-user", "--mount")
_MOST_SHOWN = 50
_INSIDE = "SYNCLINE_CHAOS_NAMESPACE"


def main() -> int:
    options = parse()
    _enter_namespace()
    results = []
    taps = _installed_tap() if options.tap else None
    for seed in options.seeds:
        directory = Path(tempfile.mkdtemp(prefix="syncline-chaos-"))
        directory.chmod(0o755)
        keep = True
        try:
            result = asyncio.run(
                run(seed, options.faults, directory, only=options.only, taps=taps, light=options.light)
            )
            keep = options.keep or not result.holds
        finally:
            if keep:
                print(f"the logs of all processes are kept: {directory}")
            else:
                shutil.rmtree(directory, ignore_errors=True)
        results.append(result)
        for line in (*result.violations[:_MOST_SHOWN], *result.problems):
            print(line)
        write(results, options.results)  # after each seed, for whoever does not wait for the last
    print(f"\n{tables(results)}\n\nAll of it as JSON: {options.results}")
    if options.page and (missing := left_out(options)):
        print(f"docs/reliability.md stays as it is: this run is without {missing}")
    elif options.page:
        put_into_page(results)
    return 0 if all(result.holds for result in results) else 1


def _installed_tap() -> Path:
    """Install the packaged tap where it is kept for the next time: the directory."""
    installed_command(PackageSet((PACKAGE,)), executable=None, data_dir=TAPS, log=lambda _level, text: print(text))
    return TAPS


def _enter_namespace() -> None:
    """Go on, where that is allowed, in a namespace where a small disk can be mounted; its mounts end with it."""
    if _INSIDE in os.environ or shutil.which("unshare") is None:
        return
    probe = subprocess.run([*_NAMESPACE, "true"], check=False, capture_output=True)
    if probe.returncode == 0:
        os.environ[_INSIDE] = "1"
        os.execvp(_NAMESPACE[0], [*_NAMESPACE, sys.executable, "-m", "tests.chaos", *sys.argv[1:]])  # noqa: S606 - itself


if __name__ == "__main__":
    sys.exit(main())
