"""Errors that name the source, the collection and the place in the user's code, without secrets."""

from __future__ import annotations

import inspect
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import app
from app.domain.errors import ConfigurationError, RetryLaterError, SynclineError
from app.domain.redaction import Redactor
from app.domain.shortening import shortened
from syncline import PermanentError, RetryLater

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

_LONGEST_MESSAGE = 2000
_OURS = Path(app.__file__).resolve().parent
# Neither GeneratorExit nor what stops an attempt: these are not errors.
_THEIR_ERRORS = (Exception, SystemExit, KeyboardInterrupt)


class Blame:
    """Errors in the user's code, explained to the user.

    `roots` are the directories and files of that code; it grows when the function is found.
    """

    def __init__(
        self, source: str, collection: str, *, roots: Iterable[Path] = (), secrets: Iterable[str] = ()
    ) -> None:
        self.roots = [root.resolve() for root in roots]
        self._title = f"source {source!r}, collection {collection!r}"
        self.redact = Redactor(secrets).redact

    def refusal(self, complaint: str, place: str = "") -> ConfigurationError:
        """The error for what trying again cannot help."""
        return ConfigurationError(self._message(complaint, place))

    @contextmanager
    def at(self, doing: str = "", *, permanent: bool = False) -> Iterator[None]:
        """Runs the user's code; whatever it raises becomes an error that names its place.

        Raises:
            ConfigurationError: with `permanent`, and for a `PermanentError`.
            RetryLaterError: for a `RetryLater`.
            SynclineError: for everything else.
        """
        try:
            yield
        except _THEIR_ERRORS as error:
            message = self._message(doing + _describe(error), self.place_of(error))
            if isinstance(error, RetryLater) and not permanent:
                raise RetryLaterError(message, at=error.at) from error
            kind = ConfigurationError if permanent or isinstance(error, PermanentError) else SynclineError
            raise kind(message) from error
        except GeneratorExit:
            raise
        except BaseException as stop:
            # The attempt is stopped, perhaps because the code hangs: the log should say where.
            if place := self.place_of(stop):
                sys.stderr.write(f"{self._message('stopped here', place)}\n")
                sys.stderr.flush()
            raise

    def place_of(self, error: BaseException) -> str:
        """The last line of the user's code in the traceback of `error`; empty if there is none."""
        place, step = "", error.__traceback__
        while step is not None:
            place = self._place(step.tb_frame, step.tb_lineno) or place
            step = step.tb_next
        if isinstance(error, SyntaxError) and (file := self._relative_path(error.filename or "")):
            return f"{file}, line {error.lineno}"
        return place

    def place_in(self, iterator: Any) -> str:
        """The current line of a generator of the user's; empty for other iterators."""
        frames = []
        while inspect.isgenerator(iterator) and iterator.gi_frame is not None:
            frames.append(iterator.gi_frame)
            iterator = iterator.gi_yieldfrom
        return next(filter(None, (self._place(frame, frame.f_lineno) for frame in reversed(frames))), "")

    def _message(self, complaint: str, place: str) -> str:
        text = self.redact(" ".join(complaint.split()))
        return ": ".join(filter(None, [self._title, place, shortened(text, _LONGEST_MESSAGE)]))

    def _place(self, frame: FrameType, line: int | None) -> str:
        file = self._relative_path(frame.f_code.co_filename)
        return f"{file}, line {line}, in {frame.f_code.co_name}" if file else ""

    def _relative_path(self, file: str) -> str:
        """`file` relative to its root; empty if it is not the user's."""
        path = Path(file)
        if path.resolve().is_relative_to(_OURS):
            return ""
        for root in self.roots:
            for form in (path, path.resolve()):
                if form == root:
                    return form.name
                if form.is_relative_to(root):
                    inside = form.relative_to(root)
                    return "" if "site-packages" in inside.parts else str(inside)
        return ""


def _describe(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the code called sys.exit({'' if error.code is None else repr(error.code)})"
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 -- a message of the user's own making
        text = ""
    if isinstance(error, (PermanentError, RetryLater)):
        return text or f"the code raised {type(error).__name__}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
