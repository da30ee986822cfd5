"""Destinations: a type, and the options of its connector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.config.classic.destinations import lift_options, refuse_classic_type, warn_of_disabled
from app.config.classic.keys import DESTINATION_KEYS, lift_key, without_classic_keys
from app.config.constraint_files import with_constraints
from app.config.written import with_plain_numbers
from app.connectors.kinds import DESTINATION_TYPES, DESTINATIONS
from app.connectors.options.complaints import MAPPING, key_names, must_be
from app.connectors.options.types import Options
from app.domain.keys import name_problem
from app.domain.naming import AS_IS, namer

if TYPE_CHECKING:
    from collections.abc import Hashable

    from app.config.entry import Entry


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination whose options are valid; `options` is everything beside `type`, placeholders replaced.

    Destinations with equal `home` have the same tables. `from_files` says whether the content of a file, which may
    change, is among the options. `written` is the entry as it stands in the file, with its placeholders.
    """

    id: str
    type: str
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    home: Hashable = None
    from_files: bool = False
    written: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def table_name(self, name: str) -> str:
        """What it calls the table `name` of a collection."""
        return namer(self.options.get("naming", AS_IS))(name)

    def for_attempt(self) -> dict[str, Any]:
        """The description of this destination that an attempt gets."""
        return {"type": self.type, **self.options}


def read_destination(entry: Entry) -> Destination | None:
    """The destination that `entry` describes; None if it has problems, which are then in `entry`."""
    if problem := name_problem(entry.id):
        entry.refuse((), problem)
    if not isinstance(entry.value, dict):
        entry.refuse((), must_be((MAPPING,), entry.value))
        return None
    type_ = entry.value.get("type") or entry.id
    kind = DESTINATIONS.get(type_) if isinstance(type_, str) else None
    # Classic has a `package` too, for its own type `npm`.
    own = kind.options.model_fields if kind else ()
    lifted_key, key_written_at = lift_key(entry, entry.value) if type_ == "postgres" else (entry.value, {})
    written = without_classic_keys(entry, lifted_key, DESTINATION_KEYS.difference(own))
    written.pop("type", None)
    if kind is None or entry.is_unresolved(("type",)):
        if not refuse_classic_type(entry, type_):
            entry.refuse_type(entry.value, "destination type", DESTINATION_TYPES)
        return None
    warn_of_disabled(entry, entry.value)
    lifted, written_at = lift_options(entry, written, key_names(kind.options))
    written_at |= key_written_at
    options = {key: value for key, value in lifted.items() if value is not None}
    options = with_constraints(entry, options, kind.options, written_at.get("constraints", ("constraints",)))
    described = entry.validate(kind.options, {"type": type_, **options}, written_at=written_at)
    if isinstance(described, Options) and not entry.holds_unresolved():
        for path, why in described.find_problems():
            entry.refuse(path, why)
    if entry.problems:
        return None
    options = with_plain_numbers(options, described)
    home = described.home() if isinstance(described, Options) and not entry.holds_unresolved() else None
    return Destination(
        id=entry.id,
        type=str(type_),
        options=options,
        secrets=entry.secrets,
        home=home or ("destination", entry.id),
        from_files=entry.from_files,
        written=entry.written,
    )
