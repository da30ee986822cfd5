"""Which kind a column is: as the options say, as earlier files had it, or as its first values are."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from app.connectors.contract.schema import Kind, integer_kind, merged
from app.connectors.values import casting, jsontext
from app.connectors.values.casting import Unfit
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from app.connectors.values.casting import Holds

# What JSON has a type of its own for; values of these types fit without a closer look.
_NATIVE: Final[dict[Kind, frozenset[type]]] = {
    Kind.BOOLEAN: frozenset({bool}),
    Kind.INTEGER: frozenset({int}),
    Kind.BIG_INTEGER: frozenset({int}),
    Kind.NUMBER: frozenset({int, Decimal}),
    Kind.TEXT: frozenset({str}),
    Kind.JSON: frozenset({bool, int, Decimal, str, dict, list}),
}
_HOLDS: Final[dict[Kind, Holds]] = {
    Kind.BOOLEAN: casting.Boolean(),
    Kind.INTEGER: casting.Integer(-(2**63), 2**63 - 1),
    Kind.BIG_INTEGER: casting.Number(precision=131_072, scale=0),
    Kind.NUMBER: casting.Number(precision=131_072 + 16_383, scale=16_383),
    Kind.TEXT: casting.Text(nul=True),
    Kind.TIMESTAMP: casting.Timestamp(zone=True),
    Kind.DATE: casting.Date(),
    Kind.TIME: casting.TimeOfDay(),
    Kind.JSON: casting.Json(nul=True),
}
_NUMBERS: Final = frozenset({Kind.INTEGER, Kind.BIG_INTEGER, Kind.NUMBER})
_BOOLEANS: Final = dict.fromkeys(("true", "t", "yes", "1"), True) | dict.fromkeys(("false", "f", "no", "0"), False)
_EXACT_IN_A_FLOAT: Final = 2**53


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a part; `lines` has the line of each, from 1. `size` is about how many bytes they take."""

    records: list[dict[str, Any]]
    lines: Sequence[int]
    size: int


class Columns:
    """`kinds` grows while files are read, and is what the collection's bookmark keeps."""

    def __init__(self, types: Mapping[str, str], *, key: Iterable[str], known: dict[str, Kind]) -> None:
        self._declared = {name: Kind(kind) for name, kind in types.items()}
        self._key = frozenset(key)
        self.kinds = known
        self.kinds.update({name: kind for name, kind in self._declared.items() if name in known})

    def add_text_columns(self, names: Iterable[str]) -> dict[str, Kind]:
        """The kinds of columns that come as text: text, unless something else was said or is there already."""
        for name in names:
            self.kinds.setdefault(name, self._declared.get(name, Kind.TEXT))
        return {name: self.kinds[name] for name in names}

    def add_file_columns(self, kinds: Mapping[str, Kind], *, file: str) -> None:
        """Takes over what a file says of its columns; raises ConfigurationError where earlier ones said otherwise."""
        for name, kind in kinds.items():
            known = self.kinds.setdefault(name, self._declared.get(name, kind))
            if known != kind and name not in self._declared and not {known, kind} <= _NUMBERS:
                raise ConfigurationError(
                    f"{file}, column {name!r}: it is {kind.value}, and was {known.value} in an earlier file: "
                    f"set 'types' for it"
                )

    def learn(self, batch: Batch, *, file: str) -> None:
        """Learns from the values of JSON; raises ConfigurationError, with the line, for one that does not fit.

        A field without any value yet is taken out of the records: nobody knows what it will be.
        """
        fields: dict[str, None] = {}
        for record in batch.records:
            fields.update(dict.fromkeys(record))
        for field in fields:
            found = {type(record.get(field)) for record in batch.records} - {type(None)}
            if field not in self.kinds and field not in self._declared and not found:
                for record in batch.records:
                    record.pop(field, None)
                continue
            if field not in self.kinds:
                self.kinds[field] = self._declared.get(field) or self._first_kind(field, found, batch)
            if not found <= _NATIVE.get(self.kinds[field], frozenset()):
                self._check(field, batch, file)

    def _first_kind(self, field: str, found: set[type], batch: Batch) -> Kind:
        fitting = [kind for kind in (Kind.BOOLEAN, Kind.NUMBER, Kind.TEXT) if found <= _NATIVE[kind]]
        if fitting == [Kind.NUMBER] and found == {int}:
            # Prices are often whole at first, so numbers may get a fraction later. Identities never do, nor may they
            # become doubles, as numbers do in some destinations.
            numbers = [record[field] for record in batch.records if record.get(field) is not None]
            identity = field in self._key or max(map(abs, numbers)) > _EXACT_IN_A_FLOAT
            is_bigint = merged(set(map(integer_kind, numbers))) is Kind.INTEGER
            return Kind.INTEGER if identity and is_bigint else Kind.NUMBER
        return fitting[0] if fitting else Kind.JSON

    def _check(self, field: str, batch: Batch, file: str) -> None:
        kind = self.kinds[field]
        for record, line in zip(batch.records, batch.lines, strict=True):
            value = record.get(field)
            if value is None or type(value) in _NATIVE.get(kind, ()):
                continue
            if field not in self._declared and kind in _NATIVE:
                raise ConfigurationError(
                    f"{file}, line {line}, column {field!r}: {jsontext.shown(value)} is not {kind.value} as the values "
                    f"before it: set 'types' for it, or give all of them one type"
                )
            try:
                _HOLDS[kind].cast(value)
            except Unfit as unfit:
                raise misfit(value, kind, unfit, file=file, line=line, column=field) from None


def misfit(value: Any, kind: Kind, unfit: Unfit, *, file: str, line: int, column: str) -> ConfigurationError:
    """The one error for a value that is not of its column's kind."""
    return ConfigurationError(
        f"{file}, line {line}, column {column!r}: {jsontext.shown(value)} is no {kind.value}: {unfit}"
    )


def parser(kind: Kind) -> Callable[[str], Any] | None:
    """What makes a value of a text; it raises `Unfit`. None where the text is the value."""
    if kind is Kind.TEXT:
        return None
    if kind is Kind.BOOLEAN:
        return _boolean
    if kind is Kind.JSON:
        return _json
    cast = _HOLDS[kind].cast

    def check(text: str) -> str:
        # The destination makes the value; here it is only known which line is wrong.
        cast(text)
        return text

    return check


def _boolean(text: str) -> bool:
    if (truth := _BOOLEANS.get(text.lower())) is None:
        raise Unfit(f"valid are {', '.join(_BOOLEANS)}")
    return truth


def _json(text: str) -> Any:
    try:
        return jsontext.decode(text)
    except ValueError as error:
        raise Unfit(str(error)) from None
