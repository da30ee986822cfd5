"""The tests' own way to PostgreSQL drops and repeats notifications and nothing else, however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.servers.proxy import Notifications, Proxy


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


SAID = [message(b"R", b"auth"), message(b"A", b"syncline"), message(b"N", b""), message(b"A", b""), message(b"Z", b"I")]


@pytest.mark.parametrize("copies", [0, 1, 3])
@given(cuts=st.sets(st.integers(1, sum(map(len, SAID)))), answer=st.sampled_from([b"", b"N"]))
def test_notifications_are_delivered_as_often_as_the_proxy_says(copies: int, cuts: set[int], answer: bytes) -> None:
    proxy = Proxy("nowhere", 0)
    proxy.notifications = copies
    said = answer + b"".join(SAID)
    places = [0, *sorted(cuts), len(said)]
    filtered = Notifications(proxy)
    passed = b"".join(filtered.passed(said[begin:end]) for begin, end in pairwise(places) if end > begin)
    assert passed == answer + b"".join(one * (copies if one[:1] == b"A" else 1) for one in SAID)
