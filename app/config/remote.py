"""A text behind a URL that is read again and again and rarely changes."""

from __future__ import annotations

import time
from urllib.parse import urlsplit, urlunsplit

import httpx

DEADLINE_SECONDS = 10.0
_TIMEOUT = httpx.Timeout(3.0)


class UnreadableError(Exception):
    """The text cannot be had right now; the message names the URL without credentials or query."""


class RemoteText:
    """Asks with `If-None-Match` and `If-Modified-Since` (RFC 9110, 13.1), so that an unchanged text costs a 304.

    Redirects are refused: the configuration says where its sources come from, nobody else does.
    """

    def __init__(self, url: str, *, largest: int) -> None:
        """`largest` is in bytes, after decompression."""
        self.url = url
        self._largest = largest
        self._validators: dict[str, str] = {}
        self._text: str | None = None

    @property
    def name(self) -> str:
        """The URL as it may be shown."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def read(self) -> str:
        """The text as it is now.

        Raises:
            UnreadableError: no answer in time, another status than 200 or 304, too large, or not UTF-8.
        """
        try:
            with (
                httpx.Client(timeout=_TIMEOUT) as client,
                client.stream("GET", self.url, headers=self._validators) as response,
            ):
                return self._accept(response)
        except httpx.TimeoutException:
            raise self._unreadable("did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreadable(f"cannot be reached ({type(error).__name__})") from None

    def _accept(self, response: httpx.Response) -> str:
        if response.status_code == httpx.codes.NOT_MODIFIED and self._text is not None:
            return self._text
        if response.status_code != httpx.codes.OK:
            more = "; redirects are not followed, give the final address" if response.has_redirect_location else ""
            raise self._unreadable(f"answered {response.status_code}{more}")
        text = self._decoded(self._body(response))
        asked_by = {"If-None-Match": "ETag", "If-Modified-Since": "Last-Modified"}
        self._validators = {ask: response.headers[said] for ask, said in asked_by.items() if said in response.headers}
        self._text = text
        return text

    def _body(self, response: httpx.Response) -> bytes:
        # httpx limits the wait for each piece, not for the whole.
        deadline = time.monotonic() + DEADLINE_SECONDS
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > self._largest:
                raise self._unreadable(f"has more than {self._largest:,} bytes")
            if time.monotonic() > deadline:
                raise self._unreadable("did not answer in time")
        return bytes(body)

    def _decoded(self, body: bytes) -> str:
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise self._unreadable("is not UTF-8") from None

    def _unreadable(self, reason: str) -> UnreadableError:
        return UnreadableError(f"{self.name} {reason}")
