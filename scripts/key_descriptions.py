"""Prints what the documentation says about each key of a catalogue, as JSON: model → key → description.

`make descriptions` writes it to `app/config/key_descriptions.json`, for `syncline schema`.
"""  # noqa: INP001 - a script

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from app.config.sections import Configurator, Notifications, Server, WrittenSource
from app.connectors.destinations.dlt.options import DLT
from app.connectors.kinds import DESTINATIONS, SOURCES
from app.connectors.sources.classic.mapping import DRIVERS
from app.connectors.sources.classic.options import GoogleAuth
from app.domain.collection import Collection, Inherited

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parent.parent / "docs"
CONFIGURATION = DOCS / "configuration.md"


def main() -> None:
    found: dict[str, dict[str, str]] = {}
    for page, heading, model in tables():
        for path, meaning in rows(section(heading, page.read_text(encoding="utf-8"))):
            if text := plain(meaning):
                owner, key = owner_of(model, path)
                found.setdefault(owner.__name__, {})[key] = text
    print(json.dumps(found, ensure_ascii=False, indent=2, sort_keys=True))  # noqa: T201


def tables() -> Iterator[tuple[Path, str, type[BaseModel]]]:
    """Each table of keys: its page, its heading, and the model that has the keys."""
    yield CONFIGURATION, "Server", Sections
    yield CONFIGURATION, "Source", WrittenSource
    yield CONFIGURATION, "Source or collection", Inherited
    yield CONFIGURATION, "Collection", Collection
    for name, source in SOURCES.items():
        page = DOCS / "sources" / ("classic.md" if name in DRIVERS else f"{name}.md")
        before = f"{name} " if name in DRIVERS else ""
        yield page, f"{before}config", source.options
        if source.parameters:
            yield page, f"{before}parameters", source.parameters
    yield DOCS / "sources" / "classic.md", "auth", GoogleAuth
    for name, destination in DESTINATIONS.items():
        yield DOCS / "destinations" / f"{'dlt' if name.startswith(DLT) else name}.md", "Options", destination.options


class Sections(BaseModel):
    """The sections whose keys are in one table, written with dots."""

    server: Server
    configurator: Configurator
    notifications: Notifications


def section(heading: str, page: str) -> str:
    """What stands below a heading, up to the next one; nothing where there is no such heading."""
    found = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def rows(text: str) -> Iterator[tuple[str, str]]:
    """The first and the last cell of the rows about keys."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) > 1:
            yield cells[0].strip("`"), cells[-1]


def plain(markdown: str) -> str:
    """Text without links, as editors show it."""
    text = re.sub(r"\[([^\]]+)\]\([^)\s]+\)", r"\1", markdown.replace("[see below](#auth)", "")).strip(", ")
    return text[:1].upper() + text[1:]


def owner_of(model: type[BaseModel], path: str) -> tuple[type[BaseModel], str]:
    """The model that has the key at the end of a path such as `server.ui.prefix`."""
    *above, key = path.split(".")
    for name in above:
        inner = model.model_fields[name].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            raise SystemExit(f"the documentation has the key {path!r}, which is in no section")
        model = inner
    return model, key


if __name__ == "__main__":
    main()
