"""What a connection to PostgreSQL is told beyond its address: parameters of libpq, and certificates."""

from __future__ import annotations

import stat
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app.connectors.destinations.postgres.connection import connect
from app.connectors.destinations.postgres.options import PostgresDestinationOptions
from app.connectors.options.validation import validated
from app.domain.errors import ConfigurationError
from tests.connectors.attempts import Postgres, unheard

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
KEY = "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n"


class Connected:
    """Stands for a connection that opened; notes what it was opened with, and the files that were there then."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.files: dict[str, tuple[str, int]] = {}
        self.prepare_threshold: int | None = 5

    def open(self, conninfo: str, **_: Any) -> Self:
        self.given = dict(conninfo_to_dict(conninfo))
        for name in ("sslrootcert", "sslcert", "sslkey"):
            path = Path(str(self.given.get(name)))
            if path.exists():
                self.files[name] = (path.read_text(), stat.S_IMODE(path.stat().st_mode))
        return self

    def execute(self, *_: Any) -> None:
        pass


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Connected:
    made = Connected()
    monkeypatch.setattr(psycopg, "connect", made.open)
    return made


def opened(connected: Connected, **given: Any) -> dict[str, Any]:
    connect(PostgresDestinationOptions.model_validate(given), application_name="task", log=unheard)
    return connected.given


def refusal(**given: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        validated(PostgresDestinationOptions, {"host": "h", **given}, key_path="here")
    return str(caught.value)


def test_parameters_reach_libpq_and_win_over_defaults(connected: Connected) -> None:
    given = opened(connected, host="h", parameters={"connect_timeout": 300, "keepalives_idle": "7"})
    assert (given["connect_timeout"], given["keepalives_idle"], given["keepalives_count"]) == ("300", "7", "3")


def test_a_timeout_in_the_url_counts_and_the_default_is_fifteen_seconds(connected: Connected) -> None:
    assert opened(connected, url="postgresql://h/d?connect_timeout=40")["connect_timeout"] == "40"
    assert opened(connected, host="h")["connect_timeout"] == "15"


def test_a_connection_always_has_syncline_s_own_name(connected: Connected) -> None:
    assert opened(connected, url="postgresql://h/d?application_name=mine")["application_name"] == "task"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"parameters": {"sslmode": "require"}}, "'sslmode' is an option of its own: write 'sslmode' beside"),
        ({"parameters": {"dbname": "d"}}, "'dbname' is an option of its own: write 'database' beside 'parameters'"),
        ({"parameters": {"conect_timeout": 3}}, "libpq has no parameter 'conect_timeout'; did you mean 'connect_"),
        ({"parameters": {"work_mem": "1MB"}}, "into 'options', such as options: '-c work_mem=…'; all parameters: http"),
        ({"parameters": {"application_name": "me"}}, "Syncline names each connection after its task"),
        ({"parameters": {"sslcert": "/c"}, "ssl": {"client_cert": "/c", "client_key": "/k"}}, "'sslcert' is in 'url'"),
        ({"host": None, "url": "postgresql://h?sslmode=require", "ssl": {"mode": "require"}}, "is in 'ssl' as well"),
        ({"sslmode": "require", "ssl": {"mode": "require"}}, "give either 'sslmode' or 'ssl.mode', not both"),
        ({"ssl": {"mode": "verify"}}, "here.ssl.mode: unknown value 'verify'; did you mean 'verify-ca'?"),
        ({"ssl": {"client_cert": "/c"}}, "'client_cert' and 'client_key' belong together: give both or neither"),
        (
            {"ssl": {"server_ca": "ca.pem"}},
            "here.ssl.server_ca: must be the text of a PEM file, which has '-----BEGIN'",
        ),
    ],
)
def test_what_libpq_cannot_be_told_is_refused(given: dict[str, Any], message: str) -> None:
    assert message in refusal(**given)


def test_a_wrong_key_is_not_shown() -> None:
    assert "hunter22" not in refusal(ssl={"client_cert": "/c", "client_key": "hunter22"})


def test_texts_of_certificates_are_private_files_while_the_connection_opens(connected: Connected) -> None:
    given = opened(
        connected,
        host="h",
        ssl={"mode": "verify-full", "server_ca": "/etc/ca.pem", "client_cert": PEM, "client_key": KEY},
    )
    assert (given["sslmode"], given["sslrootcert"]) == ("verify-full", "/etc/ca.pem")
    assert connected.files == {"sslcert": (PEM + "\n", 0o600), "sslkey": (KEY, 0o600)}
    assert not Path(given["sslkey"]).exists()


def test_certificates_may_stay_where_encryption_is_switched_off(connected: Connected) -> None:
    given = opened(connected, host="h", ssl={"mode": "disable", "server_ca": PEM, "client_cert": "", "client_key": ""})
    assert given["sslmode"] == "disable"
    assert not {"sslrootcert", "sslcert", "sslkey"} & given.keys()


def test_a_server_gets_the_settings_in_options(postgres: Postgres) -> None:
    given = postgres.options() | {"parameters": {"options": "-c work_mem=3MB", "connect_timeout": 300}}
    options = PostgresDestinationOptions.model_validate(given)
    with closing(connect(options, application_name="task", log=unheard)) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("3MB",)
