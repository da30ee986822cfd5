"""Objects taken apart: each value in them becomes a field of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet
    from typing import TypeAlias

    Path: TypeAlias = tuple[str, ...]

SEPARATOR: Final = "_"
_NONE_BELOW: Final[dict[str, None]] = {}


def joined_name(path: Path) -> str:
    """The name of the field for what is at `path` in a record: `parent_child`."""
    return SEPARATOR.join(path)


class NameTakenError(Exception):
    """Two values of a record would become one field, `name`."""

    def __init__(self, name: str, *paths: Path) -> None:
        super().__init__(name)
        self.name = name
        dotted = [".".join(path) for path in paths]
        # A field may have a dot in its name.
        self.paths = dotted if len({*dotted}) == len(dotted) else [" > ".join(path) for path in paths]


class Leaves:
    """The fields of one table without objects: `names` are those that it has had so far.

    Objects are taken apart down to `depth` levels of them; None: all. Fields that are `whole` stay as they are. Only
    fields that were announced or have come out of an object are that object's: of a column that the table has already,
    its name does not say whose it is.
    """

    def __init__(
        self,
        name: Callable[[Path], str] = joined_name,
        *,
        depth: int | None = None,
        whole: AbstractSet[str] = frozenset(),
    ) -> None:
        self._name = name
        self._depth = depth
        self._whole = whole
        self._below: dict[Path, dict[str, None]] = {}
        self._paths: dict[str, Path] = {}
        self.names: dict[Path, str] = {}

    def name_of(self, path: Path) -> str:
        """The field for what is at `path`.

        Raises:
            NameTakenError: something else has that name.
        """
        if (known := self.names.get(path)) is not None:
            return known
        name = self._name(path)
        if (other := self._paths.setdefault(name, path)) != path:
            raise NameTakenError(name, other, path)
        self.names[path] = name
        for end in range(1, len(path)):
            self._below.setdefault(path[:end], {})[name] = None
        return name

    def flatten(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record with values in place of objects; fields known by now that an object lacks are None.

        Raises:
            NameTakenError: two of its values have one name.
        """
        flat: dict[str, Any] = {}
        for field, value in record.items():
            self._add((field,), value, flat)
        return flat

    def _add(self, path: Path, value: Any, flat: dict[str, Any]) -> None:
        if isinstance(value, dict) and self._takes_apart(path):
            for key, inner in value.items():
                self._add((*path, key), inner, flat)
            if (own := self.names.get(path)) is not None:
                flat.setdefault(own, None)
        else:
            flat[self.name_of(path)] = value
        for name in self._below.get(path, _NONE_BELOW):
            flat.setdefault(name, None)

    def _takes_apart(self, path: Path) -> bool:
        return path[0] not in self._whole and (self._depth is None or len(path) <= self._depth)
