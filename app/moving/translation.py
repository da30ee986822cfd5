"""Jitsu Classic's configuration in Syncline's own keys, with notes about what differs. Placeholders stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from app.config.classic.destinations import lifted_options
from app.config.classic.keys import (
    COLLECTION_KEYS,
    DESTINATION_KEYS,
    KEY_OPTION,
    SECTIONS,
    SERVER_KEYS,
    SOURCE_KEYS,
    without_ignored,
)
from app.config.classic.programs import PROGRAMS
from app.config.texts import PARTS
from app.connectors.kinds import DESTINATIONS
from app.connectors.options.complaints import key_names, render_path
from app.domain.naming import CLASSIC
from app.domain.redaction import redactor_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.config.problems import Problem
    from app.moving.configuration import Classic

Part = tuple[str, ...]

_UNUSABLE: Final = "cannot be used yet: "


@dataclass(slots=True)
class Translated:
    """`sections` are those of the catalogue. `notes` belong to sections, or to sources and destinations in them.

    The notes of the whole catalogue have the key (). `mended` are paths that mean in it what they meant to Classic.
    `unusable` counts the parts that must be corrected before they can be used.
    """

    sections: dict[str, Any] = field(default_factory=dict)
    notes: dict[Part, list[str]] = field(default_factory=dict)
    mended: set[str] = field(default_factory=set)
    unusable: int = 0

    def note(self, part: Part, text: str) -> None:
        self.notes.setdefault(part, []).append(text)


def translate(classic: Classic, *, project: str | None = None) -> Translated:
    """The catalogue that means what the configuration meant, as far as Syncline has a word for it.

    With a `project`, the configuration is a configurator's export of it, which leaves it out of ids.
    """
    made = Translated()
    top, _ = without_ignored(classic.written, SECTIONS)
    for name, value in top.items():
        match name, classic.content(name) if name in PARTS else value:
            case "server", dict(server):
                made.sections[name], _ = without_ignored(server, SERVER_KEYS)
            case "sources", dict(sources):
                made.sections[name] = {id_: _source(made, id_, written) for id_, written in sources.items()}
            case "destinations", dict(destinations):
                made.sections[name] = {id_: _destination(made, id_, written) for id_, written in destinations.items()}
            case _, other:
                made.sections[name] = other
    _add_notes(made, classic)
    _leave_out_unused(made, classic)
    if project:
        _name_by_project(made, project)
    return made


def _source(made: Translated, id_: str, written: Any) -> Any:
    if not isinstance(written, dict):
        return written
    source, _ = without_ignored(written, SOURCE_KEYS)
    part = ("sources", id_)
    collections = source.get("collections")
    if (source.get("type") or id_) in PROGRAMS:
        if collections:
            del source["collections"]
            made.mended.add(render_path((*part, "collections")))
            made.note(part, "collections: left out, because Jitsu Classic ignores them for this type")
    elif isinstance(collections, list):
        source["collections"] = [
            without_ignored(each, COLLECTION_KEYS)[0] if isinstance(each, dict) else each for each in collections
        ]
        _place_schedule(made, part, source)
    return source


def _place_schedule(made: Translated, part: Part, source: dict[str, Any]) -> None:
    """Classic's schedule of a source holds for collections that are mappings; Syncline's holds for all."""
    bare = [each for each in source["collections"] if not isinstance(each, dict)]
    if not source.get("schedule") or not bare:
        return
    schedule = source.pop("schedule")
    made.mended.add(render_path((*part, "schedule")))
    source["collections"] = [
        each | {"schedule": each.get("schedule") or schedule} if isinstance(each, dict) else each
        for each in source["collections"]
    ]
    names = ", ".join(map(str, bare))
    made.note(
        part,
        f"schedule: Jitsu Classic never runs collections that are only names by the schedule of their source, so these "
        f"have none: {names}",
    )


def _destination(made: Translated, id_: str, written: Any) -> Any:
    if not isinstance(written, dict):
        return written
    type_ = written.get("type") or id_
    kind = DESTINATIONS.get(type_) if isinstance(type_, str) else None
    own = kind.options.model_fields if kind else ()
    kept, _ = without_ignored(written, DESTINATION_KEYS.difference(own))
    kept.pop("type", None)
    options, _, _ = lifted_options(kept, key_names(kind.options) if kind else ())
    naming = _naming(made, ("destinations", id_), written) if type_ == "postgres" and "naming" not in written else {}
    return {"type": type_} | {key: value for key, value in options.items() if value is not None} | naming


def _naming(made: Translated, part: Part, written: dict[str, Any]) -> dict[str, Any]:
    """That of Classic, whose tables are there, with the key that they have."""
    layout = written.get("data_layout")
    key = layout.get(KEY_OPTION) if isinstance(layout, dict) else None
    made.mended.add(render_path((*part, "data_layout", KEY_OPTION)))
    made.note(
        part,
        "naming: loads on into Jitsu Classic's tables; remove it for the source's names, types and keys, in new tables",
    )
    return {"naming": CLASSIC} | ({KEY_OPTION: key} if key else {})


def _add_notes(made: Translated, classic: Classic) -> None:
    """What the reader of catalogues says about Classic's own keys, and about what it cannot use."""
    catalogue = classic.catalogue
    parts: list[Part] = [
        (name, id_)
        for name in ("sources", "destinations")
        if isinstance(value := made.sections.get(name), dict)
        for id_ in value
    ]
    redact = redactor_of(classic.secrets).redact
    told_at_destination = {f"destination '{id_}' cannot be used: " for id_ in catalogue.rejected_destinations}
    for warning in catalogue.warnings:
        if warning.path not in made.mended:
            _add(made, parts, warning, redact(warning.message))
    missing = set(classic.missing)
    unusable = set[Part]()
    for problem in catalogue.problems:
        if problem not in missing and not any(problem.message.startswith(each) for each in told_at_destination):
            unusable.add(_add(made, parts, problem, redact(problem.message), head=_UNUSABLE))
    made.unusable = len(unusable)


def _add(made: Translated, parts: Iterable[Part], problem: Problem, message: str, *, head: str = "") -> Part:
    """Note it at the part it is about, with the rest of the path."""
    named = {render_path(part): part for part in (*parts, *((name,) for name in made.sections))}
    for path in sorted(named, key=len, reverse=True):
        rest = problem.path.removeprefix(path)
        if problem.path.startswith(path) and rest[:1] in ("", ".", "["):
            rest = rest.removeprefix(".")
            made.note(named[path], head + (f"{rest}: {message}" if rest else message))
            return named[path]
    made.note((), head + (f"{problem.path}: {message}" if problem.path else message))
    return ()


def _leave_out_unused(made: Translated, classic: Classic) -> None:
    """Destinations for events alone, of types that Syncline does not have, would only be in the way."""
    destinations = made.sections.get("destinations")
    if not isinstance(destinations, dict) or not isinstance(made.sections.get("sources"), dict):
        return
    used = set(_used(made.sections["sources"]))
    for id_ in [*destinations]:
        part = ("destinations", id_)
        problems = [
            each for each in classic.catalogue.rejected_destinations.get(id_, ()) if each not in classic.missing
        ]
        if problems and id_ not in used:
            del destinations[id_]
            made.unusable -= 1
            reasons = [each.removeprefix(_UNUSABLE) for each in made.notes.pop(part) if each.startswith(_UNUSABLE)]
            made.note(
                ("destinations",),
                f"'{id_}' is left out, as no source loads into it, and it could not be used: {'; '.join(reasons)}",
            )


def _used(sources: Mapping[str, Any]) -> Iterable[str]:
    for source in sources.values():
        names = source.get("destinations") if isinstance(source, dict) else None
        yield from map(str, names) if isinstance(names, list) else [str(names)]


def _name_by_project(made: Translated, project: str) -> None:
    """Ids as Classic's server has them, and so its clients. Tables have names of their own in an export."""
    for section in ("sources", "destinations"):
        parts = made.sections.get(section)
        if isinstance(parts, dict):
            made.sections[section] = {f"{project}.{id_}": part for id_, part in parts.items()}
            for id_ in parts:
                if notes := made.notes.pop((section, id_), None):
                    made.notes[section, f"{project}.{id_}"] = notes
    sources = made.sections.get("sources")
    for source in sources.values() if isinstance(sources, dict) else ():
        names = source.get("destinations") if isinstance(source, dict) else None
        if names:
            source["destinations"] = [f"{project}.{each}" for each in (names if isinstance(names, list) else [names])]
