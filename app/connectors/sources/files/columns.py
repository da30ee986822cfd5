"""The kinds of columns: from the options, from earlier files, or from the first values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from app.connectors.contract.schema import Kind, common_kind, integer_kind, parse_type
from app.connectors.sources.files.bad_rows import BadRowError
from app.connectors.sources.files.notations import MOMENTS, NUMBERS, USUAL, USUAL_NUMBERS, Notation
from app.connectors.values import casting, jsontext, times
from app.connectors.values.casting import Unfit
from app.connectors.values.inference import kind_of_json
from app.connectors.values.repeats import may_repeat_names, repeated_name
from app.domain.errors import ConfigurationError
from app.domain.numbers import EXACT_IN_A_DOUBLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from app.connectors.contract.schema import Digits
    from app.connectors.sources.files.bad_rows import BadRow
    from app.connectors.values.casting import Holds

# JSON's own types; values of these fit without a closer look.
_NATIVE: Final[dict[Kind, frozenset[type]]] = {
    Kind.BOOLEAN: frozenset({bool}),
    Kind.INTEGER: frozenset({int}),
    Kind.BIG_INTEGER: frozenset({int}),
    Kind.NUMBER: frozenset({int, Decimal}),
    Kind.DECIMAL: frozenset({int, Decimal}),
    Kind.TEXT: frozenset({str}),
    Kind.JSON: frozenset({bool, int, Decimal, str, dict, list}),
}
_HOLDS: Final[dict[Kind, Holds]] = {
    Kind.BOOLEAN: casting.Boolean(),
    Kind.INTEGER: casting.Integer.signed(64),
    Kind.BIG_INTEGER: casting.NUMERIC_INTEGER,
    Kind.NUMBER: casting.NUMERIC,
    Kind.DECIMAL: casting.NUMERIC,
    Kind.FLOAT: casting.Floating(64, non_finite=True),
    Kind.TEXT: casting.Text(nul=True),
    Kind.TIMESTAMP: times.Timestamp(zone=True, infinite=True),
    Kind.LOCAL_TIMESTAMP: times.Timestamp(zone=False, infinite=True),
    Kind.DATE: times.Date(infinite=True),
    Kind.TIME: times.TimeOfDay(midnight=True),
    Kind.INTERVAL: casting.Verbatim(),
    Kind.UUID: casting.Uuid(),
    Kind.JSON: casting.Json(nul=True),
}
# Kinds of columns of one name in different files that are one column.
_ALIKE: Final = (NUMBERS, MOMENTS)
# Kinds that do not hold every value of their native types.
_BOUNDED: Final = frozenset({Kind.INTEGER, Kind.DECIMAL})
_WITH_NOTATION: Final = NUMBERS | MOMENTS | {Kind.DATE}
_BOOLEANS: Final = dict.fromkeys(("true", "t", "yes", "1"), True) | dict.fromkeys(("false", "f", "no", "0"), False)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a part; `lines` has the line of each, from 1. `size` is about how many bytes they take.

    `bad` are rows among them that cannot be read.
    """

    records: list[dict[str, Any]]
    lines: Sequence[int]
    size: int
    bad: Sequence[BadRow] = ()


class Columns:
    """`kinds` and the `digits` of decimals grow while files are read; the collection's bookmark keeps both."""

    def __init__(
        self,
        types: Mapping[str, str],
        *,
        key: Iterable[str],
        known: dict[str, Kind],
        digits: dict[str, Digits],
        notation: Notation = USUAL,
        closely: bool = False,
    ) -> None:
        """`closely`: values of JSON are checked that only the destination would refuse."""
        declared = {name: parse_type(given) for name, given in types.items()}
        self._declared = {name: kind for name, (kind, _) in declared.items()}
        self.key = tuple(key)
        self._notation = notation
        self._closely = closely
        self.kinds = known
        self.digits = digits
        self.digits.update({name: found for name, (_, found) in declared.items() if found})
        self.kinds.update({name: kind for name, kind in self._declared.items() if name in known})

    def add_text_columns(self, names: Iterable[str]) -> dict[str, Kind]:
        """The kinds of columns that come as text: text, unless declared or known as something else."""
        for name in names:
            self.kinds.setdefault(name, self._declared.get(name, Kind.TEXT))
        return {name: self.kinds[name] for name in names}

    def missing_key(
        self, record: dict[str, Any], *, file: str, line: int, nothing: tuple[str | None, ...] = (None,)
    ) -> BadRowError | None:
        """What is wrong with a record that has `nothing` for the key; None if it has a value."""
        for name in self.key:
            if record.get(name) in nothing:
                return BadRowError(f"{file}, line {line}, column {name!r}: the key has no value")
        return None

    def parser(self, name: str) -> Callable[[str], Any] | None:
        """What turns the text of a known column into its value, as `parser` below."""
        return parser(self.kinds[name], self.digits.get(name), self._notation)

    def add_file_columns(self, types: Mapping[str, tuple[Kind, Digits | None]], *, file: str) -> None:
        """Adds the columns that a file declares; raises ConfigurationError if earlier files declared other kinds."""
        for name, (kind, digits) in types.items():
            if digits is not None and name not in self._declared:
                self.digits[name] = digits.union(self.digits.get(name, digits))
            known = self.kinds.setdefault(name, self._declared.get(name, kind))
            if known != kind and name not in self._declared and not _is_one_column(known, kind):
                raise ConfigurationError(
                    f"{file}, column {name!r}: the type is {kind.value}, but was {known.value} in an earlier file; "
                    "set the column's type in 'types'"
                )

    def learn(self, batch: Batch, *, file: str) -> dict[int, BadRowError]:
        """Learns kinds from JSON values; returns what is wrong with records that do not fit, and learns nothing then.

        A field without any value yet is removed from the records, as its kind is unknown.
        """
        before = dict(self.kinds)
        checked = _Checked()
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
            if not found <= self._unchecked(self.kinds[field]):
                self._check(field, batch, file, checked)
        if checked.misfits:
            self.kinds.clear()
            self.kinds.update(before)
        else:
            for record, field, value in checked.parsed:
                record[field] = value
        return checked.misfits

    def _unchecked(self, kind: Kind) -> frozenset[type]:
        """The types of values that fit without a closer look."""
        return frozenset() if self._closely and kind in _BOUNDED else _NATIVE.get(kind, frozenset())

    def _first_kind(self, field: str, found: set[type], batch: Batch) -> Kind:
        if Decimal in found and found <= {int, Decimal}:
            fractions = (record[field] for record in batch.records if isinstance(record.get(field), Decimal))
            return common_kind(set(map(kind_of_json, fractions)))
        fitting = [kind for kind in (Kind.BOOLEAN, Kind.NUMBER, Kind.TEXT) if found <= _NATIVE[kind]]
        if fitting == [Kind.NUMBER] and found == {int}:
            # Prices often begin as integers and get fractions later. Identities never do, and must not become doubles,
            # as numbers do in some destinations.
            numbers = [record[field] for record in batch.records if record.get(field) is not None]
            identity = field in self.key or max(map(abs, numbers)) > EXACT_IN_A_DOUBLE
            is_bigint = common_kind(set(map(integer_kind, numbers))) is Kind.INTEGER
            return Kind.INTEGER if identity and is_bigint else Kind.NUMBER
        return fitting[0] if fitting else Kind.JSON

    def _check(self, field: str, batch: Batch, file: str, checked: _Checked) -> None:
        kind = self.kinds[field]
        cast = _holds(kind, self.digits.get(field)).cast
        parse = self.parser(field) if kind in _WITH_NOTATION else None
        unchecked = self._unchecked(kind)
        for index, (record, line) in enumerate(zip(batch.records, batch.lines, strict=True)):
            value = record.get(field)
            if value is None or type(value) in unchecked:
                continue
            if field not in self._declared and type(value) not in _NATIVE.get(kind, (type(value),)):
                problem = BadRowError(
                    f"{file}, line {line}, column {field!r}: {jsontext.preview(value)} is not {kind.value} like the "
                    "values before it; set the column's type in 'types', or give all values one type"
                )
                checked.misfits.setdefault(index, problem)
                continue
            try:
                if parse is None or not isinstance(value, str):
                    cast(value)
                elif (text := parse(value)) is not value:
                    checked.parsed.append((record, field, text))
            except Unfit as unfit:
                problem = misfit(value, kind, unfit, file=file, line=line, column=field)
                checked.misfits.setdefault(index, problem)


@dataclass(slots=True)
class _Checked:
    """What is wrong with records, by their index; and values in other forms than the records have them."""

    misfits: dict[int, BadRowError] = dataclasses.field(default_factory=dict)
    parsed: list[tuple[dict[str, Any], str, Any]] = dataclasses.field(default_factory=list)


def _is_one_column(known: Kind, kind: Kind) -> bool:
    return any({known, kind} <= group for group in _ALIKE)


def misfit(value: Any, kind: Kind, unfit: Unfit, *, file: str, line: int, column: str) -> BadRowError:
    """The error for a value that is not of its column's kind."""
    return BadRowError(
        f"{file}, line {line}, column {column!r}: {jsontext.preview(value)} is not a valid {kind.value}: {unfit}"
    )


def parser(kind: Kind, digits: Digits | None = None, notation: Notation = USUAL) -> Callable[[str], Any] | None:
    """A function from text to a value, which raises `Unfit`; None if the text is the value."""
    if kind is Kind.TEXT:
        return None
    if kind is Kind.BOOLEAN:
        return _boolean
    if kind is Kind.JSON:
        return _json
    # The destination converts the value; only here is the line known.
    cast = _holds(kind, digits).cast
    read = notation.readers.get(kind)
    return partial(_check_usual, cast, kind) if read is None else partial(_check_read, cast, read)


def _holds(kind: Kind, digits: Digits | None) -> Holds:
    return _HOLDS[kind] if kind is not Kind.DECIMAL or digits is None else casting.Number(*digits)


def _check_usual(cast: Callable[[Any], Any], kind: Kind, text: str) -> str:
    try:
        cast(text)
    except Unfit as unfit:
        if kind not in NUMBERS:
            raise Unfit(f"{unfit}{_hint(kind, unfit)}") from None
        text = USUAL_NUMBERS.read(text)
        cast(text)
    return text


def _check_read(cast: Callable[[Any], Any], read: Callable[[str], str], text: str) -> str:
    usual = read(text)
    cast(usual)
    return usual


def _hint(kind: Kind, unfit: Unfit) -> str:
    if "ISO 8601" not in str(unfit) or kind is Kind.TIME:
        return ""
    option, what = ("date_format", "dates") if kind is Kind.DATE else ("timestamp_format", "times")
    return f"; set '{option}' if the file writes {what} in another form"


def _boolean(text: str) -> bool:
    if (truth := _BOOLEANS.get(text.lower())) is None:
        raise Unfit(f"use one of {', '.join(_BOOLEANS)}")
    return truth


def _json(text: str) -> Any:
    try:
        value = jsontext.decode(text)
    except ValueError as error:
        raise Unfit(str(error)) from None
    if may_repeat_names(text, value) and (name := repeated_name(text)) is not None:
        raise Unfit(f"the name {jsontext.preview(name)} occurs twice in one object")
    return value
