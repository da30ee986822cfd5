"""A JSON API on this machine that gives rows page by page, each page with the address of the next."""

from __future__ import annotations

import http.server
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.servers.web import answering

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tests.scenarios.rows import Row

PAGE_ROWS = 5


class RowsApi(http.server.ThreadingHTTPServer):
    """`GET /rows?since=2024-02-01T00:07:00Z&page=2` are the second five of the rows that have changed since then."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rows: list[Row] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def page(self, since: str, number: int) -> dict[str, Any]:
        rows = [asdict(row) | {"at": f"2024-02-01T00:{row.seq:02}:00Z"} for row in self.rows]
        wanted = [row for row in rows if str(row["at"]) >= since]
        begin = (number - 1) * PAGE_ROWS
        more = begin + PAGE_ROWS < len(wanted)
        following = f"{self.url}/rows?{urlencode({'since': since, 'page': number + 1})}" if more else None
        return {"rows": wanted[begin : begin + PAGE_ROWS], "next": following}


class _Handler(http.server.BaseHTTPRequestHandler):
    server: RowsApi

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        page = self.server.page(asked.get("since", [""])[0], int(asked.get("page", ["1"])[0]))
        body = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Tests look at what is loaded."""


def rows_api() -> AbstractContextManager[RowsApi]:
    return answering(RowsApi())
