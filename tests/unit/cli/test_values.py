"""What options hold, and how a wrong value is refused: with the name of its option."""

from __future__ import annotations

import datetime as dt

import click
import pytest
from click.testing import CliRunner

from app.cli.main import cli
from app.cli.values import DURATION, POOLS, TIME, TOKEN_ID


def test_durations_days_times_and_ids_are_read() -> None:
    assert DURATION("1h30m") == dt.timedelta(minutes=90)
    assert TIME("2024-01-31") == dt.datetime(2024, 1, 31, tzinfo=dt.UTC)
    assert TIME("2024-01-31T12:00:00+01:00") == dt.datetime(2024, 1, 31, 11, tzinfo=dt.UTC)
    assert TOKEN_ID("syncline_0123456789abcdef_ab") == "0123456789abcdef"
    assert POOLS("eu, us") == ("eu", "us")


@pytest.mark.parametrize("text", ["2024-1-31", "2024-02-30", "2024-01-31T12:00", "0001-01-01T00:00:00+12:00", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a time; use a day such as"):
        TIME(text)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["token", "create", "--scope", "read", "--expires", "x"], "'--expires': duration 'x' is not valid; use days,"),
        (["token", "create", "--scope", "read", "--expires", "0s"], "'--expires': must be greater than zero"),
        (["token", "create", "--scope", "read", "--name", "a\x1b"], "'--name': no control characters"),
        (["token", "revoke", "a-secret"], "'ID': expected 16 hexadecimal digits"),
        (["worker", "--pool", ""], "'--pool': a name must not be empty"),
        (["worker", "--pool", "eu,,us"], "'--pool': a name must not be empty"),
        (["worker", "--pool", "eu", "--pool", "a/b"], "'--pool': a name must not contain '/'"),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_of_its_option(arguments: list[str], error: str) -> None:
    refused = CliRunner().invoke(cli, arguments)
    assert refused.exit_code == 2
    assert f"Invalid value for {error}" in refused.stderr
    assert "a-secret" not in refused.stderr
