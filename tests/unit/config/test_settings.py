"""The environment's variables, and one line for all that is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.bootstrap.environment import database_address, worker_pools
from app.config.settings import read_settings
from app.domain.errors import ConfigurationError

VARIABLES = (
    *("DATABASE_URL", "DATABASE_DIRECT_URL", "DATABASE_PASSWORD_COMMAND", "SYNCLINE_CONFIG"),
    *("SYNCLINE_DATA_DIR", "SYNCLINE_LOG_LEVEL", "SYNCLINE_LOG_FORMAT", "SYNCLINE_POOLS"),
    *("SYNCLINE_CONNECTORS_DIR", "SYNCLINE_INSTALL"),
)


@pytest.fixture(autouse=True)
def _an_empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_without_variables_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    settings = read_settings()
    assert (settings.database_url, settings.direct_url, settings.config) == (None, None, None)
    assert (settings.data_dir, settings.log_level, settings.log_format) == (Path(".syncline"), "info", "auto")


def test_what_may_be_installed_is_one_of_two_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (read_settings().install, read_settings().connectors_dir) == ("missing", None)
    monkeypatch.setenv("SYNCLINE_INSTALL", "Never")
    assert read_settings().install == "never"
    monkeypatch.setenv("SYNCLINE_INSTALL", "sometimes")
    with pytest.raises(
        ConfigurationError, match=r"^SYNCLINE_INSTALL: unknown value 'sometimes'; choose one of missing, never$"
    ):
        read_settings()


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://me:hunter22@db:6432/app")
    monkeypatch.setenv("SYNCLINE_LOG_LEVEL", "WARNING")
    monkeypatch.setenv("SYNCLINE_CONFIG", "syncline.yaml")
    settings = read_settings()
    assert settings.database_url == settings.direct_url == "postgresql://me:hunter22@db:6432/app"
    assert (settings.log_level, settings.config) == ("warn", Path("syncline.yaml"))
    assert "hunter22" not in repr(settings)


def test_the_direct_url_goes_around_the_pooler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db:6432/app")
    monkeypatch.setenv("DATABASE_DIRECT_URL", "postgresql://db:5432/app")
    assert read_settings().direct_url == "postgresql://db:5432/app"


def test_everything_wrong_is_one_line_without_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://me:hunter22@db/app")
    monkeypatch.setenv("SYNCLINE_LOG_LEVEL", "loud")
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    assert str(caught.value) == (
        "DATABASE_URL: must begin with postgresql://, not mysql://; "
        "SYNCLINE_LOG_LEVEL: unknown value 'loud'; choose one of debug, info, warn, error"
    )


def test_a_worker_s_pools_are_those_of_the_command_line_else_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert worker_pools(read_settings(), ()) == ("default",)
    monkeypatch.setenv("SYNCLINE_POOLS", "eu, us,eu")
    assert worker_pools(read_settings(), ()) == ("eu", "us")
    assert worker_pools(read_settings(), ("asia", "eu", "asia")) == ("asia", "eu")


@pytest.mark.parametrize(
    ("pools", "problem"),
    [("eu,", "a name must not be empty"), (" ", "a name must not be empty"), ("a/b", "a name must not contain '/'")],
)
def test_wrong_names_of_pools_are_refused(monkeypatch: pytest.MonkeyPatch, pools: str, problem: str) -> None:
    monkeypatch.setenv("SYNCLINE_POOLS", pools)
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    assert str(caught.value) == f"SYNCLINE_POOLS: {problem}"


@pytest.mark.parametrize("url", ["me:hunter22@db/app", "db/app", "hunter22"])
def test_a_missing_scheme_is_named_without_the_url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    assert str(caught.value) == ("DATABASE_URL: has no scheme; expected postgresql://user:password@host:5432/database")


def test_the_program_for_the_password_is_split_as_by_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@db/app")
    monkeypatch.setenv("DATABASE_PASSWORD_COMMAND", "printf 'hunter 22'")
    program = database_address(read_settings()).password
    assert program is not None
    assert program.read() == "hunter 22"
    monkeypatch.setenv("DATABASE_PASSWORD_COMMAND", "vault 'hunter22")
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    assert str(caught.value) == (
        "DATABASE_PASSWORD_COMMAND: not a command line: no closing quotation; it may also be a list"
    )
