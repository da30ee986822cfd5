"""Completes the names of sources and collections in a shell, from the catalogue as it is written.

It is read without being checked: a shell waits for this at each press of the key, and nothing may disturb its line.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from click.shell_completion import CompletionItem

from app.domain.mappings import mapping_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from click import Context

# The scripts of shells take words apart that have anything else, such as a space.
_WORD: Final = re.compile(r"[\w@%+=:,./-]+")
_LARGEST_BYTES: Final = 16 << 20


def complete_source(context: Context, incomplete: str) -> list[CompletionItem]:
    """The sources that begin like this."""
    return _items(_sources(context), incomplete)


def complete_collection(context: Context, source: object, incomplete: str) -> list[CompletionItem]:
    """The collections of a source that begin like this."""
    return _items(_names(_sources(context).get(str(source))), incomplete)


def _items(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete) and _WORD.fullmatch(name)]


def _sources(context: Context) -> dict[str, Any]:
    """Sources by their ids, as they are written; none if the catalogue cannot be read, which other commands say."""
    try:
        path = Path(context.params.get("config") or os.environ.get("SYNCLINE_CONFIG") or "syncline.yaml")
        found = mapping_of(_read(path)).get("sources")
        if isinstance(found, str):
            found = _read(path.parent / found)
            found = mapping_of(found).get("sources", found)
        return {str(name): source for name, source in mapping_of(found).items()}
    except Exception:  # noqa: BLE001 -- whatever it is, it must not appear in the line that somebody is typing
        return {}


def _names(source: Any) -> list[str]:
    collections = mapping_of(source).get("collections")
    named = [mapping_of(each).get("name", each) for each in collections or () if isinstance(collections, list)]
    return [name for name in named if isinstance(name, str)]


def _read(path: Path) -> Any:
    """The values of a file of YAML or JSON, all of which are text; None for what is not a file of a usual size."""
    import yaml

    if not path.is_file() or path.stat().st_size > _LARGEST_BYTES:
        return None
    return yaml.load(path.read_bytes(), Loader=yaml.CBaseLoader)  # noqa: S506 -- it makes nothing but text
