"""`python -m tests.chaos`: seeds in turn or several at once, a summary, and the results as JSON and as a table."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

from app.connectors.sources.singer.environment import installed_command
from tests.chaos.arguments import parse
from tests.chaos.load import PACKAGE
from tests.chaos.results import put_into_page, read, tables, write
from tests.chaos.run import run

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from tests.chaos.run import Result

# Beside the results they would be taken for some.
TAPS = Path(__file__).parents[2] / ".syncline" / "chaos"
_NAMESPACE = ("unshare", "--map-root-user", "--mount")
_MOST_SHOWN = 50
_INSIDE = "SYNCLINE_CHAOS_NAMESPACE"


def main() -> int:
    options = parse()
    _enter_namespace()
    taps = _installed_tap() if options.tap else None
    results: list[Result] = []
    for result in _at_once(options) if options.jobs > 1 else _in_turn(options, taps):
        results.append(result)
        for line in (*result.violations[:_MOST_SHOWN], *result.problems):
            print(line)
        results.sort(key=lambda result: result.seed)
        write(results, options.results)  # after each seed, for whoever does not wait for the last
    print(f"\n{tables(results)}\n\nAll of it as JSON: {options.results}")
    if options.page:
        put_into_page(results)
    return 0 if all(result.holds for result in results) else 1


def _in_turn(options: Namespace, taps: Path | None) -> Iterator[Result]:
    for seed in options.seeds:
        directory = Path(tempfile.mkdtemp(prefix="syncline-chaos-"))
        directory.chmod(0o755)
        try:
            yield asyncio.run(run(seed, options.faults, directory, only=options.only, taps=taps))
        finally:
            if options.keep:
                print(f"kept: {directory}")
            else:
                shutil.rmtree(directory, ignore_errors=True)


def _at_once(options: Namespace) -> Iterator[Result]:
    """Each seed in a process of its own, `options.jobs` at a time; what one prints comes when it has ended."""
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(options.jobs) as pool:
        begun = [pool.submit(_of_its_own, options, seed, Path(directory) / f"{seed}.json") for seed in options.seeds]
        for ended in as_completed(begun):
            yield from ended.result()


def _of_its_own(options: Namespace, seed: int, file: Path) -> list[Result]:
    command = [
        sys.executable,
        "-m",
        "tests.chaos",
        f"--seeds={seed}",
        f"--faults={options.faults}",
        f"--results={file}",
    ]
    command += [f"--only={','.join(options.only)}"] * bool(options.only)
    command += ["--tap"] * options.tap + ["--keep"] * options.keep
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if not file.exists():
        raise RuntimeError(f"seed {seed} has no result:\n{ended.stdout}")
    print(ended.stdout.partition("\n\n|")[0], flush=True)
    return read(file)


def _installed_tap() -> Path:
    """Install the packaged tap where it is kept for the next time: the directory."""
    installed_command((PACKAGE,), executable=None, data_dir=TAPS, log=lambda _level, text: print(text))
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
