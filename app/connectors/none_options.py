"""The options of the destination `none`."""

from __future__ import annotations

from typing import Literal

from app.connectors.option_types import Options


class NoneDestinationOptions(Options):
    """Keeps nothing."""

    type: Literal["none"] = "none"
