r"""What an escape and the characters after it stand for. Programs agree on `\\` and escaped delimiters, not on more.

PostgreSQL: https://www.postgresql.org/docs/current/sql-copy.html (file formats);
MySQL: https://dev.mysql.com/doc/refman/8.4/en/load-data.html (field and line handling).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.connectors.sources.files.patterns import all_of
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.connectors.sources.files.dialects import Dialect

_POSTGRES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MYSQL: Final = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
_BYTE: Final = r"(?:[0-7]{1,3}|x[0-9A-Fa-f]{1,2})"


class Escapes:
    """Unescapes, and undoubles quotes, as the program that wrote the file would."""

    def __init__(self, dialect: Dialect, *, encoding: str) -> None:
        self._dialect = dialect
        self._encoding = encoding
        self._escape = dialect.escape or ""
        self._databases = _databases(dialect)
        self.may_be_mysql = "mysql" in self._databases
        self.may_be_postgres = "postgres" in self._databases
        self._meanings = {
            self._escape + letter: meaning
            for database, meanings in (("postgres", _POSTGRES), ("mysql", _MYSQL))
            if database in self._databases
            for letter, meaning in meanings.items()
        }
        escape, quote = re.escape(self._escape), re.escape(dialect.quote or "")
        each = rf"{escape}{_BYTE}"
        # A run of bytes may be one character.
        run = rf"(?P<bytes>{each}{all_of(each)})|" if self.may_be_postgres else ""
        single = rf"{escape}(?:\r\n|.)"
        self._plain = re.compile(run + single, re.DOTALL)
        self._quoted = re.compile(rf"{quote}{quote}|{run}{single}", re.DOTALL) if quote else self._plain

    def text_of(self, field: str, *, quoted: bool) -> str:
        """Raises ConfigurationError if nobody can know what an escape stands for."""
        if not quoted and self._dialect.name == "postgres_csv":
            return field
        return (self._quoted if quoted else self._plain).sub(self._meaning, field)

    def _meaning(self, found: re.Match[str]) -> str:
        sequence = found[0]
        if sequence in self._meanings:
            return self._meanings[sequence]
        if self.may_be_postgres and found["bytes"]:
            return self._decoded(sequence)
        if not sequence.startswith(self._escape):
            return self._dialect.quote or ""
        character = sequence[len(self._escape) :]
        if self._dialect.name == "postgres_csv" and character not in (self._dialect.quote, self._escape):
            return sequence
        if not self._databases and self._escape == "\\" and character.isalnum():
            raise ConfigurationError(
                f"'{sequence}' differs from program to program: set 'dialect' to the database that has written the "
                f"file, or add '{self._escape}N' to 'nulls' if it writes NULL so"
            )
        return character

    def _decoded(self, sequence: str) -> str:
        numbers = sequence.split(self._escape)[1:]
        if self.may_be_mysql and any(number[0] == "0" and len(number) > 1 for number in numbers):
            raise ConfigurationError(
                f"'{sequence}' is one byte in PostgreSQL, and U+0000 with digits after it in MySQL; set 'dialect'"
            )
        found = bytes(int(each[1:], 16) if each[0] == "x" else int(each, 8) & 0xFF for each in numbers)
        try:
            return found.decode(self._encoding)
        except UnicodeDecodeError:
            raise ConfigurationError(f"the bytes '{sequence}' are not valid {self._encoding}; set 'encoding'") from None


def _databases(dialect: Dialect) -> frozenset[str]:
    r"""Those that may have written the file: with `\N` for NULL, each of which writes what the other does not."""
    match dialect.name:
        case "postgres_text":
            return frozenset({"postgres"})
        case "mysql":
            return frozenset({"mysql"})
        case "postgres_csv":
            return frozenset()
        case None:
            escape = dialect.escape or ""
            return frozenset({"postgres", "mysql"} if f"{escape}N" in dialect.nulls else ())
