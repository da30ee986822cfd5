"""A consumer of the feed that is killed again and again, and goes on from what it has saved."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx

from tests.acceptance.cluster import TOKEN
from tests.harness import until

if TYPE_CHECKING:
    from random import Random

_PAUSE_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 20.0
_PAGE: Final = 1000


@dataclass
class Follower:
    """What a consumer has saved: the ids of all events, in the order in which it got them.

    After a failover that has lost commits, the store may not have the last one. Then it goes back to one that the store
    has, as docs/feed.md says.
    """

    addresses: list[str]
    rng: Random
    saved: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    went_back: int = 0

    async def follow_on(self) -> None:
        """Until canceled."""
        async with self._client() as client:
            while True:
                with suppress(httpx.HTTPError):
                    await self._follow(client, self.rng.choice(self.addresses))
                await asyncio.sleep(_PAUSE_SECONDS)

    async def catch_up(self, last: str) -> None:
        """Read by pages up to the last event: what is left when nobody writes any more.

        Other transactions of the server may hold the horizon back for a while.
        """
        async with self._client() as client:

            async def has_it() -> bool:
                with suppress(httpx.HTTPError):
                    await self._read_page(client)
                return self.saved[-1:] == [last]

            with suppress(AssertionError):  # the checker tells what is missing
                await until(has_it)

    async def _read_page(self, client: httpx.AsyncClient) -> None:
        parameters = {"limit": _PAGE} | ({"after": self.saved[-1]} if self.saved else {})
        answer = await client.get(f"{self.addresses[0]}/api/v1/events", params=parameters)
        if answer.status_code == httpx.codes.GONE:
            self._go_back()
        elif answer.status_code == httpx.codes.OK:
            self.saved += [event["id"] for event in answer.json()["events"]]

    async def _follow(self, client: httpx.AsyncClient, address: str) -> None:
        """Take events in batches; at its death one that was not saved is forgotten."""
        batches = self.rng.randrange(1, 20)
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self.saved[-1]} if self.saved else {})
        async with client.stream("GET", f"{address}/api/v1/events", headers=headers) as answer:
            if answer.status_code == httpx.codes.GONE:
                self._go_back()
            elif answer.status_code == httpx.codes.OK:
                batch: list[str] = []
                size = self.rng.randrange(1, 50)
                async for line in answer.aiter_lines():
                    name, _, value = line.partition(": ")
                    if name == "id":
                        id_ = value
                    elif name == "data":
                        batch.append(id_)
                    if len(batch) == size:
                        if not batches:
                            return
                        self.saved += batch
                        batch, size, batches = [], self.rng.randrange(1, 50), batches - 1
            elif answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                await answer.aread()
                self.wrong.append(f"GET {address}/api/v1/events: {answer.status_code} {answer.text}")

    def _go_back(self) -> None:
        self.went_back += 1
        if self.saved:
            del self.saved[-self.rng.randrange(1, 20) :]
        else:
            self.wrong.append("the store does not have the beginning of the feed")

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(headers={"X-Admin-Token": TOKEN}, timeout=_PATIENCE_SECONDS, trust_env=False)
