"""The form of PostgreSQL's URLs, and how one names several servers.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from app.domain.ports import HIGHEST_PORT

EXAMPLE: Final = "postgresql://user:password@host:5432/database"
SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
POSTGRES: Final = frozenset({"postgresql", "postgres"})
"""The schemes that libpq accepts."""
NO_SCHEME: Final = f"has no scheme; expected {EXAMPLE}"
DEFAULT_PORT: Final = 5432
ESCAPED_AT: Final = "in a password, write '@' as %40"

# A login may contain a comma too.
_URL: Final = re.compile(
    r"(?P<start>\w[\w+.-]*://(?>(?:[^:/]*(?::[^@]*)?@)?))(?P<hosts>[^/?@]*)(?P<path>[^?]*)(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_SERVER: Final = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]+))(?::([^:]*))?")


def several_hosts(url: str) -> str:
    """`url` with its hosts and ports in `host=` and `port=`, one list each, as all drivers read them.

    Another URL, and one with a single host, stays as it is.

    Raises:
        ValueError: the hosts or the ports are wrong; the message quotes none of them.
    """
    found = _URL.fullmatch(url)
    if not found:
        return url
    pairs = [each.partition("=") for each in (found["query"] or "").split("&") if each]
    given = {"host": list[str](), "port": list[str]()}
    for name, _, value in pairs:
        if name in given:
            given[name] += unquote(value).split(",")
    servers = given["host"] or unquote(found["hosts"]).split(",")
    if len(servers) == 1:
        return url
    try:
        hosts, ports = _split_servers(servers, given["port"])
    except ValueError as error:
        # What follows an '@' in a password was taken for the hosts.
        hint = f"; {ESCAPED_AT}" if url.partition("?")[0].count("@") > 1 else ""
        raise ValueError(f"{error}{hint}") from None
    kept = [f"{name}={value}" for name, _, value in pairs if name not in given]
    added = [f"host={quote(','.join(hosts), safe=',')}"]
    if any(ports):
        added.append(f"port={','.join(port or str(DEFAULT_PORT) for port in ports)}")
    return f"{found['start']}{found['path']}?{'&'.join([*kept, *added])}"


def has_several_hosts(url: str) -> bool:
    """Whether `url` names several hosts, right or wrong."""
    try:
        return several_hosts(url) != url
    except ValueError:
        return True


def _split_servers(servers: list[str], given: list[str]) -> tuple[list[str], list[str]]:
    """The hosts, and a port for each, empty where none is named; `given` are the ports that the query names."""
    found = [_SERVER.fullmatch(server) for server in servers]
    hosts = [each[1] or each[2] for each in found if each]
    if len(hosts) != len(servers):
        raise ValueError("with several hosts, each must be a name or an address")
    ports = given or [each[3] or "" for each in found if each]
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        raise ValueError(f"{len(ports)} ports for {len(hosts)} hosts; give one port for each host")
    if any(port and not (port.isdecimal() and 0 < int(port[:6]) <= HIGHEST_PORT) for port in ports):
        raise ValueError(f"the port must be a number from 1 to {HIGHEST_PORT}")
    return hosts, ports
