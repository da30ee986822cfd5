"""Where secrets are while an attempt works, and what is left of them when it is killed."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from app.attempt.workspace import sweep
from tests.connectors.attempts import Postgres, Scene

SECRET = "hunter2-hunter2"


def test_secrets_are_in_no_process_list_and_only_in_files_of_their_owner(tmp_path: Path, postgres: Postgres) -> None:
    scene = Scene(tmp_path, {"warehouse": postgres.options()})
    attempt = scene.start(password=SECRET, stop_at=3)
    attempt.stands_still()
    commands = commands_of_all()
    [tap] = [pid for pid, command in commands.items() if str(tmp_path).encode() in command]
    assert not any(SECRET.encode() in command for command in commands.values())
    for pid in (tap, attempt.pid):
        assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    written = [path for path in (tmp_path / "state").rglob("*") if path.is_file() and SECRET in path.read_text()]
    assert [path.name for path in written] == ["config.json"]
    assert written[0].stat().st_mode & 0o077 == 0
    os.kill(attempt.pid, signal.SIGKILL)
    attempt.close()
    assert written[0].exists()
    sweep(tmp_path / "state")
    assert not written[0].exists()


def test_a_sweep_leaves_living_attempts_alone(tmp_path: Path, postgres: Postgres) -> None:
    scene = Scene(tmp_path, {"warehouse": postgres.options()})
    attempt = scene.start(stop_at=3)
    attempt.stands_still()
    sweep(tmp_path / "state")
    assert list((tmp_path / "state" / "attempts").glob("*/config.json"))
    assert attempt.terminate() == 143
    assert not list((tmp_path / "state" / "attempts").glob("*/config.json"))


def commands_of_all() -> dict[int, bytes]:
    """What every process was started with, as everybody on the machine can see."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found[int(path.parent.name)] = path.read_bytes()
    return found
