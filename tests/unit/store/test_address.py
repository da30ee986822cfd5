"""DATABASE_URL: one form for all drivers, one line for every mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from app.bootstrap.environment import url_parts
from app.domain.errors import ConfigurationError
from app.store.address import DatabaseAddress, is_read_again, server_of

if TYPE_CHECKING:
    from pathlib import Path


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
        ("postgresql://u:secret@h:port/d", "the port must be a number from 1 to 65535"),
        ("postgresql://u:p@secret@h/d", "the host must not contain '@'; in a password, write '@' as %40"),
        ("postgresql://u:p@secret:secret@h/d", "1 to 65535; in a password, write '@' as %40"),
        ("postgresql://u:p@secret,w:ord@h/d", "1 to 65535; in a password, write '@' as %40"),
        ("postgresql://u:p@secret,@h/d", "a name or an address; in a password, write '@' as %40"),
        ("postgresql://u:p@secret,w@h/d?port=1,2,3", "for each host; in a password, write '@' as %40"),
        ("mysql://u:secret@h/d", "must begin with postgresql://, not mysql://"),
        ("postgresql://u:secret@a:1,b:99999/d", "the port must be a number from 1 to 65535"),
        ("postgresql://u:secret@a:1,b:port/d", "the port must be a number from 1 to 65535"),
        ("postgresql://", "has no host and no database; expected postgresql://user:password@host:5432/database"),
        ("postgresql://u:secret@", "has no host and no database"),
        ("u:secret@h/d", "has no scheme; expected postgresql://user:password@host:5432/database"),
        ("postgresql://u:secret@a,b,c/d?port=1,2", "2 ports for 3 hosts; give one port for each host"),
        ("postgresql://u:secret@a,/d", "with several hosts, each must be a name or an address"),
        ("postgresql://u:secret@[::1]:1,[::2]:2/d", "with several hosts, each must be a name or an IPv4 address"),
        ("postgresql://u:secret@h:99999/d", "the port must be a number from 1 to 65535"),
        (
            "postgresql://u:secret@h/d?nosuch=1",
            "unknown option 'nosuch'; choose one of application_name, dbname, host",
        ),
        (
            "postgresql://u:secret@h/d?target_session_attrs=bogus",
            "unknown target_session_attrs 'bogus'; choose one of any, read-write, read-only, primary, standby, prefer-",
        ),
        (
            "postgresql://u:secret@h/d?sslmode=requires",
            "unknown sslmode 'requires'; did you mean 'require'? choose one of disable, allow, prefer, require, verify",
        ),
        ("postgresql://u:secret@h/d?sslmode=require&sslmode=bogus", "unknown sslmode 'bogus'; choose one of disable"),
        ("secret", "has no scheme"),
    ],
)
def test_a_mistake_is_one_line_without_the_url(given: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        DatabaseAddress.of(given)
    assert str(raised.value).startswith("DATABASE_URL: ")
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)


def test_the_port_of_a_server_is_shown_wherever_the_url_has_it() -> None:
    assert server_of("postgresql://u:secret@/d?host=/run/pg&port=6000") == "/run/pg:6000/d"
    assert server_of("postgresql://u:secret@h/d") == "h:5432/d"


@pytest.mark.parametrize(
    ("given", "hosts", "ports"),
    [
        ("postgresql://u:p@/d?host=a,b&port=1,2", "a,b", "1,2"),
        ("postgresql://u:p@/d?host=a:1&host=b:2", "a,b", "1,2"),
        ("postgresql://u:p@/d?host=a&host=b&port=1&port=2", "a,b", "1,2"),
        ("postgresql://u:p@a:1,b:2/d", "a,b", "1,2"),
        ("postgresql+asyncpg://u:p@a,b:2/d", "a,b", "5432,2"),
        ("postgresql://u:p@a,b/d?port=3", "a,b", "3,3"),
        ("postgresql://u:p@a,b/d", "a,b", None),
        ("postgresql://u:p@%2Frun%2Fa,%2Frun%2Fb/d", "/run/a,/run/b", None),
        ("postgresql://a,b", "a,b", None),
        ("postgresql://u,x:p,y/z@a:1,b:2/d", "a,b", "1,2"),
    ],
)
def test_several_servers_are_one_list_and_the_one_is_meant_that_takes_writes(
    given: str, hosts: str, ports: str | None
) -> None:
    url = make_url(DatabaseAddress.of(given).url)
    assert (url.host, url.port) == (None, None)
    assert (url.query["host"], url.query.get("port")) == (hosts, ports)
    assert url.query["target_session_attrs"] == "read-write"
    url = make_url(DatabaseAddress.of(given + ("&" if "?" in given else "?") + "target_session_attrs=any").url)
    assert url.query["target_session_attrs"] == "any"


def test_a_comma_in_the_login_makes_no_second_server() -> None:
    given = "postgresql://u,x:p,y/z@h:1/d,e?application_name=a,b"
    url = make_url(DatabaseAddress.of(given).url)
    assert (url.username, url.password, url.host, url.port, url.database) == ("u,x", "p,y/z", "h", 1, "d,e")
    assert "target_session_attrs" not in url.query


def test_several_servers_are_named_to_the_catalogue_too() -> None:
    parts = url_parts("postgresql://u@a:1,b:2/d")
    assert (parts["SYNCLINE_PG_HOST"], parts["SYNCLINE_PG_PORT"]) == ("a,b", "1,2")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, in an environment that has no password."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PGPASSFILE", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("parameter", ["passfile=/run/pgpass", "service=store", None])
def test_a_file_that_the_driver_reads_may_have_another_password(home: Path, parameter: str | None) -> None:
    if parameter is None:
        (home / ".pgpass").touch()
    end = f"?{parameter}" if parameter else ""
    assert is_read_again(f"postgresql://u@h/d{end}")
    assert not is_read_again(f"postgresql://u:p@h/d{end}")
    assert not is_read_again(f"postgresql://u@h/d?password=p{end.replace('?', '&')}")


def test_the_environment_names_such_a_file_or_has_the_password(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_read_again("postgresql://u@h/d")
    monkeypatch.setenv("PGPASSFILE", str(home / "elsewhere"))
    assert is_read_again("postgresql://u@h/d")
    monkeypatch.setenv("PGPASSWORD", "p")
    assert not is_read_again("postgresql://u@h/d?passfile=/run/pgpass")
