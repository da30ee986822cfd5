"""A process does not outlive the one that started it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal is Linux's")

STARTER = """
import signal, subprocess, sys
from app.lifeline import end_with_parent
follow = end_with_parent(signal.SIGTERM)
subprocess.Popen(["sh", "-c", "echo started; exec sleep 600"], preexec_fn=follow)
sys.stdin.read()
"""

TOO_LATE = """
import os, signal, subprocess
from app.lifeline import end_with_parent
follow = end_with_parent(signal.SIGTERM)
if os.fork():
    os.wait()
else:  # as if the one who asked were gone: its process is not the parent of what is started here
    subprocess.run(["echo", "started"], preexec_fn=follow)
"""


def test_a_killed_starter_takes_its_program_along() -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert starter.stdout
    assert starter.stdout.readline() == b"started\n"
    starter.kill()
    # The program holds the other end of this pipe for as long as it lives.
    assert starter.communicate(timeout=10)[0] == b""


def test_a_program_whose_starter_is_gone_already_does_not_begin() -> None:
    ended = subprocess.run([sys.executable, "-c", TOO_LATE], capture_output=True, check=True, timeout=10)
    assert ended.stdout == b""
