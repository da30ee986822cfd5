"""Warns where a source means something else here than it did to Jitsu Classic (v1.44.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.config.classic.programs import PROGRAMS
from app.connectors.sources.classic.mapping import DRIVERS
from app.domain.collection import ALL
from app.domain.keys import NOTHING

if TYPE_CHECKING:
    from app.config.entry import Entry

_OWN_TYPES: Final = frozenset({"redis", *DRIVERS})
"""The other types that Classic has, too."""


def warn_of_differences(entry: Entry, written: dict[str, Any], type_: Any, *, in_yaml: bool) -> None:
    """Note in `entry` what Classic read otherwise; `in_yaml` if the source stands in the catalogue itself."""
    if type_ in PROGRAMS:
        _warn_of_program(entry, written, str(type_))
    if type_ in _OWN_TYPES:
        _warn_of_schedule(entry, written)
    if type_ == "redis":
        _warn_of_url(entry, written)
    if in_yaml and _is_classic(written, type_) and entry.id != entry.id.lower():
        entry.warn(
            (),
            f"to Jitsu Classic the id of this source was {entry.id.lower()!r}: clients that still ask for that get "
            "404, and its tables have other names; rename the source to keep it",
        )


def _is_classic(written: dict[str, Any], type_: Any) -> bool:
    config = written.get("config")
    marks = isinstance(config, dict) and type_ in PROGRAMS and PROGRAMS[type_] in config
    return marks or type_ in _OWN_TYPES


def _warn_of_program(entry: Entry, written: dict[str, Any], type_: str) -> None:
    config = written.get("config")
    if not isinstance(config, dict):
        return
    mark = PROGRAMS[type_]
    collections = written.get("collections")
    listed = collections if isinstance(collections, list) else ()
    if mark in config and any(_name_of(each) != ALL for each in listed):
        instead = "package" if type_ == "singer" else "image"
        entry.warn(
            ("collections",),
            f"Jitsu Classic ignored the collections of {type_} sources and loaded all streams as collection 'all'; "
            "Syncline loads only these streams. Remove the key to load all of them; if it is meant, write "
            f"{instead!r} instead of {mark!r}",
        )
    if type_ == "singer" and config.get("selected_streams"):
        catalog = next((key for key in ("catalog", "properties") if config.get(key) is not None), None)
        if catalog:
            entry.warn(
                ("config", "selected_streams"),
                f"is ignored beside {catalog!r}, as in Jitsu Classic: the streams that {catalog!r} selects are loaded",
            )


def _warn_of_url(entry: Entry, written: dict[str, Any]) -> None:
    config = written.get("config")
    host = config.get("host") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(host, str) or "://" not in host:
        return
    # A port is what the UI's form has by default.
    for key in ("password", "username", "database") if not host.startswith("sentinel:") else ("port",):
        if config.get(key) not in (None, "", 0):
            entry.warn(("config", key), "is ignored, as in Jitsu Classic: the URL in 'host' says it")


def _name_of(collection: Any) -> Any:
    return collection.get("name") if isinstance(collection, dict) else collection


def _warn_of_schedule(entry: Entry, written: dict[str, Any]) -> None:
    collections = written.get("collections")
    if written.get("schedule") in (None, "", NOTHING) or not isinstance(collections, list):
        return
    if names := [each for each in collections if isinstance(each, str)]:
        shown = ", ".join(map(repr, names))
        entry.warn(
            ("schedule",),
            f"holds for {shown} too, which Jitsu Classic never ran by itself: a plain name did not inherit the "
            f"schedule there. To keep that, write {{name: {names[0]}, schedule: {NOTHING}}}",
        )
