"""What of a configuration is on this machine: programs, files, sockets and options of Docker.

Connectors and their libraries have more ways to name such things than can be known here: this is a precaution and no
wall.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from app.connectors.sources.sql.options import driver_url
from app.domain.postgres_url import several_hosts
from app.domain.secret_names import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.connectors.options.complaints import KeyPath, KeyProblem

ONLY_IN_CATALOGUES: Final = (
    "allowed only in the catalogue, because it names a program, file or Docker option of this machine"
)
_NO_HOST: Final = (
    "must name a host: without one, the database is reached through a socket of this machine, which is allowed only in "
    "the catalogue"
)
_KEYS: Final = frozenset({"command", "components", "docker_options", "network", "password_command"})
_DOCUMENTS: Final = frozenset(
    {"catalog", "config", "initial_state", "manifest", "properties", "service_account_key", "settings", "state"}
)
_PACKAGES: Final = frozenset({"constraints", "package", "tap"})
_FILES_OF_CONNECTIONS: Final = frozenset(
    {"passfile", "service", "servicefile", "sslcert", "sslcrl", "sslcrldir", "sslkey", "sslrootcert"}
)
_CERTIFICATES: Final = frozenset({"client_cert", "client_key", "server_ca"})
_FILE_KEY: Final = re.compile(r"(?:\w+_)?(?:file|path|socket)", re.IGNORECASE)
_PATHS_ELSEWHERE: Final = frozenset({"http_path"})
"""Of Databricks: where its server has a warehouse."""
_URL: Final = re.compile(r"(?:^|::)\s*(?:file|local|sqlite|duckdb|unix)(?:\+\w+)?:/", re.IGNORECASE)
_QUERY: Final = re.compile(r"\s*(?!https?:)[a-z][\w+.-]*://[^?]*\?(.*)", re.IGNORECASE | re.DOTALL)
_DRIVER: Final = re.compile(r"(?:sqlite|duckdb)\b.*", re.IGNORECASE)
_HOSTS: Final = ("host", "hostaddr")
_PATHS: Final = ("/", "~", "./", "../")
_DLT: Final = "dlt:"
_DLT_WITH_HOSTS: Final = frozenset({"dlt:postgres", "dlt:redshift", "dlt:sqlalchemy"})


def texts_in(value: Any) -> Iterator[tuple[KeyPath, str]]:
    """Every text in it, with its path; keys are none."""
    left: list[tuple[KeyPath, Any]] = [((), value)]
    while left:
        path, value = left.pop()
        match value:
            case str():
                yield path, value
            case dict():
                left += [((*path, str(key)), inner) for key, inner in value.items()]
            case list():
                left += [((*path, index), inner) for index, inner in enumerate(value)]


def is_local_option(key: str, value: Any) -> bool:
    """Whether an option of a source or a destination names a program or a file."""
    if value in (None, "", [], {}):
        return False
    # An executable is one below the environment of its package, unless it is a path.
    if key in _KEYS or key in _FILES_OF_CONNECTIONS or (key == "executable" and "/" in str(value)):
        return True
    if key in _DOCUMENTS:
        return isinstance(value, str) and not value.lstrip().startswith(("{", "["))
    if key in _CERTIFICATES:
        return isinstance(value, str) and "-----BEGIN " not in value
    if key in _PACKAGES:
        lines = value if isinstance(value, list) else [value]
        is_file = key == "constraints" and isinstance(value, str) and "\n" not in value
        return is_file or any("@" in str(line) for line in lines)
    # It is in the environment of its package, unless it is a path.
    return key == "executable" and "/" in str(value)


def is_local_text(path: KeyPath, text: str) -> bool:
    """Whether a text, however deep, is the URL of a file or a socket, or has one among its parameters."""
    key = path[-1] if path else ""
    if key in _HOSTS and any(host.startswith(("/", "@")) for host in _split(text)):
        return True
    if key == "drivername" and _DRIVER.fullmatch(text.strip()):
        return True
    query = _QUERY.match(text)
    return bool(_URL.search(text)) or (query is not None and any(_is_file(*pair) for pair in parse_qsl(query[1])))


def source_problems(type_: Any, config: Mapping[str, Any]) -> Iterable[KeyProblem]:
    """What is wrong with the address of a database."""
    url = config.get("url")
    if type_ == "sql" and isinstance(url, str) and (problem := _url_problem(url)):
        yield ("url",), problem


def destination_problems(type_: Any, options: Mapping[str, Any]) -> Iterable[KeyProblem]:
    """What is wrong with the address of a database or a bucket; with the paths that `options` have."""
    if type_ == "postgres":
        yield from _postgres_problems(options)
    if not isinstance(type_, str) or not type_.startswith(_DLT):
        return
    found = False
    for path, text in texts_in({key: value for key, value in options.items() if key != "type"}):
        no_url = path[-1] == "bucket_url" and "://" not in text
        if text and (no_url or _is_file(str(path[-1]), text)):
            found = True
            yield path, ONLY_IN_CATALOGUES
    credentials = options.get("credentials")
    if type_ not in _DLT_WITH_HOSTS or found:
        return
    if isinstance(credentials, dict) and not any(credentials.get(key) for key in (*_HOSTS, "drivername")):
        yield ("credentials", "host"), _NO_HOST
    elif isinstance(credentials, dict) and not _DRIVER.fullmatch(str(credentials.get("drivername"))):
        if problem := _host_problem([credentials.get("host")]):
            yield ("credentials", "host"), problem
    elif isinstance(credentials, str) and (problem := _url_problem(credentials)):
        yield ("credentials",), problem


def _postgres_problems(options: Mapping[str, Any]) -> Iterable[KeyProblem]:
    from psycopg import ProgrammingError  # noqa: PLC0415 -- only requests with such a destination wait for it
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    url, parameters = options.get("url"), options.get("parameters")
    key, parts = "host", dict[str, Any](options)
    if isinstance(url, str) and url.strip():
        try:
            key, parts = "url", dict(conninfo_to_dict(several_hosts(url)))
        except (ProgrammingError, ValueError):
            return  # it is refused as in a catalogue
        if any(_is_file(name, str(value)) for name, value in parts.items()):
            yield (key,), ONLY_IN_CATALOGUES
            return
    parts |= parameters if isinstance(parameters, dict) else {}
    if problem := _host_problem([parts.get(name) for name in _HOSTS]):
        yield (key,), problem


def _url_problem(url: str) -> str | None:
    """What is wrong with a URL of SQLAlchemy; None if it is none, as it is refused for that."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 -- only requests with such a URL wait for it
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        address = make_url(driver_url(url))
    except (ArgumentError, ValueError):
        return None
    if _DRIVER.fullmatch(address.drivername):
        return ONLY_IN_CATALOGUES
    named = [each for key in _HOSTS for each in address.normalized_query.get(key, ())]
    return _host_problem([address.host and unquote(address.host), *named])


def _host_problem(given: Iterable[Any]) -> str | None:
    hosts = [host for each in given if each for host in _split(str(each))]
    if not all(hosts) or not hosts:
        return _NO_HOST
    return ONLY_IN_CATALOGUES if any("/" in host or "@" in host for host in hosts) else None


def _split(hosts: str) -> list[str]:
    return [host.strip() for host in hosts.split(",")]


def _is_file(key: str, value: str) -> bool:
    """Whether an option of a connection, or a parameter of its URL, is a file."""
    if key.lower() in _PATHS_ELSEWHERE or not value:
        return False
    if key.lower() in _FILES_OF_CONNECTIONS or _FILE_KEY.fullmatch(key):
        return True
    # A password may begin with any character.
    return not is_secret_name(key) and value.lstrip().startswith(_PATHS)
