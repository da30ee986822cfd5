"""A catalogue where the values of its placeholders are missing, as where an image is made: only what runs programs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from app.config.catalogue import build_catalogue
from app.config.classic.oauth import OAUTH_SECTIONS
from app.config.reader import CatalogueReader
from app.config.texts import PARTS, Texts, content_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.documents import Document
    from app.config.texts import Part

# A number too, for a placeholder with a type.
_STAND_IN: Final = "0"
_NOWHERE: Final = "nowhere"


class Choice(Protocol):
    """Whether a source or destination of this type is wanted."""

    def __call__(self, part: Part, type_: str, /) -> bool: ...


def read_without_values(path: Path, environment: Mapping[str, str], wanted: Choice) -> Catalogue:
    """The sources and destinations of the `wanted` types, each alone: sources load into nothing.

    Placeholders without a value become a stand-in. What is wrong in other parts of the catalogue does not matter.

    Raises:
        CatalogueError: the catalogue's texts cannot be read.
    """
    reader = CatalogueReader(path, environment)
    with reader.refusing():
        texts = reader.read()
        main = texts.main.value if isinstance(texts.main.value, dict) else {}
        value: dict[str, Any] = {key: inner for key, inner in main.items() if key in OAUTH_SECTIONS}
        separate: dict[Part, Document | None] = {}
        for part in PARTS:
            document = texts.separate(part)
            chosen = _chosen(part, content_of(document, part)[0] if document else main.get(part), wanted)
            separate[part] = document and replace(document, value={part: chosen})
            value |= {} if document else {part: chosen}
        alone = Texts(replace(texts.main, value=value), separate["sources"], separate["destinations"])
        return build_catalogue(
            alone, environment, directory=reader.directory, without_collections=True, stand_in=_STAND_IN
        )


def _chosen(part: Part, written: Any, wanted: Choice) -> dict[Any, Any]:
    chosen: dict[Any, Any] = {} if part == "sources" else {_NOWHERE: {"type": "none"}}
    for id_, value in written.items() if isinstance(written, dict) else ():
        if isinstance(value, dict) and wanted(part, str(value.get("type") or id_)):
            chosen[id_] = value | ({"destinations": [_NOWHERE]} if part == "sources" else {})
    return chosen
