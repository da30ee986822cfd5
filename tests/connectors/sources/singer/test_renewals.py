"""Taps that rewrite their configuration: it is reported before anything else happens."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.attempt_protocol import ConfigRenewed, LogLine
from tests.connectors.attempts import CATALOG, Attempt, Told, Trial

if TYPE_CHECKING:
    from pathlib import Path

# Does what its configuration says, step by step.
TAP = """
import json, os, sys
path = sys.argv[sys.argv.index("--config") + 1]
config = json.load(open(path))
def say(**message):
    print(json.dumps(message), flush=True)
for step, *value in config["steps"]:
    if "--discover" in sys.argv and step != "renew":
        continue
    if step == "renew":
        json.dump(config | {"refresh_token": value[0]}, open(path, "w"))
    elif step == "write":
        open(path, "w").write(value[0])
    elif step == "remove":
        os.remove(path)
    elif step == "replace by a pipe":
        os.remove(path)
        os.mkfifo(path)
    elif step == "write large":
        json.dump(config | {"refresh_token": "t" * (1 << 20)}, open(path, "w"))
    elif step == "schema":
        say(type="SCHEMA", stream="made", key_properties=["id"], schema={"properties": {"id": {"type": "integer"}}})
    elif step == "record":
        say(type="RECORD", stream="made", record={"id": 1})
    elif step == "state":
        say(type="STATE", value={"at": 1})
    elif step == "text":
        print(value[0], flush=True, file=sys.stderr if value[1:] else sys.stdout)
    elif step == "wait":
        open(config["fifo"]).read()
    elif step == "fail":
        sys.exit("ApiError: no access with " + value[0])
if "--discover" in sys.argv:
    say(streams=[{"tap_stream_id": "made", "stream": "made", "schema": {}}])
"""


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    (tmp_path / "tap.py").write_text(TAP)
    options = {"command": [sys.executable, str(tmp_path / "tap.py")], "catalog": CATALOG}
    return Trial(tmp_path, {"nowhere": {"type": "none"}}, "singer", options)


def configure(trial: Trial, *steps: Any, **config: Any) -> None:
    trial.source_config["config"] = {"refresh_token": "t0k3n-1", "rate": 0.1, "steps": steps, **config}


def tokens(told: Told) -> list[str]:
    return [json.loads(each.config)["refresh_token"] for each in told.messages if isinstance(each, ConfigRenewed)]


def test_a_renewal_is_reported_at_the_next_line(trial: Trial, tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    steps = ["renew", "t0k3n-2"], ["schema"], ["text", "one"], ["wait"], ["renew", "t0k3n-three"], ["state"]
    configure(trial, *steps, ["text", "two"], fifo=str(fifo))
    attempt = trial.start()
    messages = attempt.messages()
    assert isinstance(next(messages), ConfigRenewed)
    assert next(messages) == LogLine("debug", "one", "tap.py")
    fifo.open("w").close()
    assert isinstance(next(messages), ConfigRenewed)
    assert Told(list(messages)).lines == ["two"]
    attempt.close()


@pytest.mark.parametrize(
    "steps", [[["schema"]], [], [["schema"], ["fail", "t0k3n-2"]]], ids=["after the last message", "alone", "failing"]
)
def test_a_renewal_is_reported_at_the_end(trial: Trial, steps: list[Any]) -> None:
    begin = steps[:1]
    configure(trial, *begin, ["renew", "t0k3n-2"], *steps[1:])
    told = trial.run()
    assert tokens(told) == ["t0k3n-2"]
    if len(steps) > 1:
        assert "no access with ***" in told.failed.error


def test_new_secrets_are_masked_in_all_that_follows(trial: Trial) -> None:
    configure(trial, ["renew", "t0k3n-2"], ["schema"], ["text", "t0k3n-1 became t0k3n-2"])
    assert "*** became ***" in trial.run().lines


def test_new_secrets_are_masked_in_standard_error(trial: Trial) -> None:
    configure(trial, ["renew", "t0k3n-2"], ["text", "now t0k3n-2", "as an error"], ["schema"])
    told = trial.run()
    assert tokens(told) == ["t0k3n-2"]
    assert "now ***" in told.lines


def test_a_renewal_under_a_name_that_does_not_say_secret_is_masked(trial: Trial) -> None:
    renewed = {"rt": "8f2c1-abcde", "mode": "done", "streams": ["invoices"]}
    steps = ["write", json.dumps(renewed)], ["schema"], ["text", "invoices done with 8f2c1-abcde"]
    configure(trial, *steps, rt="7e1b0-abcde", mode="idle")
    assert "invoices done with ***" in trial.run().lines


def test_a_configuration_that_is_only_written_anew_is_not_reported(trial: Trial) -> None:
    configure(trial, ["renew", "t0k3n-1"], ["schema"])
    assert tokens(trial.run()) == []


def test_what_was_renewed_before_is_used(trial: Trial) -> None:
    configure(trial)
    steps = [["schema"], ["text", "used t0k3n-7, not t0k3n-1"], ["fail", "t0k3n-7"]]
    renewed = {"refresh_token": "t0k3n-7", "rate": 0.1, "steps": steps}
    told = Told.by(Attempt(trial.job() | {"renewed_config": json.dumps(renewed)}))
    assert set(told.lines) == {"used ***, not ***", "ApiError: no access with ***"}
    assert "no access with ***" in told.failed.error
    assert tokens(told) == []


def test_a_catalog_is_cached_for_the_written_configuration(trial: Trial) -> None:
    del trial.source_config["catalog"]
    configure(trial, ["renew", "t0k3n-2"], ["schema"])
    assert tokens(trial.run()) == ["t0k3n-2"]
    renewed = {"refresh_token": "t0k3n-2", "rate": 0.1, "steps": [["schema"], ["text", "read"]]}
    told = Told.by(Attempt(trial.job() | {"renewed_config": json.dumps(renewed)}))
    assert told.lines == ["read"]
    assert len([*(trial.directory / "state" / "catalogs").glob("*.json")]) == 1


@pytest.mark.parametrize(
    "damage",
    [["write", '{"refresh_token": "t0k'], ["write", "[]"], ["remove"], ["replace by a pipe"], ["write large"]],
    ids=["half", "a list", "removed", "a pipe", "large"],
)
def test_a_damaged_configuration_is_told(trial: Trial, damage: list[str]) -> None:
    configure(trial, damage, ["schema"])
    told = trial.run()
    assert told.finished
    assert tokens(told) == []
    [warning] = [line for line in told.lines if "configuration file that is not a JSON object of at most 1 MiB" in line]
    assert "they are lost, and the next attempt needs new ones in the catalogue" in warning


def test_half_a_configuration_is_left_for_the_next_look(trial: Trial) -> None:
    configure(trial, ["write", '{"refresh_token": "t0k'], ["schema"], ["renew", "t0k3n-2"], ["state"])
    told = trial.run()
    assert tokens(told) == ["t0k3n-2"]
    assert told.lines == []


def test_a_terminated_attempt_reports_what_its_tap_has_renewed(trial: Trial, tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    configure(trial, ["schema"], ["renew", "t0k3n-2"], ["wait"], fifo=str(fifo))
    attempt = trial.start()
    # Returns when the tap has opened the other end.
    with fifo.open("w"):
        os.killpg(attempt.pid, signal.SIGTERM)
        assert tokens(Told.by(attempt)) == ["t0k3n-2"]
