"""The documents that a catalogue is made of: its file, and what that file names for sources and destinations."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from app.config.documents import Document
    from app.config.problems import PlaceOf

Part = Literal["sources", "destinations"]
PARTS: Final[tuple[Part, ...]] = ("sources", "destinations")


@dataclass(frozen=True, slots=True)
class Texts:
    """`main` is the catalogue; `sources` and `destinations` are separate documents, None if it has them itself."""

    main: Document
    sources: Document | None = None
    destinations: Document | None = None

    @property
    def fingerprint(self) -> str:
        """The same for the same texts."""
        digests = (each.digest for each in (self.main, self.sources, self.destinations) if each)
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    @property
    def values(self) -> list[object]:
        """What they say, whatever else is in them, such as comments."""
        return [each.value if each else None for each in (self.main, self.sources, self.destinations)]

    def separate(self, part: Part) -> Document | None:
        return self.sources if part == "sources" else self.destinations

    def place_of(self, part: Part) -> PlaceOf:
        """Finds the place of a key of this part, wherever it is written."""
        separate = self.separate(part)
        return content_of(separate, part)[1] if separate else self.main.place


def content_of(document: Document, part: Part) -> tuple[Any, PlaceOf]:
    """The sources or destinations in a separate document, which has them at the top or under the key of this name."""
    value = document.value
    if has_own_key(document, part):
        return value[part] or {}, document.place
    return value, lambda path: document.place(path[1:])


def has_own_key(document: Document, part: Part) -> bool:
    """Whether they stand under the key of this name."""
    return isinstance(document.value, dict) and document.value.keys() == {part}
