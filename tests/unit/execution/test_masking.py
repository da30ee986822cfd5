"""Answers of connectors, which may repeat a secret anywhere."""

from __future__ import annotations

import msgspec

from app.domain.attempt_protocol import Checked, Counted, Offered, OwnTable, Previewed, PreviewedColumn, Specified
from app.domain.redaction import Redactor
from app.execution.masking import masked

SECRET = "hunter22-hunter22"


def test_no_text_of_a_connector_shows_a_secret() -> None:
    column = PreviewedColumn(f"f {SECRET}", f"t {SECRET}", inferred=False, columns={"lake": (f"c {SECRET}", SECRET)})
    rows = [{f"f {SECRET}": {SECRET: [SECRET, 1, None, True]}, "n": 1.5}]
    for answer in (
        Checked("orders", "", found=SECRET, error=SECRET),
        Offered(SECRET, {SECRET: SECRET}, key=[SECRET], cursor_fields=[SECRET]),
        Specified({"properties": {SECRET: {"default": SECRET, "examples": [SECRET]}}}),
        Previewed("orders", [column], rows, {"lake": f"refused: {SECRET}"}),
        OwnTable("lake", "orders", error=SECRET),
        Counted("orders", error=SECRET),
    ):
        assert SECRET in msgspec.json.encode(answer).decode()
        assert SECRET not in msgspec.json.encode(masked(answer, Redactor([SECRET]).redact)).decode()


def test_rows_still_have_the_fields_of_their_columns() -> None:
    column = PreviewedColumn(SECRET, "string", inferred=False, columns={})
    shown = masked(Previewed("orders", [column], [{SECRET: 12345678}], {}), Redactor([SECRET, "12345678"]).redact)
    assert isinstance(shown, Previewed)
    assert shown.rows == [{shown.columns[0].field: "***"}]


def test_names_by_which_others_are_asked_later_stay() -> None:
    table = OwnTable(SECRET, SECRET)
    assert masked(table, Redactor([SECRET]).redact) == table


def test_a_short_secret_that_is_part_of_names_leaves_them_readable() -> None:
    offered = Offered("shop_orders", {"shop": "text", "shop shop": "text"}, key=["shop"], cursor_fields=["shop"])
    assert masked(offered, Redactor(["shop"]).redact) == offered
    assert masked(Checked("orders", "", error="shop is wrong"), Redactor(["shop"]).redact) == Checked(
        "orders", "", error="*** is wrong"
    )
