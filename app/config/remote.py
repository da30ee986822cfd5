"""A text at a URL that is read again and again and rarely changes."""

from __future__ import annotations

import asyncio
import re
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import httpx

from app.causes import describe_cause

if TYPE_CHECKING:
    import ssl

DEADLINE_SECONDS = 10.0
_TIMEOUT = httpx.Timeout(3.0)
_PAGE = re.compile(r"\s*<(!doctype\s+html|html)\b", re.IGNORECASE)
_CONDITIONS = {b"If-None-Match": "ETag", b"If-Modified-Since": "Last-Modified"}


class UnreadableError(Exception):
    """The text cannot be read right now; the message names the URL without credentials or query."""


class RemoteText:
    """Requests it with `If-None-Match` and `If-Modified-Since` (RFC 9110, 13.1): an unchanged text costs only a 304.

    Redirects are refused: only the catalogue decides where its sources come from.
    """

    def __init__(self, url: str, *, largest: int) -> None:
        """`largest` is in bytes, after decompression.

        Raises:
            UnreadableError: it is not a URL.
        """
        self.url = url
        self.name = _without_credentials(url)
        self._largest = largest
        self._validators: dict[bytes, bytes] = {}
        self._text: str | None = None

    def read(self) -> str:
        """The current text. Must not be called in an event loop.

        Raises:
            UnreadableError: no answer in time, one that is not HTTP, another status than 200 or 304, too large, or not
                UTF-8.
        """
        try:
            return asyncio.run(self._fetch())
        except (TimeoutError, httpx.TimeoutException):
            raise self._unreadable("did not answer in time") from None
        except (httpx.ProtocolError, httpx.DecodingError) as error:
            raise self._unreadable(f"sent an invalid HTTP response ({type(error).__name__})") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError) as error:
            raise self._unreadable(f"cannot be reached: {_why(error)}") from None

    async def _fetch(self) -> str:
        # For the whole response: httpx only limits the wait for each part, of which there can be any number.
        client = httpx.AsyncClient(timeout=_TIMEOUT, verify=self._authorities)
        async with asyncio.timeout(DEADLINE_SECONDS), client:
            # Forgotten if the response is refused: a server that cannot handle its own validators gets them only once.
            validators, self._validators = self._validators, {}
            async with client.stream("GET", self.url, headers=validators) as response:
                return await self._accept(response, validators)

    @cached_property
    def _authorities(self) -> ssl.SSLContext:
        """Read once: which takes longer than the rest of a request."""
        return httpx.create_ssl_context()

    async def _accept(self, response: httpx.Response, validators: dict[bytes, bytes]) -> str:
        if response.status_code == httpx.codes.NOT_MODIFIED and self._text is not None:
            self._validators = validators
            return self._text
        if response.status_code != httpx.codes.OK:
            more = "; redirects are not followed: give the final URL" if response.has_redirect_location else ""
            raise self._unreadable(f"answered {response.status_code}{more}")
        text = self._decode(await self._body(response))
        headers = response.headers
        # As bytes, to be sent back unchanged: an ETag may have bytes above 0x7F (RFC 9110, 8.8.3).
        self._validators = {
            condition: headers[name].encode(headers.encoding)
            for condition, name in _CONDITIONS.items()
            if name in headers
        }
        self._text = text
        return text

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > self._largest:
                raise self._unreadable(f"is larger than {self._largest:,} bytes")
        return bytes(body)

    def _decode(self, body: bytes) -> str:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise self._unreadable("is not UTF-8") from None
        if _PAGE.match(text):
            raise self._unreadable("answered with an HTML page, such as that of a login: check the URL and its access")
        return text

    def _unreadable(self, reason: str) -> UnreadableError:
        return UnreadableError(f"{self.name} {reason}")


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "its host name is not valid"
    if isinstance(error, ValueError | ImportError):
        return "the proxy in the environment cannot be used: correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY"
    return describe_cause(error) or type(error).__name__


def _without_credentials(url: str) -> str:
    """The URL in a form that is safe to show."""
    try:
        parts = urlsplit(url)
        known = httpx.URL(url).host and parts.port != 0
    except (httpx.InvalidURL, ValueError):
        known = False
    if not known:
        raise UnreadableError("is not a valid URL: write http://host:port/path or https://host/path")
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
