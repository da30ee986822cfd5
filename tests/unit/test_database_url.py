"""DATABASE_URL: one form for all drivers, one line for every mistake."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from app.domain.errors import ConfigurationError
from app.store.database import DatabaseAddress, place


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("postgresql://u:p@h:1/d", "postgresql://u:p@h:1/d"),
        ("postgresql+asyncpg://u@h/d", "postgresql://u@h/d"),
        ("postgresql://u@/d?host=/run/pg&port=6000", "postgresql://u@/d?host=%2Frun%2Fpg&port=6000"),
        ("postgresql://u@%2Frun%2Fpg:6000/d", "postgresql://u@/d?host=%2Frun%2Fpg&port=6000"),
        ("postgresql://u@h/d?sslmode=require&channel_binding=prefer", "postgresql://u@h/d?sslmode=require"),
        ("postgresql://u@h/d?connect_timeout=3&keepalives=1", "postgresql://u@h/d"),
        ("postgresql://u:p%40%2F@h/d", "postgresql://u:p%40%2F@h/d"),
        ("postgresql://u@h/d?target_session_attrs=any", "postgresql://u@h/d?target_session_attrs=any"),
    ],
)
def test_every_common_form_becomes_one_that_all_drivers_take(given: str, plain: str) -> None:
    assert DatabaseAddress.of(given).url == plain


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("postgresql://u:secret@h1:1,h2:2/d", "not a URL"),
        ("mysql://u:secret@h/d", "'mysql' is not PostgreSQL"),
        ("postgresql://u:secret@h:99999/d", "port 99999 does not exist; valid is 1 to 65535"),
        ("postgresql://u:secret@h/d?nosuch=1", "option 'nosuch' is unknown; valid are application_name, dbname, host"),
        ("secret", "not a URL"),
    ],
)
def test_a_mistake_is_one_line_without_the_url(given: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        DatabaseAddress.of(given)
    assert str(raised.value).startswith("DATABASE_URL: ")
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_place_names_the_port_wherever_it_stands() -> None:
    assert place("postgresql://u:secret@/d?host=/run/pg&port=6000") == "/run/pg:6000/d"
    assert place("postgresql://u:secret@h/d") == "h:5432/d"


@pytest.mark.parametrize("hosts", ["host=a,b&port=1,2", "host=a:1&host=b:2"])
def test_of_several_servers_the_one_is_meant_that_takes_writes(hosts: str) -> None:
    url = make_url(DatabaseAddress.of(f"postgresql://u@/d?{hosts}").url)
    assert url.query["target_session_attrs"] == "read-write"
    url = make_url(DatabaseAddress.of(f"postgresql://u@/d?{hosts}&target_session_attrs=any").url)
    assert url.query["target_session_attrs"] == "any"
