"""Pages and error messages that stand where a file should be: over HTTP they often come with status 200."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from app.connectors.sources.files.streams import Joined, beginning_of
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.sources.files.options import FilesParameters, Format
    from app.connectors.sources.files.storage import Answer, Found, Readable, Storage

_LOOKED_AT: Final = 8 << 10
_BEGINNINGS: Final = ("<!doctype", "<html", "<?xml", "<error")
_PAGES: Final = ("text/html", "application/xhtml+xml")
_ERRORS: Final = frozenset({"error", "errors", "error_description", "fault", "exception"})


@contextmanager
def checked_stream(file: Found, storage: Storage, parameters: FilesParameters, format_: Format) -> Iterator[Readable]:
    """The bytes of `file`.

    Raises:
        SynclineError: they are those of a page or an error message.
    """
    with storage.stream(file) as stream:
        beginning = beginning_of(stream, _LOOKED_AT)
        text = beginning.decode(parameters.encoding, errors="ignore").lstrip("\ufeff \t\r\n")
        is_whole = len(beginning) < _LOOKED_AT
        if found := _stands_instead(text, stream.answer, format_, is_whole=is_whole, told=bool(parameters.format)):
            came = f" came as {stream.answer} and" if stream.answer else ""
            advice = "Check that its address is valid and needs no login" if stream.answer else "Export it again"
            # The service may be down, or the export still run: another try may help.
            raise SynclineError(f"{file.name}{came} is {found}, not {format_}; the table stays as it is. {advice}")
        yield Joined(beginning, stream)


def _stands_instead(text: str, answer: Answer | None, format_: Format, *, is_whole: bool, told: bool) -> str:
    """What stands in the place of rows; empty if nothing does. `told`: an option names the format."""
    if text[:9].lower().startswith(_BEGINNINGS):
        return "a page of HTML or XML"
    kind = answer.kind if answer else ""
    if kind in _PAGES and not told:
        # Some servers label any file so.
        return f"labelled as a page of HTML (if it is {format_} all the same, set 'format: {format_}')"
    if answer and text.startswith("{") and (format_ == "csv" or is_whole) and (error := _error_in(text)):
        return f"the message {error}"
    return ""


def _error_in(text: str) -> str:
    """The name of an error in a JSON object, in quotes, if that is all of the text."""
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, dict):
            return ", ".join(repr(name) for name in found if name.lower() in _ERRORS and found[name])
    return ""
