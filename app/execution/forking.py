"""Attempt servers: processes that have imported what attempts need, and fork one for each attempt.

Forking takes milliseconds, an interpreter of its own a third of a second. The connection to a server is in `server`.
"""

from __future__ import annotations

import asyncio
import sys
import sysconfig
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from app.execution.fork_server import ForkServer, RefusedError, ServerLostError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from app.execution.fork_server import ForkedProcess
    from app.execution.processes import Descriptors

Modules = tuple[str, ...]

# Heavy libraries take a hundred megabytes: nobody keeps what they do not use.
_IDLE_SECONDS: Final = 600.0
# Pages of a server that are no longer shared with new attempts grow in number with each of them.
_MOST_FORKS: Final = 10_000
_QUICK_DEATH_SECONDS: Final = 10.0
_QUICK_DEATHS: Final = 3
_FIRST_PAUSE_SECONDS: Final = 0.5

_logger = structlog.get_logger("syncline.attempt_server")


class ForkServers:
    """The attempt servers of this process: one for each set of modules, started when it is first needed.

    Closed, on other systems than Linux, and after three quick deaths there are none: `fork` returns None. Use it in
    the event loop that has opened it.
    """

    def __init__(self) -> None:
        self._is_open = False
        self._kept: Modules | None = None
        self._servers: dict[Modules, ForkServer] = {}
        # With those that get no new attempts, because they have been replaced, and those that are ending.
        self._all: set[ForkServer] = set()
        self._quick_deaths = 0
        self._not_before = 0.0
        self._refusals: set[str] = set()

    @asynccontextmanager
    async def open(self, *, keep: Modules | None = None) -> AsyncIterator[None]:
        """Use servers meanwhile, and start the one for `keep`, which stays however long it is idle."""
        self._is_open = sys.platform == "linux"
        self._kept = keep
        self._quick_deaths, self._not_before = 0, 0.0
        if keep is not None and self._is_open:
            self._servers[keep] = await self._launch(keep)
        try:
            yield
        finally:
            self._is_open = False
            self._servers.clear()
            for server in [*self._all]:
                await server.close()

    async def fork(
        self, modules: Modules, mark: str, environment: Mapping[str, str], descriptors: Descriptors
    ) -> ForkedProcess | None:
        """Fork an attempt that needs these modules; None if it has to be started in another way.

        Raises:
            ServerLostError: the server has died meanwhile, or does not answer.
        """
        server = await self._server(modules)
        if server is None:
            return None
        try:
            return await server.fork(mark, environment, descriptors)
        except RefusedError as error:
            # Once: it may be the same for all that follow.
            if (reason := str(error)) not in self._refusals:
                self._refusals.add(reason)
                _logger.warning("attempt_server.refused", reason=reason, instead="an interpreter for each attempt")
            return None
        except ServerLostError:
            self._retire(modules, server)
            raise

    async def _server(self, modules: Modules) -> ForkServer | None:
        if not self._is_open:
            return None
        server = self._servers.get(modules)
        if server is not None and (server.forks >= _MOST_FORKS or server.installation != _installation()):
            self._retire(modules, server)
            server = None
        if server is None:
            if self._quick_deaths >= _QUICK_DEATHS or asyncio.get_running_loop().time() < self._not_before:
                return None
            server = await self._launch(modules)
            # Meanwhile another attempt may have started one.
            if (other := self._servers.get(modules)) is not None:
                await server.close()
                return other
            self._servers[modules] = server
        return server

    async def _launch(self, modules: Modules) -> ForkServer:
        server = await ForkServer.launch(modules, _installation())
        self._all.add(server)
        server.on_end = lambda: self._all.discard(server)
        server.on_idle = lambda: self._idle(modules, server)
        server.on_death = lambda: self._note_death(modules, server)
        server.on_idle()
        return server

    def _idle(self, modules: Modules, server: ForkServer) -> None:
        if server.is_retired:
            server.let_go()
        elif modules != self._kept:
            forks = server.forks
            loop = asyncio.get_running_loop()
            loop.call_later(_IDLE_SECONDS, self._retire_if_idle, modules, server, forks)

    def _retire_if_idle(self, modules: Modules, server: ForkServer, forks: int) -> None:
        if self._servers.get(modules) is server and server.forks == forks and not server.is_busy:
            self._retire(modules, server)

    def _retire(self, modules: Modules, server: ForkServer) -> None:
        """No new attempts for it; the ones that run go on."""
        if self._servers.get(modules) is server:
            del self._servers[modules]
            server.is_retired = True
            if not server.is_busy:
                server.let_go()

    def _note_death(self, modules: Modules, server: ForkServer) -> None:
        if self._servers.get(modules) is server:
            del self._servers[modules]
        quick = server.age_seconds < _QUICK_DEATH_SECONDS
        self._quick_deaths = self._quick_deaths + 1 if quick else 1
        gives_up = self._quick_deaths >= _QUICK_DEATHS
        pause = _FIRST_PAUSE_SECONDS * 2 ** (self._quick_deaths - 1)
        self._not_before = asyncio.get_running_loop().time() + pause
        _logger.warning(
            "attempt_server.died",
            exit_code=server.exit_code,
            attempts=server.lost,
            again="never: from now on each attempt starts an interpreter" if gives_up else f"in {pause:g} s",
        )


def _installation() -> tuple[int, ...]:
    """Changes when packages are installed or removed."""
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return tuple(Path(place).stat().st_mtime_ns for place in sorted(places))


FORK_SERVERS: Final = ForkServers()
"""Those of this process."""
