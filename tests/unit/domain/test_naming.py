from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.naming import namer, snake_case


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("order_id", "order_id"),
        ("Order ID", "order_id"),
        ("orderId", "order_id"),
        ("OrderID", "order_id"),
        ("HTTPServer", "http_server"),
        ("v2Beta", "v2_beta"),
        ("ORDERS", "orders"),
        ("Amount (EUR)", "amount_eur"),
        ("  a -- b  ", "a_b"),
        ("a__b", "a_b"),
        ("2FA", "_2_fa"),
        ("2024", "_2024"),
        ("_sdc_deleted_at", "_sdc_deleted_at"),
        ("__id", "_id"),
        ("_syncline_interval", "_syncline_interval"),
        ("Größe", "grosse"),
        ("Straße", "strasse"),
        ("café", "cafe"),
        ("cafe\u0301", "cafe"),
        ("Łódź", "lodz"),
        ("İstanbul", "istanbul"),
        ("ﬁle", "file"),
        ("数量 (kg)", "kg"),
        ("数量", ""),
        ("%", ""),
        ("_", ""),
        ("", ""),
    ],
)
def test_a_name_in_snake_case(name: str, snake: str) -> None:
    assert snake_case(name) == snake


@given(st.text())
def test_names_in_snake_case_need_no_quotes_and_stay_as_they_are(name: str) -> None:
    snake = snake_case(name)
    assert re.fullmatch(r"(_?[a-z]|_[0-9])([a-z0-9]|_(?!_))*(?<!_)", snake) or not snake
    assert snake_case(snake) == snake


def test_names_as_they_are() -> None:
    assert namer("as_is")("Order ID") == "Order ID"
    assert namer("snake_case")("Order ID") == "order_id"
