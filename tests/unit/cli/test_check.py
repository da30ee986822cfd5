"""`syncline check`: which file it looks at, and what it says of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from app.cli.main import cli

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

GOOD = "sources: {s: {type: synthetic, destinations: [d], collections: [a, b]}}\ndestinations: {d: {type: none}}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "syncline.yaml"
    path.write_text(GOOD)
    return path


def check(*arguments: str, config: Path | None = None) -> Result:
    return CliRunner(env={"SYNCLINE_CONFIG": str(config or "")}).invoke(cli, ["check", *arguments])


def test_without_a_file_it_checks_the_one_of_the_environment_and_names_it(path: Path) -> None:
    result = check(config=path)
    assert (result.exit_code, result.stdout) == (0, f"{path} is valid: 1 source with 2 collections.\n")


@pytest.mark.parametrize("text", ["destinations: {d: {type: none}}\n", "server: {}\nsources:\n"])
def test_a_catalogue_from_which_nothing_would_be_loaded_is_told(path: Path, text: str) -> None:
    path.write_text(text)
    result = check(config=path)
    assert result.exit_code == 2
    assert result.stderr == (
        f"{path}: sources: there are none, so nothing would be loaded: write them here, or name their file or URL, or "
        "set 'configurator.base_url' if Jitsu Classic's configurator has them\n"
        f"{path} cannot be used: 1 problem.\n"
    )
    assert json.loads(check("--json", config=path).stdout)["valid"] is False


def test_the_file_on_the_command_line_comes_first(path: Path, tmp_path: Path) -> None:
    assert check(str(path), config=tmp_path / "other.yaml").exit_code == 0


def test_without_any_file_it_says_how_to_name_one() -> None:
    result = check()
    assert result.exit_code == 2
    assert (
        result.stderr
        == "syncline: no catalogue: use the argument FILE, set SYNCLINE_CONFIG, or write ./syncline.yaml\n"
    )


def test_an_empty_file_name_is_refused_by_its_argument(path: Path) -> None:
    result = check("", config=path)
    assert result.exit_code == 2
    assert "Invalid value for '[FILE]': must not be empty" in result.stderr


def test_a_variable_that_names_no_file_is_not_shown(path: Path) -> None:
    path.write_text('sources: "${env.MY_PASSWORD}"\ndestinations: {d: {type: none}}\n')
    runner = CliRunner(env={"SYNCLINE_CONFIG": str(path), "MY_PASSWORD": "hunter22"})
    result = runner.invoke(cli, ["check"])
    assert f"{path}:1: sources: file ${{env.MY_PASSWORD}} cannot be read" in result.stderr
    assert "hunter22" not in result.output


@pytest.mark.parametrize(
    "destination",
    [
        '"postgresql://u:hunter22@h/db": {type: none}',
        'd: {type: none, "--url=http://u:hunter22@h/simple": 1}',
    ],
)
def test_a_password_in_a_url_is_not_shown_wherever_it_stands(path: Path, destination: str) -> None:
    path.write_text(GOOD.replace("d: {type: none}", destination))
    result = check(config=path)
    assert result.exit_code == 2
    assert "u:***@h" in result.stderr
    assert "hunter22" not in result.output


def test_every_problem_has_its_line_and_the_last_one_names_the_file(path: Path) -> None:
    path.write_text(GOOD.replace("synthetic", "synthetik") + "servr: {}\n")
    result = check(str(path))
    *problems, last = result.stderr.splitlines()
    assert result.exit_code == 2
    assert len(problems) == 2
    assert all(problem.startswith(f"{path}:") for problem in problems)
    assert last == f"{path} cannot be used: 2 problems."


def test_an_error_that_nobody_expected_is_one_error_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.config.reader.build_catalogue", lambda *_args, **_options: 1 / 0)
    result = check(str(path))
    assert result.exit_code == 2
    problem, last = result.output.splitlines()
    assert problem.startswith(f"{path}: unexpected error: ZeroDivisionError in app.config.reader, line ")
    assert problem.endswith("; this is a bug, please report it")
    assert last == f"{path} cannot be used: 1 problem."


def test_a_database_url_that_is_not_one_is_one_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter22@one:port/d")
    result = check(str(path))
    assert (result.exit_code, result.stderr) == (
        2,
        "syncline: DATABASE_URL: the port must be a number from 1 to 65535; in a password, write '@' as %40\n",
    )


def test_a_name_that_would_command_a_terminal_is_escaped_in_every_line(tmp_path: Path) -> None:
    result = check(str(tmp_path / "a\x1b[31mb\u200b.yaml"))
    assert result.exit_code == 2
    assert result.stderr.isascii()
    assert result.stderr.count("a\\x1b[31mb\\u200b.yaml") == 2


def test_programs_get_the_same_as_json(path: Path) -> None:
    result = check(str(path), "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (
        0,
        {"valid": True, "sources": 1, "collections": 2, "problems": [], "warnings": []},
    )
    path.write_text(GOOD.replace("synthetic", "synthetik"))
    result = check(str(path), "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["valid"], document["sources"]) == (2, False, 0)
    [problem] = document["problems"]
    assert (problem["key"], problem["place"]) == ("sources.s.type", f"{path}:1")
    assert problem["message"].startswith("unknown source type 'synthetik'; did you mean 'synthetic'?")


def test_the_catalogue_of_the_directory_is_the_usual_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    result = check()
    assert (result.exit_code, result.stdout) == (0, "syncline.yaml is valid: 1 source with 2 collections.\n")
