"""REST APIs as sources, through dlt's rest_api: with its configuration, and its state as our bookmark."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from app.connectors.contract.blame import prefix_errors, subject_of
from app.connectors.contract.bookmarks import READS_EVERYTHING
from app.connectors.contract.passes import Checkpoint
from app.connectors.sources.rest.api import Api
from app.connectors.sources.rest.offers import offers
from app.connectors.sources.rest.reading import Plan, Reading
from app.connectors.values import jsontext
from app.domain.collection import ALL
from app.domain.counts import count
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.connectors.contract.passes import Log, Rows
    from app.connectors.contract.schema import Table
    from app.connectors.options.types import NoParameters
    from app.connectors.sources.rest.options import RestOptions
    from app.domain.attempt_protocol import Offered, SourceJob


class RestSource:
    def __init__(
        self, options: RestOptions, _parameters: NoParameters, job: SourceJob, *, work_dir: Path, log: Log
    ) -> None:
        self._options = options
        self._collection = job.collection
        self._bookmark_was_set = job.bookmark_was_set
        self._subject = subject_of(job)
        self._log = log
        self._home = work_dir / "rest"
        self._opened: list[Api] = []
        with prefix_errors(self._subject):
            if complaint := options.collection_problem(job.collection.type):
                raise ConfigurationError(complaint)

    def parts(self) -> list[str]:
        """The resources."""
        with prefix_errors(self._subject):
            return list(self._prepare()[1])

    def check(self) -> str:
        """Reads the first page of each resource."""
        return ", ".join(map(self.check_part, self.parts()))

    def check_part(self, part: str) -> str:
        """Reads the first page of the resource `part`, as a task would."""
        one_of_several = prefix_errors(f"resource {part!r}") if self._collection.type == ALL else nullcontext()
        with prefix_errors(self._subject), one_of_several:
            api, plans = self._prepare()
            reading, rows = Reading(plans[part]), 0
            for _, page in itertools.islice(api.pages([part], {}), 1):
                rows = len(page)
                for _ in reading.items(page):
                    pass
            for _ in reading.end():
                pass
        return count(rows, "row")

    def discover(self) -> Iterator[Offered]:
        """The configured resources; the API is not called."""
        with prefix_errors(self._subject):
            yield from offers(self._api())

    def read(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:
        with prefix_errors(self._subject):
            yield from self._items(bookmark)

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()

    def _items(self, bookmark: str | None) -> Iterator[Table | Rows | Checkpoint]:
        # A new one each time: dlt's paginators remember their page.
        api, plans = self._prepare()
        remembering = any(plan.incremental for plan in plans.values())
        if self._bookmark_was_set and not remembering:
            raise ConfigurationError(f"the bookmark that was set by hand cannot be used: {READS_EVERYTHING}")
        state = self._state(bookmark)
        for name, plan in plans.items():
            if not plan.incremental:
                state.pop(name, None)
        readings = {name: Reading(plan) for name, plan in plans.items()}
        in_order = remembering and api.is_in_order(list(plans))
        for name, page in api.pages(list(plans), state):
            yield from readings[name].items(page)
            if in_order:
                yield from readings[name].flush()
                yield Checkpoint(jsontext.encode(state))
        for reading in readings.values():
            yield from reading.end()
        yield Checkpoint(jsontext.encode(state) if remembering else None)

    def _api(self) -> Api:
        self._home.mkdir(exist_ok=True)
        api = Api(self._options.config(), home=self._home, log=self._log, may_change=self._options.from_files)
        self._opened.append(api)
        return api

    def _prepare(self) -> tuple[Api, dict[str, Plan]]:
        """The API, with everything that the collection says of its resources."""
        api = self._api()
        plans = self._plans(api)
        for name, plan in plans.items():
            api.identify_by(name, plan.key)
        if lookback := self._collection.lookback:
            for name, plan in plans.items():
                if plan.incremental:
                    api.look_back(name, lookback)
        return api, plans

    def _plans(self, api: Api) -> dict[str, Plan]:
        """How each resource of the collection is read."""
        collection = self._collection
        if collection.type != ALL:
            return {
                collection.type: Plan.of(
                    collection.type, api, self._options, collection, table_name=collection.table_name
                )
            }
        prefix = collection.table_name.removesuffix(f"_{ALL}")
        chosen = [name for name, resource in api.resources.items() if resource.selected]
        return {name: Plan.of(name, api, self._options, collection, table_name=f"{prefix}_{name}") for name in chosen}

    def _state(self, bookmark: str | None) -> dict[str, Any]:
        state = {} if bookmark is None else jsontext.decode(bookmark)
        if not isinstance(state, dict):
            self._log("info", "the bookmark was not written by a REST source: reading everything")
            return {}
        return state
