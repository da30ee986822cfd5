"""The text of a whole catalogue, with comments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.config.pasting import HEAD, entry_yaml
from app.config.yaml_scalars import scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.starter.proposals import Proposal

_BEGINNING: Final = """\
# What Syncline copies, and where to. 'syncline init' wrote it from what the source offers: change what you like.
# 'syncline check' says whether it is valid. A running Syncline takes up changes of this file by itself.

# The API and the pages ask for a token. To choose one yourself, take away the '#':
# server: {admin_token: "${env.SYNCLINE_ADMIN_TOKEN}"}

sources:"""
_SCHEDULE: Final = (
    '    # schedule: "@every 1h"  # or as in cron: "0 3 * * *". Without a schedule, it runs on request only.'
)
_HINTS: Final = {
    "sql": (
        "    # Each run reads all rows of a table. With a cursor_field, it reads only new ones: choose a column",
        "    # whose value grows whenever a row is added or changed.",
    ),
    "files": (
        "    # Each run reads all files. With a primary_key and without sync_mode, it reads only files that are new or",
        "    # have changed; then a row replaces the one with the same key.",
    ),
}


def catalogue_text(
    source: str,
    type_: str,
    config: Mapping[str, Any],
    proposals: Iterable[Proposal],
    destinations: Mapping[str, Mapping[str, Any]],
) -> str:
    """A whole catalogue with one source."""
    lines = [
        _BEGINNING,
        f"  {scalar(source)}:",
        f"    type: {type_}",
        f"    destinations: {scalar([*destinations])}",
        _SCHEDULE,
    ]
    if config:
        lines += ["    config:", *(f"      {key}: {scalar(value)}" for key, value in config.items())]
    lines += [*_HINTS[type_], *_collections(proposals), "", "destinations:"]
    for name, options in destinations.items():
        lines += [f"  {scalar(name)}:", *(f"    {key}: {scalar(value)}" for key, value in options.items())]
    return "\n".join([*lines, ""])


def _collections(proposals: Iterable[Proposal]) -> Iterator[str]:
    yield HEAD
    for each in proposals:
        yield from entry_yaml(each.entry, each.comments)
