"""Where a catalogue says that its sources and destinations are, if they are not in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from app.config.substitution import Substitution

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config.documents import Document
    from app.config.texts import Part
    from app.connectors.options.complaints import KeyPath


@dataclass(frozen=True, slots=True)
class Location:
    """A path, a URL or the document itself, which the key at `path` names.

    `written` is the same with its placeholders: a variable that is there by mistake may be a password.
    """

    address: str = field(repr=False)
    written: str
    path: KeyPath
    is_configurator: bool = False


def location_of(part: Part, main: Document, environment: Mapping[str, str]) -> Location | None:
    """Where `part` is; None if it is in the catalogue, or if that cannot be told because a placeholder has no value.

    As in Jitsu Classic, a configurator has what the catalogue leaves out or empty.
    """
    top = main.value if isinstance(main.value, dict) else {}
    value = _replaced(top.get(part), environment, part)
    if isinstance(value, str) and value.strip():
        return Location(value.strip(), str(top[part]).strip(), (part,))
    return _in_configurator(part, top, environment) if value in (None, "") else None


def _in_configurator(part: Part, top: Mapping[str, Any], environment: Mapping[str, str]) -> Location | None:
    """Paths and the token's parameter as in Classic v1.44.8, server/main.go."""
    configurator = top.get("configurator")
    if not isinstance(configurator, dict):
        return None
    base, token = (
        _replaced(configurator.get(key), environment, "configurator", key) for key in ("base_url", "admin_token")
    )
    if not isinstance(base, str) or not base.strip():
        return None
    url = f"{base.strip().rstrip('/')}/api/v1/{part}?{urlencode({'token': token or ''})}"
    return Location(url, str(configurator["base_url"]), ("configurator", "base_url"), is_configurator=True)


def _replaced(value: Any, environment: Mapping[str, str], *path: str) -> Any:
    """`value` with its placeholders replaced; False for text that lacks one."""
    # Nothing in a mapping: it may name pipes, which can be read only once.
    if not isinstance(value, str):
        return value
    substitution = Substitution(environment)
    replaced = substitution.apply(value, path)
    return False if substitution.problems else replaced
