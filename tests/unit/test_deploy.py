"""What can be known about deploy/ and the Makefile without an engine to run them."""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import click
import pytest

from app.cli.main import cli
from app.config.reader import load_catalogue
from tests.deploy_files import DEPLOY, ROOT, compose, demo_source

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {
    "DATABASE_URL": "postgresql://syncline:secret@postgres:5432/syncline",
    "SYNCLINE_ADMIN_TOKEN": "token",
    "SYNCLINE_PG_HOST": "127.0.0.1",
    "SYNCLINE_PG_PORT": "5432",
    "SYNCLINE_PG_USER": "app",
    "SYNCLINE_PG_PASSWORD": "secret",
    "SYNCLINE_PG_DATABASE": "app",
}

LOCKS = ("requirements.lock", "requirements-dev.lock")


def services() -> dict[str, dict[str, Any]]:
    found = compose()["services"]
    assert isinstance(found, dict)
    return found


def test_compose_starts_two_api_replicas_and_three_workers_after_one_migration() -> None:
    assert services()["api"]["deploy"]["replicas"] == 2
    assert services()["worker"]["deploy"]["replicas"] == 3
    for name in ("api", "worker"):
        assert services()[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_who_waits_for_a_healthy_service_waits_for_one_with_a_healthcheck() -> None:
    for service in services().values():
        for name, wait in service.get("depends_on", {}).items():
            assert name in services()
            assert wait["condition"] != "service_healthy" or "healthcheck" in services()[name]


@pytest.mark.parametrize(
    "line",
    [
        *(service["command"] for service in services().values() if "command" in service),
        ["dev", "--config", "deploy/demo/syncline.yaml"],
        ["openapi"],
    ],
    ids=lambda line: str(line[0]),
)
def test_the_commands_that_compose_and_make_use_exist(line: list[str]) -> None:
    name, *arguments = line
    command = cli.commands[name]
    _, left, _ = command.make_parser(click.Context(command)).parse_args(arguments)
    assert left == []


def test_files_mounted_by_compose_are_there_and_volumes_are_declared() -> None:
    for service in services().values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in compose()["volumes"] or (DEPLOY / source).is_file(), source


def test_a_worker_gets_more_time_to_stop_than_it_takes_to_drain() -> None:
    seconds = int(services()["worker"]["stop_grace_period"].removesuffix("s"))
    assert seconds > load_catalogue(DEPLOY / "syncline.yaml", ENVIRONMENT).server.drain_seconds


def test_the_image_copies_only_what_is_there_and_not_ignored() -> None:
    lines = instructions("COPY")
    sources = [source for line in lines if "--from" not in line for source in line.split()[:-1]]
    patterns = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    kept = {pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")}
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source.removeprefix("./") in kept, source


def test_the_image_runs_as_a_numeric_user_that_is_not_root_and_installs_by_hash() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert any("--require-hashes --requirement requirements.lock" in line for line in instructions("RUN"))
    assert instructions("ENTRYPOINT") == ['["syncline"]']


def test_nginx_sends_everything_to_the_api_service_and_logs_no_query() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    port = services()["api"]["command"][-1]
    assert re.findall(r"^\s*server (\S+) resolve", text, re.MULTILINE) == [f"api:{port}"]
    assert f"listen {services()['nginx']['ports'][0].rpartition(':')[2]};" in text
    assert not re.search(r"\$(request|request_uri|args|query_string|arg_\w+|http_referer|http_x_admin_token)\b", text)
    assert re.search(r"^error_log \S+ crit;", text, re.MULTILINE)
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize("name", ["syncline.yaml", "demo/syncline.yaml"])
def test_the_configurations_are_whole(name: str) -> None:
    catalogue = load_catalogue(DEPLOY / name, ENVIRONMENT)
    assert catalogue.problems == []
    assert catalogue.sources


def test_the_demo_keeps_weather_up_to_date_every_minute_and_the_rest_by_hand() -> None:
    catalogue = load_catalogue(DEPLOY / "demo" / "syncline.yaml", ENVIRONMENT)
    assert catalogue.server.admin_token == "token"
    collections = catalogue.sources[demo_source.DATABASE].collections
    assert set(collections) == set(demo_source.TABLES)
    assert {name: collection.schedule for name, collection in collections.items() if collection.schedule} == {
        "weather": "* * * * *"
    }
    for name, collection in collections.items():
        key = re.search(r"(\w+) text PRIMARY KEY", demo_source.TABLES[name])
        assert collection.primary_key == ([key[1]] if key else ["origin", "time_hour"])


def test_the_readme_of_the_demo_s_files_tells_their_checksums_and_row_counts() -> None:
    readme = (DEPLOY / "demo" / "data" / "README.md").read_text()
    told = re.findall(r"\| (\w+)\.csv\.gz \| (\d+) \| `([0-9a-f]{64})` \|", readme)
    found = []
    for table in demo_source.TABLES:
        content = gzip.decompress((DEPLOY / "demo" / "data" / f"{table}.csv.gz").read_bytes())
        rows = len(list(csv.DictReader(content.decode().splitlines())))
        found.append((table, str(rows), hashlib.sha256(content).hexdigest()))
    assert told == found


def test_what_runs_is_pinned_alike_for_users_and_for_developers() -> None:
    pins = {name: set(re.findall(r"^[^\s#]+==[^\s\\]+", (ROOT / name).read_text(), re.MULTILINE)) for name in LOCKS}
    assert pins["requirements.lock"]
    assert pins["requirements.lock"] <= pins["requirements-dev.lock"]


def test_the_locks_name_no_index_and_no_directory_of_a_machine() -> None:
    for name in LOCKS:
        assert not re.search(r"://|--(extra-)?index-url|--find-links| file:", (ROOT / name).read_text())


@pytest.mark.parametrize(
    ("python", "reason"),
    [
        pytest.param("#!/bin/sh\necho is 3.9; exit 1\n", "is 3.9", id="too old"),
        pytest.param("#!/bin/sh\nexit 1\n", "does not run", id="broken"),
        pytest.param("#!/bin/sh\necho lacks venv; exit 1\n", "lacks venv", id="without venv"),
    ],
)
def test_a_python_that_cannot_be_used_is_one_clear_line(tmp_path: Path, python: str, reason: str) -> None:
    checkout(tmp_path)
    interpreter = tmp_path / "python"
    interpreter.write_text(python)
    interpreter.chmod(0o755)
    done = install(tmp_path, PYTHON=str(interpreter))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"syncline: needs Python 3.11 or newer with venv (found: {interpreter} {reason}): "
        "install python3 and python3-venv, or give PYTHON=/path/to/python3\n"
    )


def test_a_second_installation_at_the_same_time_is_refused(tmp_path: Path) -> None:
    checkout(tmp_path)
    (tmp_path / ".venv").mkdir()
    with subprocess.Popen(["sleep", "60"]) as installing:
        (tmp_path / ".venv" / "unfinished").write_text(f"{installing.pid}\n")
        done = install(tmp_path)
        installing.terminate()
    assert done.returncode == 1
    assert f"process {installing.pid} is installing into .venv" in done.stderr


def checkout(directory: Path) -> None:
    (directory / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "venv", directory / "scripts" / "venv")
    shutil.copy(ROOT / "pyproject.toml", directory)
    shutil.copy(ROOT / "requirements.lock", directory)


def install(directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["scripts/venv", "requirements.lock"],
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def instructions(name: str) -> list[str]:
    """The arguments of the Dockerfile's instructions called `name`, continuation lines joined."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    return [re.sub(r"\s+", " ", found).strip() for found in re.findall(rf"^{name} (.*)$", text, re.MULTILINE)]
