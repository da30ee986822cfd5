"""Sources and collections that a request names, found in the catalogue or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.errors import rejected_source, unknown_collection, unknown_source

if TYPE_CHECKING:
    from app.config.catalogue import Catalogue
    from app.config.sources import Collection, Source


def find_source(catalogue: Catalogue, source_id: str) -> Source:
    """The source of this id.

    Raises:
        RefusedError: 404; there is none, or it was left out.
    """
    if source := catalogue.sources.get(source_id):
        return source
    if problems := catalogue.rejected.get(source_id):
        raise rejected_source(source_id, str(problems[0]))
    raise unknown_source(source_id)


def find_collection(catalogue: Catalogue, source_id: str, name: str) -> tuple[Source, Collection]:
    """The source and its collection of this name.

    Raises:
        RefusedError: 404; there is none, or the source was left out.
    """
    source = find_source(catalogue, source_id)
    if collection := source.collections.get(name):
        return source, collection
    raise unknown_collection(source_id, name)
