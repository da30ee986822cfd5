"""Users that a proxy in front of the API has identified: it sends their names in the header `server.user_header`.

The header names who asks and allows nothing: the request needs a token all the same. It counts only if the connection
itself comes from one of `server.trusted_proxies`; no other header can say where it comes from.
"""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from app.api.http.errors import RefusedError
from app.domain.seal import REDACTED
from app.domain.visible import name_character

if TYPE_CHECKING:
    from starlette.types import Scope

    from app.config.sections import Server

LONGEST_USER: Final = 200


def user_named_by_proxy(scope: Scope, server: Server) -> str | None:
    """The user whom a trusted proxy names, or None: the request has come another way, or the proxy names nobody.

    Raises:
        RefusedError: 400; a trusted proxy sends something that is no name. A client that could spoil its own name would
            otherwise be recorded under the proxy's token.
    """
    if not server.user_header or not _is_trusted(scope.get("client"), server):
        return None
    wanted = server.user_header.lower().encode()
    values = [value for name, value in scope["headers"] if name == wanted]
    if len(values) > 1:
        # The first may be the client's own.
        raise _unreadable(server, f"it was sent {len(values)} times; let the proxy replace what its clients send")
    user = _decode(values[0]).strip(" \t") if values else ""
    if len(user) > LONGEST_USER:
        raise _unreadable(server, f"it has {len(user)} characters; at most {LONGEST_USER} are allowed")
    if user == REDACTED:
        raise _unreadable(server, f"{REDACTED} stands for a name that was removed")
    if hidden := next((each for each in user if not each.isprintable()), None):
        raise _unreadable(server, f"it has a character that cannot be seen: {name_character(hidden)}")
    return user or None


def _is_trusted(peer: Any, server: Server) -> bool:
    """Whether the peer of the connection is a trusted proxy. A Unix socket has no address, so it is never trusted."""
    try:
        address = ip_address(peer[0]) if peer else None
    except ValueError:
        return False
    # An IPv4 client of a socket for both.
    address = getattr(address, "ipv4_mapped", None) or address
    return address is not None and any(address in network for network in server.trusted_proxies)


def _decode(value: bytes) -> str:
    """UTF-8 if it is that, otherwise Latin-1, which HTTP used to be."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _unreadable(server: Server, why: str) -> RefusedError:
    message = f"Error reading '{server.user_header}' header"
    return RefusedError(HTTPStatus.BAD_REQUEST, message, f"the proxy must send the user's name: {why}")
