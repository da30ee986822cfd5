"""Lines of text from a stream of bytes, in bounded memory; errors name line and column."""

from __future__ import annotations

import codecs
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from app.connectors.sources.files.bad_rows import BadRowError
from app.connectors.sources.files.unpacking import BrokenFileError
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.lines import LineSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.sources.files.storage import Readable

_CHUNK_BYTES: Final = 256 << 10
LONGEST_LINE: Final = 16 << 20
"""Characters. Without a limit, a file without line ends would fill the memory."""

LONGEST_FIELD: Final = 8 << 20
"""Characters. A quote that is never closed takes all that follows, at up to eight bytes a character."""

_MARK: Final = "\ufeff"
# UTF-32 before UTF-16, as its mark begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF8, ("utf-8",)),
    (codecs.BOM_UTF32_LE, ("utf-32", "utf-32-le")),
    (codecs.BOM_UTF32_BE, ("utf-32", "utf-32-be")),
    (codecs.BOM_UTF16_LE, ("utf-16", "utf-16-le")),
    (codecs.BOM_UTF16_BE, ("utf-16", "utf-16-be")),
)
_LONGEST_MARK: Final = max(len(mark) for mark, _ in _MARKS)
# Some encodings take any byte for a character.
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip"}


class Lines:
    """An iterator over lines with their ends; `number` is that of the last one, `size` the characters so far.

    `encoding` is Python's name for it; a byte order mark is not part of the text, and must match the encoding.
    """

    def __init__(self, stream: Readable, *, name: str, encoding: str) -> None:
        self.number = 0
        self.size = 0
        self._stream = stream
        self._name = name
        self._encoding = encoding
        self._first = ""
        self._lines: Iterator[str] = self._read()

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self.size += len(line)
        return line

    def peek(self, count: int) -> list[str]:
        """The next lines, at most `count`, which are still to come."""
        ahead = list(islice(self._lines, count))
        self._lines = chain(ahead, self._lines)
        return ahead

    def flaw(self, problem: str, *, line: int, column: int) -> ConfigurationError:
        """The error for malformed text; `line` and `column` count from 1, `column` in characters."""
        return ConfigurationError(f"{self._name}, line {line}, column {column}: {problem}")

    def bad_row(self, problem: str, *, line: int, column: int) -> BadRowError:
        """The same, if the rows after this one can be read."""
        return BadRowError(str(self.flaw(problem, line=line, column=column)))

    def _read(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self._encoding)()
        splitter = LineSplitter("\n")
        complete = 0
        chunk = self._beginning()
        ended = False
        while not ended:
            ended = not chunk
            for line in splitter.feed(self._decode(decoder, chunk, complete, splitter.length)):
                complete += 1
                yield line + "\n"
            if splitter.length > LONGEST_LINE:
                problem = f"the line is longer than {LONGEST_LINE >> 20} Mi characters"
                raise self.flaw(problem, line=complete + 1, column=LONGEST_LINE)
            chunk = chunk and self._chunk(complete)
        if splitter.length:
            yield splitter.take()

    def _beginning(self) -> bytes:
        """The first bytes, at least as many as the longest byte order mark."""
        found = b""
        while len(found) < _LONGEST_MARK and (chunk := self._chunk(0)):
            found += chunk
        for magic, compression in _COMPRESSED.items():
            if found.startswith(magic):
                problem = f"the file is compressed with {compression}; set 'compression: {compression}'"
                raise self.flaw(problem, line=1, column=1)
        for mark, encodings in _MARKS:
            if found.startswith(mark):
                if self._encoding not in encodings:
                    name = encodings[0]
                    problem = f"the file begins with the byte order mark of {name}, not of {self._encoding}"
                    raise self.flaw(f"{problem}; set 'encoding: {name}'", line=1, column=1)
                break
        return found

    def _chunk(self, complete: int) -> bytes:
        try:
            return self._stream.read(_CHUNK_BYTES)
        except BrokenFileError as error:
            raise SynclineError(f"{self._name}, after line {complete}: {error}") from None

    def _decode(self, decoder: codecs.IncrementalDecoder, chunk: bytes, complete: int, length: int) -> str:
        # Until the first character there may be marks: some programs add a second one.
        ignored = "" if complete or length else _MARK
        before = decoder.getstate()
        try:
            text = decoder.decode(chunk, final=not chunk).lstrip(ignored)
        except UnicodeDecodeError as error:
            lenient = codecs.getincrementaldecoder(self._encoding)("replace")
            lenient.setstate(before)
            # The decoder's input began before the chunk with leftover bytes, or after a byte order mark.
            good = lenient.decode(chunk[: max(0, error.start + len(chunk) - len(error.object))]).lstrip(ignored)
            lines = good.count("\n")
            column = len(good) - good.rfind("\n") + (0 if lines else length)
            problem = self._bad_byte(error.object[error.start])
            raise self.flaw(problem, line=complete + lines + 1, column=column) from None
        except UnicodeError:  # for UTF-16 and UTF-32 without a byte order
            problem = f"there is no byte order mark; set 'encoding' to {self._encoding}-le or {self._encoding}-be"
            raise self.flaw(problem, line=1, column=1) from None
        if not complete and not length:
            self._first = text[: text.find("\n")] if "\n" in text else ""
        if _MARK in text:
            self._refuse_joined(text, complete, length)
        return text

    def _refuse_joined(self, text: str, complete: int, length: int) -> None:
        """Refuses a first line that comes again with its byte order mark: files were joined."""
        whole = text if length else "\n" + text
        at = whole.find(f"\n{_MARK}{self._first}\n")
        if at >= 0 and self._first.strip():
            problem = "the first line comes again with a byte order mark, as if files had been joined; remove it here"
            line = complete + whole.count("\n", 0, at + 1) + (1 if length else 0)
            raise self.flaw(problem, line=line, column=1)

    def _bad_byte(self, byte: int) -> str:
        return f"byte 0x{byte:02x} is not valid {self._encoding}; set 'encoding'"
