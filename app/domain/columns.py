"""`columns` of a collection: which fields of the source become columns, under which names, and which are hashed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from app.domain.keys import Section, Several
from app.domain.naming import RESERVED, is_reserved
from app.domain.patterns import is_pattern, matches
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class ColumnRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """`include` None: all fields. Of `include`, `exclude` and `hash`, each entry is a name or a pattern.

    `flatten` is how many levels of objects become columns, under the names that the other rules give their fields.
    """

    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    hash: tuple[str, ...] = ()
    flatten: int = 0

    def takes(self, field: str) -> bool:
        return (self.include is None or _is_any(self.include, field)) and not _is_any(self.exclude, field)

    def excludes(self, field: str) -> bool:
        """Whether `exclude` names it, and not only `include` does not."""
        return _is_any(self.exclude, field)

    def hashes(self, field: str) -> bool:
        return _is_any(self.hash, field)

    def name_of(self, field: str) -> str:
        return self.rename.get(field, field)

    def field_of(self, name: str) -> str | None:
        """The field that gets this new name."""
        return next((field for field, new in self.rename.items() if new == name), None)

    def named_fields(self) -> Iterator[tuple[str, str]]:
        """The fields that are written as names, and not as patterns, each with the key that has it."""
        for key, names in (("include", self.include or ()), ("exclude", self.exclude), ("hash", self.hash)):
            yield from ((key, name) for name in names if not is_pattern(name))
        yield from (("rename", name) for name in self.rename)


def _is_any(patterns: Iterable[str], field: str) -> bool:
    return any(matches(field, each) for each in patterns)


def _check_new_name(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError(f"'{make_visible(name)}' begins or ends with a space, or has characters that cannot be seen")
    if is_reserved(name):
        raise ValueError(f"names that begin with '{RESERVED}' are reserved for Syncline's own columns: choose another")
    return name


FieldName = Annotated[str, Field(min_length=1)]
FieldNames = Annotated[list[FieldName], Several]
NewName = Annotated[str, Field(min_length=1), AfterValidator(_check_new_name)]


class WrittenColumns(Section):
    """`columns:` as it is written. What contradicts itself is refused, as far as no pattern is involved."""

    include: FieldNames | None = Field(default=None, min_length=1)
    exclude: FieldNames = Field(default_factory=list)
    rename: dict[FieldName, NewName] = Field(default_factory=dict)
    hash: FieldNames = Field(default_factory=list)

    @field_validator("rename")
    @classmethod
    def _check_rename(cls, rename: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        fields: dict[str, str] = {}
        for field, name in rename.items():
            if (other := fields.setdefault(name, field)) != field:
                raise ValueError(f"'{other}' and '{field}' cannot both become '{name}'")
        _check_taken(rename, "renames", info)
        return rename

    @field_validator("hash")
    @classmethod
    def _check_hash(cls, names: list[str], info: ValidationInfo) -> list[str]:
        _check_taken((name for name in names if not is_pattern(name)), "hashes", info)
        return names

    @property
    def rules(self) -> ColumnRules | None:
        """None if nothing is to be done."""
        include = None if self.include is None else tuple(self.include)
        rules = ColumnRules(include, tuple(self.exclude), self.rename, tuple(self.hash))
        return None if rules == ColumnRules() else rules


def _check_taken(fields: Iterable[str], what: str, info: ValidationInfo) -> None:
    """Raises ValueError for a field that other keys leave out."""
    include = info.data.get("include")
    rules = ColumnRules(None if include is None else tuple(include), tuple(info.data.get("exclude", ())))
    for field in fields:
        if not rules.takes(field):
            key = "'exclude' leaves it out" if rules.excludes(field) else "'include' does not take it"
            raise ValueError(f"{what} '{field}', but {key}")
