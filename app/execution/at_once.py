"""Made load that takes no time: its attempts are carried out a whole claim at a time, without waiting for anything.

A load test of the queue would otherwise measure what a task of the event loop costs, and nothing of the queue.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from app.connectors.sources.synthetic.options import SyntheticParameters
from app.connectors.sources.synthetic.source import end_of, lines_of
from app.domain.claim import NumberedLine
from app.domain.errors import ConfigurationError
from app.execution.attempt import FIRST_LINE, outcome_of, shown
from app.execution.jobs import is_made_load
from app.execution.outcome import ending_of
from app.execution.task_log import ENDING_LINES
from app.execution.text import clean, clean_all

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from app.config.catalogue import Catalogue
    from app.config.watch import CatalogueWatcher
    from app.domain.claim import Claim, Ending
    from app.execution.attempt import Redaction

_MOST_PLANS: Final = 1000


@dataclass(slots=True)
class _Plan:
    """What attempts with the same parameters have in common: their lines, and the first successful ending of them."""

    parameters: SyntheticParameters
    lines: Sequence[str]
    success: Ending | None = None


class AtOnce:
    """Tells how attempts of made load end that wait for nothing."""

    def __init__(self, watcher: CatalogueWatcher, redaction: Redaction) -> None:
        self._watcher = watcher
        self._redaction = redaction
        self._catalogue: Catalogue | None = None
        self._plans: dict[tuple[Any, ...], _Plan | None] = {}
        self._rng = Random()  # noqa: S311 - made load and jitter, no secret

    def ending_of(self, claim: Claim) -> Ending | None:
        """The attempt's ending, with all lines of its log; None where it takes time or more than a look."""
        plan = None if claim.cancel_requested or claim.backfill else self._plan(claim)
        if plan is None:
            return None
        now, prefix = time.monotonic(), f"[{claim.task_id}] "
        lines = [NumberedLine(number, now, "info", prefix + text) for number, text in enumerate(plan.lines, 1)]
        if plan.success is not None:
            return replace(plan.success, claim=claim, lines=lines)
        outcome = shown(outcome_of(end_of(plan.parameters, rng=self._rng), exit_code=0), self._clean)
        ending = ending_of(claim, outcome, before=lines, line=len(lines) + 1, seconds=0.0, rng=self._rng)
        if not plan.parameters.fail_rate:
            plan.success = ending
            plan.lines = [line.message.removeprefix(prefix) for line in ending.lines]
        return ending

    def _plan(self, claim: Claim) -> _Plan | None:
        catalogue = self._watcher.current
        try:
            source, collection = catalogue.find(claim.source, claim.collection)
        except ConfigurationError:
            return None
        if not is_made_load(catalogue, source):
            return None
        if catalogue is not self._catalogue or len(self._plans) > _MOST_PLANS:
            self._catalogue = catalogue
            self._plans.clear()
        # What was written, not what it means: collections of one source mostly have the same parameters.
        key = tuple(collection.parameters.items())
        if key not in self._plans:
            self._plans[key] = self._made(collection.parameters)
        return self._plans[key]

    def _made(self, given: dict[str, Any]) -> _Plan | None:
        parameters = SyntheticParameters.model_validate(given)
        if parameters.seconds > 0 or parameters.log_lines >= ENDING_LINES:
            return None
        return _Plan(parameters, clean_all([FIRST_LINE, *lines_of(parameters)], self._redact))

    def _clean(self, text: str) -> str:
        return clean(text, self._redact)

    def _redact(self, text: str) -> str:
        return self._redaction.of(self._watcher.current)(text)
