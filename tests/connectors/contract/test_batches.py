from __future__ import annotations

import pytest

from app.connectors.contract.batches import BATCH_BYTES, BATCH_RECORDS, is_full


@pytest.mark.parametrize(
    ("records", "size", "full"),
    [
        (BATCH_RECORDS - 1, BATCH_BYTES - 1, False),
        (BATCH_RECORDS, 0, True),
        (1, BATCH_BYTES, True),
    ],
)
def test_a_batch_is_full_by_its_records_or_its_bytes(records: int, size: int, *, full: bool) -> None:
    assert is_full(records, size) is full
