"""The client of an installation for OAuth: Jitsu Classic (v1.44.8, server/oauth/fields.go) fills it into sources.

A section such as `google_ads` has it once for all sources that leave it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.config.classic.programs import PROGRAMS
from app.domain.secret_values import secrets_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config.entry import Entry

Clients = dict[str, dict[str, str]]
"""The keys and values of each section."""

_CLIENT: Final = ("client_id", "client_secret")
_ADS: Final = (*_CLIENT, "developer_token")
_SECTIONS: Final = {
    "adroll": _CLIENT,
    "bing_ads": _ADS,
    "firebase": _CLIENT,
    "github": _CLIENT,
    "google_ads": _ADS,
    "google_analytics": _CLIENT,
    "google_play": _CLIENT,
    "google_sheets": _CLIENT,
    "helpscout": _CLIENT,
    "xero": _CLIENT,
}
_OLD_SECTION: Final = "google-ads"
_OLD_KEY: Final = "developer-token"
OAUTH_SECTIONS: Final = frozenset({*_SECTIONS, _OLD_SECTION})

_SECTIONS_OF_PROGRAMS: Final = {
    "source-github": "github",
    "source-bing-ads": "bing_ads",
    "source-google-sheets": "google_sheets",
    "tap-adroll": "adroll",
    "tap-google-sheets": "google_sheets",
    "tap-helpscout": "helpscout",
    "tap-xero": "xero",
}
"""Taps and images whose configuration is filled where a key is there and empty, as Classic's UI leaves it."""
_DRIVERS: Final = frozenset({"google_ads", "google_analytics", "google_play"})
"""Classic's own drivers, which the sections have their names from."""


def read_client(entry: Entry, name: str) -> dict[str, str]:
    """The client that a section has; unknown keys and other values than text are noted in `entry`."""
    known = (_OLD_KEY,) if name == _OLD_SECTION else _SECTIONS[name]
    if entry.value in (None, ""):
        return {}
    if not isinstance(entry.value, dict):
        entry.refuse((), f"must be a mapping with {', '.join(known)}")
        return {}
    found: dict[str, str] = {}
    for key, value in entry.value.items():
        if key not in known:
            entry.warn((key,), f"ignored: Jitsu Classic does not know this key; it has {', '.join(known)}")
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            found |= {key: str(value)} if str(value) else {}
        elif value is not None:
            entry.refuse((key,), "must be a string")
    return found


def fill_client(entry: Entry, config: Any, type_: Any, clients: Mapping[str, Mapping[str, str]]) -> Any:
    """A source's `config` with what its section has, where it leaves that out."""
    if not isinstance(config, dict) or not clients:
        return config
    filled = _filled_driver(config, type_, clients) if type_ in _DRIVERS else _filled_program(config, type_, clients)
    if filled != config:
        entry.secrets |= secrets_in(filled)
    return filled


def _filled_driver(config: dict[str, Any], type_: str, clients: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    client = dict(clients.get(type_, {}))
    filled = dict(config)
    if type_ == "google_ads":
        token = client.pop("developer_token", None) or clients.get(_OLD_SECTION, {}).get(_OLD_KEY)
        if token and not filled.get("developer_token"):
            filled["developer_token"] = token
    auth = filled.get("auth")
    if isinstance(auth, dict) and auth.get("type") == "OAuth":
        filled["auth"] = {**auth, **{key: value for key, value in client.items() if not auth.get(key)}}
    return filled


def _filled_program(config: dict[str, Any], type_: Any, clients: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    program = config.get(PROGRAMS.get(str(type_), ""))
    if not isinstance(program, str):
        return config
    name = program.removeprefix("airbyte/").partition("==")[0].partition(":")[0]
    client = clients.get(_SECTIONS_OF_PROGRAMS.get(name, ""), {})
    return {**config, "config": _filled(config["config"], client)} if client and "config" in config else config


def _filled(value: Any, client: Mapping[str, str]) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        key: client[key] if key in client and inner in ("", None) else _filled(inner, client)
        for key, inner in value.items()
    }
