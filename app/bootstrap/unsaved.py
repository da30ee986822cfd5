"""Lets connectors try what is in no catalogue: each in a child process, as for commands and saved sources."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

from app.bootstrap.image_versions import list_versions
from app.config.unsaved import UNSAVED
from app.connectors.kinds import SOURCES
from app.connectors.options.validation import validated
from app.domain.errors import SynclineError
from app.execution.destination_check import check_destination
from app.execution.source_check import check_source, discover_source, read_catalog
from app.execution.specification import ask_specification
from app.execution.trial_renewals import renewals_of_unsaved

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.config.unsaved import Unsaved
    from app.domain.attempt_protocol import Offered


class UnsavedConfigurations:
    """As in `app.api.http.services.UnsavedTrials`. Nothing is kept, except what connectors keep in `data_dir`."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    async def test_source(self, unsaved: Unsaved, tell: Callable[[str], None]) -> None:
        renewals, now = renewals_of_unsaved(tell), dt.datetime.now(dt.UTC)
        await check_source(unsaved.catalogue, UNSAVED, None, data_dir=self._data_dir, now=now, renewals=renewals)

    async def test_destination(self, unsaved: Unsaved) -> None:
        destination = unsaved.catalogue.destinations[UNSAVED]
        answer = await check_destination(unsaved.catalogue, destination, data_dir=self._data_dir)
        if answer.error is not None:
            raise SynclineError(answer.error)

    async def discover(self, unsaved: Unsaved, tell: Callable[[str], None]) -> list[Offered]:
        renewals, now = renewals_of_unsaved(tell), dt.datetime.now(dt.UTC)
        return await discover_source(unsaved.catalogue, UNSAVED, data_dir=self._data_dir, now=now, renewals=renewals)

    async def read_catalog(self, unsaved: Unsaved, tell: Callable[[str], None]) -> str:
        renewals, now = renewals_of_unsaved(tell), dt.datetime.now(dt.UTC)
        return await read_catalog(unsaved.catalogue, UNSAVED, data_dir=self._data_dir, now=now, renewals=renewals)

    async def read_specification(self, source_type: str, origin: dict[str, Any]) -> dict[str, Any]:
        # Some options take seconds to check.
        await asyncio.to_thread(validated, SOURCES[source_type].options, origin, key_path="config")
        return await ask_specification(source_type, origin, data_dir=self._data_dir, now=dt.datetime.now(dt.UTC))

    async def list_versions(self, image: str) -> list[str]:
        return await list_versions(image)
