"""The digests of every key of a catalogue, by which a worker sees what has changed in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.domain.catalogue_parts import Kind, Part, PartKey, Parts, leaves
from app.domain.redaction import redactor_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config.catalogue import Catalogue
    from app.config.destinations import Destination
    from app.config.sources import Source
    from app.execution.digests import DigestKey

_DIGITS: Final = 12


def parts_of(catalogue: Catalogue, key: DigestKey) -> Parts:
    """Every source, collection, destination and section, with a digest of each key that is written.

    Keys with their default value count as absent, so that a new release, which knows more keys, changes nothing.
    """
    redact = redactor_of(catalogue.secrets()).redact
    parts: dict[PartKey, Part] = {}
    for source in catalogue.sources.values():
        parts[PartKey(Kind.SOURCE, source.id)] = _part(key, source.id, _of_source(source))
        for collection in source.collections.values():
            written = collection.model_dump(exclude_defaults=True, exclude={"name"})
            parts[PartKey(Kind.COLLECTION, source.id, collection.name)] = _part(key, source.id, written)
    for destination in catalogue.destinations.values():
        parts[PartKey(Kind.DESTINATION, destination.id)] = _part(key, destination.id, _of_destination(destination))
    for name, section in (("notifications", catalogue.notifications), ("server", catalogue.server)):
        parts[PartKey(Kind.SECTION, name)] = _part(key, name, section.model_dump(exclude_defaults=True))
    for id_, problems in catalogue.rejected.items():
        texts: dict[str, list[str]] = {}
        # The note depends on what this process has seen before.
        for problem in (problem for problem in problems if not problem.is_note):
            texts.setdefault(redact(problem.path), []).append(redact(problem.message))
        joined = {path: "; ".join(messages) for path, messages in texts.items()}
        parts[PartKey(Kind.REJECTED, id_)] = Part(key.digest(joined), joined)
    return Parts(
        digest=key.digest([[*part_key, part.digest] for part_key, part in sorted(parts.items())]),
        key_id=key.id,
        parts=parts,
        unknown=frozenset(catalogue.rejected.keys() - catalogue.sources.keys()),
    )


def _of_source(source: Source) -> dict[str, Any]:
    keys = {"type": source.type, "destinations": source.destinations, "pool": source.pool, "config": source.config}
    return keys | source.about.model_dump(exclude_defaults=True)


def _of_destination(destination: Destination) -> dict[str, Any]:
    return {"type": destination.type, **destination.options}


def _part(key: DigestKey, name: str, written: Mapping[str, Any]) -> Part:
    # With the name, nobody can see that two sources have the same password.
    digests = {".".join(path): key.digest([name, value])[:_DIGITS] for path, value in leaves(written)}
    return Part(key.digest(digests), digests)
