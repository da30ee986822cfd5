"""Hashes of values, for columns whose values nobody is to read."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from app.connectors.contract.batches import Columns, as_list
from app.connectors.values import jsontext

if TYPE_CHECKING:
    from app.connectors.contract.batches import Batch


def hash_values(batch: Batch, field: str) -> None:
    """Puts hashes in place of the values of `field`.

    Raises:
        UnicodeEncodeError: a list or object has half of a surrogate pair.
    """
    if isinstance(batch, Columns):
        if field in batch.values:
            batch.values[field] = [hash_of(value) for value in as_list(batch.values[field])]
        return
    for record in batch:
        if field in record:
            record[field] = hash_of(record[field])


def hash_of(value: Any) -> str | None:
    """SHA-256, in lower-case hex, of the value's text in UTF-8; None for NULL.

    A string is its own text, and bytes are taken as they are. Any other value has its canonical JSON text, so that
    equal values have equal hashes: 1, 1.0 and "1".
    """
    if value is None:
        return None
    raw = value if isinstance(value, bytes) else _text(value).encode(errors="surrogatepass")
    return hashlib.sha256(raw).hexdigest()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float | Decimal) and not jsontext.is_finite(value):
        return jsontext.non_finite_name(value)
    return jsontext.encode_canonical(value)
