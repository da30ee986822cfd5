"""The options of the destination `none`."""

from __future__ import annotations

from typing import Final, Literal

from app.connectors.option_types import Options

NONE: Final = "none"


class NoneDestinationOptions(Options):
    """Keeps nothing."""

    type: Literal["none"] = "none"
