"""Child processes for tests: what they do is in the name of their collection."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import psutil

from tests.harness import write_config

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# Follows the attempt protocol with the standard library alone, so that it starts at once. `report` writes the process
# ids that a test waits for or wants to find dead.
CHILD = r"""
import json, os, signal, subprocess, sys, threading, time
events = os.fdopen(int(os.environ.pop("SYNCLINE_EVENTS_FD")), "w", buffering=1)
aside = os.fdopen(int(os.environ.pop("SYNCLINE_LINES_FD")), "w", buffering=1)
events.write('{"type": "hidden"}\n')
job = json.load(sys.stdin)
name, attempt = job.get("collection", *job.get("collections", []))["name"], job.get("attempt")
directory = job["data_dir"]

def say(**message):
    events.write(json.dumps(message) + "\n")

def log(text, level="info"):
    say(type="log", level=level, message=text)

def finish():
    say(type="finished", records_read=1, rows_written=1)

def fail(error, **more):
    say(type="failed", error=error, **more)
    sys.exit(1)

def report(**pids):
    log("pids " + json.dumps(pids))

def forever():
    while True:
        time.sleep(60)

if name == "good":
    say(type="committed", destination="nowhere", rows=3, bookmark={"at": "2026-01-01"})
    finish()
elif name == "failing":
    fail(f"attempt {attempt} went wrong")
elif name == "misconfigured":
    fail("sources.s: wrong password", retryable=False)
elif name == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif name == "posing":
    log("installing tap-made==1.0, says the connector")
    forever()
elif name == "mute":
    sys.exit(3)
elif name == "garbled":
    events.write("{nonsense\n")
    forever()
elif name == "slow":
    report(child=os.getpid())
    forever()
elif name == "greedy":
    taking = "import sys, time; held = b'x' * 400_000_000; time.sleep(600)"
    grandchild = subprocess.Popen([sys.executable, "-S", "-c", taking])
    report(child=os.getpid(), grandchild=grandchild.pid)
    forever()
elif name == "stubborn":
    ignoring = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    grandchild = subprocess.Popen([sys.executable, "-c", ignoring], stdout=subprocess.PIPE)
    grandchild.stdout.readline()
    os.makedirs(directory, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: open(os.path.join(directory, "asked to stop"), "w").close())
    report(child=os.getpid(), grandchild=grandchild.pid)
    forever()
elif name == "orphaning":
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    report(grandchild=grandchild.pid)
    finish()
elif name == "escaping":
    escaped = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    report(escaped=escaped.pid)
    print("said before the end", flush=True)
    finish()
elif name == "talkative":
    os.write(1, b"nul \0 and bad \xff\xfe bytes\n")
    os.write(1, b"x" * 40000 + b"\n")
    os.write(2, b"an error\n")
    log("the secret is " + "hunter2-hunter2")
    os.write(1, b"y" * 16340 + b"hunter2-hunter2" + b"y" * 100 + b"\n")
    os.write(1, b"no newline at the end")
    fail("could not log in with hunter2-hunter2", retryable=False)
elif name == "repeating":
    said = job["source_config"]["config"]["texts"]
    os.write(1, "\n".join(said).encode())
    for text in said:
        log(text)
    fail(" ".join(said), retryable=False)
elif name == "programs":
    def say_aside(text, **more):
        aside.write(json.dumps({"type": "log", "level": "warn", "message": text} | more) + "\n")
    say_aside("slow", system="tap-shop")
    say_aside("the secret is hunter2-hunter2", system="hunter2-hunter2")
    say_aside("a very long line " + "\u2028" * 16_000, system="tap-shop")
    say(type="log", level="debug", message="on standard output", system="tap-shop")
    print("printed", flush=True)
    aside.write("[7 lines were dropped]\n")
    aside.write('{"type": "log", "level": "error", "message": "without an end", "system": "tap-shop"}')
    log("of Syncline")
    finish()
elif name == "pouring":
    line = json.dumps({"type": "log", "level": "debug", "message": "z" * 200, "system": "tap-shop"}) + "\n"
    pouring = threading.Thread(target=lambda: [aside.write(line) for _ in range(300_000)], daemon=True)
    pouring.start()
    for number in range(100_000):
        if not pouring.is_alive():
            break
        say(type="progress", records_read=number)
        time.sleep(0.02)
    finish()
elif name == "ordered":
    for number in range(5000):
        log(f"line {number}")
    finish()
elif name == "halting":
    log("before the halt")
    open(os.path.join(directory, "go")).close()
    finish()
elif name == "flooding":
    for number in range(100):
        os.write(1, b"".join(b"%s %d\n" % (b"z" * 200, number * 1000 + each) for each in range(1000)))
    finish()
elif name == "committing":
    report(child=os.getpid())
    while True:
        say(type="committed", destination="nowhere", rows=1, bookmark=None)
        time.sleep(0.05)
elif name.startswith("renewing"):
    fresh = {"password": "hunter2-hunter2", "refresh_token": "fresh-t0k3n"}
    def renew(*_):
        say(type="config_renewed", config=json.dumps(fresh))
        os._exit(1)
    signal.signal(signal.SIGTERM, renew)
    report(child=os.getpid())
    if name == "renewing-canceled":
        forever()
    say(type="config_renewed", config=json.dumps(fresh))
    if name == "renewing-killed":
        os.kill(os.getpid(), signal.SIGKILL)
    fail("no access with fresh-t0k3n")
elif name == "strange":
    say(type="committed", destination="nowhere", rows=1, bookmark={"nul": "\0", "big": 2**80})
    finish()
elif name == "environment":
    log(json.dumps(sorted(os.environ)))
    finish()
else:
    fail("unknown behaviour " + name, retryable=False)
"""

BEHAVIOURS = [*re.findall(r'name == "([\w-]+)"', CHILD), "renewing-failing"]


def use_children(
    monkeypatch: pytest.MonkeyPatch, directory: Path, *, server: dict[str, Any] | None = None, **source: Any
) -> Path:
    """Let attempts of the source `s` run the script above; the configuration that goes with it."""
    script = directory / "child.py"
    script.write_text(CHILD)
    monkeypatch.setattr("app.execution.processes.COMMAND", (sys.executable, "-S", "-E", str(script)))
    return write_config(
        directory / "config.yaml",
        {
            "s": {
                "type": "singer",
                "destinations": ["nowhere"],
                "collections": [{"name": name} for name in BEHAVIOURS],
                "config": {"command": ["made-up"], "config": {"password": "hunter2-hunter2"}},
            }
            | source
        },
        **(server or {}),
    )


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for does not."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
