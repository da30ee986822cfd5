"""The options of the source `synthetic`: what to generate."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from app.connectors.contract.kind import SourceKind
from app.connectors.options.types import Options
from app.domain.numbers import Number, Whole  # noqa: TC001 - pydantic reads the annotations

SYNTHETIC: Final = "synthetic"


class SyntheticOptions(Options):
    """It has no options; its collections have `SyntheticParameters`."""


class SyntheticParameters(Options):
    """`records` and `log_lines` spread evenly over `seconds`, then a failure with probability `fail_rate`."""

    records: Whole = Field(default=100, ge=0)
    log_lines: Whole = Field(default=1, ge=0)
    seconds: Number = Field(default=0, ge=0, allow_inf_nan=False)
    fail_rate: Number = Field(default=0, ge=0, le=1)


KINDS: Final[dict[str, SourceKind]] = {
    SYNTHETIC: SourceKind(
        SyntheticOptions,
        SyntheticParameters,
        "app.connectors.sources.synthetic.source:SyntheticSource",
        offers="by collection",
        reads_intervals=True,
        bookmark_problem="app.connectors.contract.bookmarks:no_bookmark_problem",
        tries="nothing",
    ),
}
