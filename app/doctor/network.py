"""Whether the hosts of sources and destinations answer. Nothing is sent to them, except to begin TLS at https."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from app.causes import describe_error
from app.doctor.finding import fail, ok, warn
from app.doctor.hosts import HTTP, Host, hosts_in
from app.doctor.installation import SECONDS

if TYPE_CHECKING:
    from app.config.catalogue import Catalogue
    from app.doctor.finding import Finding
    from app.doctor.installation import Installation

_NAME: Final = "network"
_AT_ONCE: Final = 32
_USERS_SHOWN: Final = 3
# Their programs may not use every address in their configuration, or from another network than this process.
_UNCERTAIN: Final = ("airbyte", "python", "singer")


async def look(installation: Installation) -> list[Finding]:
    """One finding for each host."""
    if installation.catalogue is None:
        return []
    used = _used_hosts(installation.catalogue)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def reach(host: Host) -> Finding:
        async with slots:
            return await _reach(host, used[host])

    return list(await asyncio.gather(*map(reach, sorted(used))))


def _used_hosts(catalogue: Catalogue) -> dict[Host, list[str]]:
    """Each host with the sources and destinations that name it; first those that certainly need it."""
    used: dict[Host, list[str]] = {}
    parts: list[tuple[str, str, str, list[Any]]] = [
        ("source", each.id, each.type, [each.config, *(one.parameters for one in each.collections.values())])
        for each in catalogue.sources.values()
    ]
    parts += [("destination", each.id, each.type, [each.options]) for each in catalogue.destinations.values()]
    for kind, name, type_, config in sorted(parts, key=lambda part: part[2].partition(":")[0] in _UNCERTAIN):
        mark = "?" if type_.partition(":")[0] in _UNCERTAIN else ""
        for host in dict.fromkeys(hosts_in(config, type_=type_)):
            used.setdefault(host, []).append(f"{kind} {name}{mark}")
    return used


async def _reach(host: Host, users: list[str]) -> Finding:
    names = ", ".join(user.removesuffix("?") for user in users[:_USERS_SHOWN])
    more = f" and {len(users) - _USERS_SHOWN} more" if len(users) > _USERS_SHOWN else ""
    address, way = _way_to(host)
    error = await _error_of(address, tls=host.scheme == "https" and address is host)
    if error is None:
        return ok(_NAME, f"{host} answers{way}: {names}{more}")
    if isinstance(error, ssl.SSLCertVerificationError):
        # Some libraries behind connectors have authorities of their own.
        text = f"{host} has a certificate that is not trusted here ({error.verify_message}): {names}{more}"
        return warn(_NAME, text, "Let SSL_CERT_FILE name its authority, or check the address.")
    return (warn if users[0].endswith("?") else fail)(
        _NAME,
        f"{host} cannot be reached{way}: {_reason(error)}; needed by {names}{more}",
        "Check the address and the firewall, and that the server is running.",
    )


def _way_to(host: Host) -> tuple[Host, str]:
    """The host itself, or the proxy that leads there."""
    proxy = getproxies().get(host.scheme) if host.scheme in HTTP else None
    if proxy and not proxy_bypass(host.name):
        with suppress(ValueError):
            parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            if parts.hostname:
                found = Host(parts.hostname, parts.port or 80)
                return found, f" through the proxy {found}"
    return host, ""


async def _error_of(host: Host, *, tls: bool) -> Exception | None:
    """Why no connection can be opened; None if it can."""
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(
                host.name, host.port, ssl=ssl.create_default_context() if tls else None
            )
    except (OSError, ValueError) as error:  # ValueError: a name that is none
        return error
    writer.transport.abort()
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {SECONDS:g} s"
    return describe_error(error)
