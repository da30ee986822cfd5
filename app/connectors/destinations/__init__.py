"""Every kind of destination by its name. A module is imported only when its kind is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors import blame, jsontext
from app.connectors.options import DESTINATION_TYPES, DESTINATIONS, imported, validated
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from app.connectors.passes import Destination, Fence, Log


def make_destination(
    name: str,
    given: dict[str, Any],
    *,
    fence: Fence,
    work_dir: Path,
    log: Log,
    data_dir: Path | None = None,
    remembered: Any = None,
) -> Destination:
    """The destination `name` as the catalogue describes it; `work_dir` is a directory of this attempt alone.

    `remembered` is the bookmark that the store has, for a kind that keeps none; `data_dir` is where its programs are.
    Whatever is raised names the destination.

    Raises:
        ConfigurationError: the description is wrong, or what its kind needs is not installed.
    """
    kind = DESTINATIONS.get(str(given.get("type")))
    if kind is None:
        kinds = ", ".join(DESTINATION_TYPES)
        raise ConfigurationError(f"destinations.{name}.type: {given.get('type')!r} does not exist, valid are: {kinds}")
    options = validated(kind.options, given, place=f"destinations.{name}")
    kept: dict[str, Any] = {}
    if not kind.keeps_bookmark:
        kept["remembered"] = None if remembered is None else jsontext.encode(remembered)
        kept["data_dir"] = data_dir or work_dir
    with blamed(name):
        made: Destination = imported(kind.where)(options, fence, name=name, work_dir=work_dir, log=log, **kept)
        return made


def blamed(name: str) -> AbstractContextManager[None]:
    """Puts the destination's name before what it complains about."""
    return blame.blamed(f"destination {name!r}")
