"""The options of the destination `none`."""

from __future__ import annotations

from typing import Final, Literal

from app.connectors.contract.kind import DestinationKind
from app.connectors.options.types import Options

NONE: Final = "none"


class NoneDestinationOptions(Options):
    """Discards all rows."""

    type: Literal["none"] = "none"


KINDS: Final[dict[str, DestinationKind]] = {
    NONE: DestinationKind(
        NoneDestinationOptions, "app.connectors.destinations.none.destination:NoneDestination", replaces_for_all=False
    ),
}
