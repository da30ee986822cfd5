"""Records in which a name stands twice in one object of JSON: decoders drop one of its values in silence.

Looking for them takes more than half as long as decoding. So only the first record of a stream with each number of
fields is looked at: a program that writes two fields under one name does so in every record.
"""

from __future__ import annotations

from collections import defaultdict

from app.connectors.values import jsontext
from app.connectors.values.repeats import RepeatedNameError, check_names
from app.domain.errors import ConfigurationError


class RepeatedNames:
    """Remembers how many fields the records of each stream have had."""

    def __init__(self) -> None:
        self._counts = defaultdict[str, set[int]](set)

    def check(self, line: bytes, stream: str, fields: int, *, is_read: bool = True) -> set[int]:
        """The numbers of fields of records that need not be checked any more; `line` is a RECORD with so many `fields`.

        What is not read may be as it likes.

        Raises:
            ConfigurationError: a name stands twice in one object of the message.
        """
        counts = self._counts[stream]
        if fields not in counts:
            if is_read:
                _check(line, stream)
            counts.add(fields)
        return counts


def _check(line: bytes, stream: str) -> None:
    try:
        check_names(line.decode(), jsontext.decode(line))
    except RepeatedNameError as error:
        raise ConfigurationError(
            f"a RECORD of stream {stream!r}: {error}. Give each field a name of its own where the record is made"
        ) from None
    except RecursionError:
        raise ConfigurationError(f"a RECORD of stream {stream!r} has values that are nested too deeply") from None
