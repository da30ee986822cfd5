"""The machines on which Syncline runs, as Jitsu Classic's clients ask for them."""

from __future__ import annotations

import socket
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Final

from app.api.documents.statistics import Cluster as ClusterDocument
from app.api.http.answers import JsonAnswer
from app.api.http.operation import Endpoint, Operation
from app.domain.api_token import TokenScope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

MOST_WORKERS: Final = 10_000
_NO_TASKS: Final = 0


class Cluster(Endpoint):
    """`/cluster`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            id="listInstances",
            scope=TokenScope.READ,
            summary="List the machines with workers that are alive, and that of the API that answers",
            answers={200: ClusterDocument},
        )
    }

    async def get(self, _request: Request) -> Response:
        listed = await self.services.reader.list_workers(MOST_WORKERS, _NO_TASKS)
        workers = Counter(worker.host for worker in listed.workers if worker.is_alive)
        return JsonAnswer({"instances": [*_instances(socket.gethostname(), workers)]})


def _instances(here: str, workers: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    for name in sorted({here, *workers}):
        roles = [*["api"] * (name == here), *["worker"] * (name in workers)]
        yield {"name": name, "roles": roles, "workers": workers.get(name, 0)}
