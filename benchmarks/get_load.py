"""Sends GETs over persistent connections, each as fast as the responses come, from a cheap process of its own.

    python -m benchmarks.get_load PORT CONNECTIONS COUNT FILE

Sends COUNT requests, in turn for the paths in FILE (one per line), and prints JSON: the seconds it took, the number of
responses by status, and the 95th percentile of the response times in milliseconds.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from benchmarks.load import send
from benchmarks.product import TOKEN

if TYPE_CHECKING:
    from collections.abc import Sequence


async def get(port: int, connections: int, count: int, paths: Sequence[str]) -> dict[str, Any]:
    requests = itertools.islice(itertools.cycle([_request(path) for path in paths]), count)
    return await send(requests, port=port, connections=connections, percentile=95)


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Admin-Token: {TOKEN}\r\n\r\n".encode()


if __name__ == "__main__":
    port, connections, count = map(int, sys.argv[1:4])
    print(json.dumps(uvloop.run(get(port, connections, count, Path(sys.argv[4]).read_text().splitlines()))))
