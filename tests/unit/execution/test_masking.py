"""Answers of connectors, which may repeat a secret anywhere."""

from __future__ import annotations

import msgspec

from app.domain.attempt_protocol import (
    CatalogShown,
    Checked,
    ColumnTypes,
    Counted,
    Offered,
    OwnTable,
    Previewed,
    PreviewedColumn,
    Specified,
)
from app.domain.redaction import Redactor
from app.execution.masking import Answer, masked

SECRET = "hunter22-hunter22"


def hidden(answer: Answer, *secrets: str) -> Answer:
    redactor = Redactor(secrets)
    return masked(answer, redactor.redact, redactor.redact_name)


def test_no_text_of_a_connector_shows_a_secret() -> None:
    column = PreviewedColumn(f"f {SECRET}", f"t {SECRET}", inferred=False, columns={"lake": (f"c {SECRET}", SECRET)})
    rows = [{f"f {SECRET}": {SECRET: [SECRET, 1, None, True]}, "n": 1.5}]
    for answer in (
        Checked("orders", "", found=SECRET, error=SECRET),
        Offered(SECRET, {SECRET: SECRET}, key=[SECRET], cursor_fields=[SECRET]),
        Specified({"properties": {SECRET: {"default": SECRET, "examples": [SECRET]}}}),
        CatalogShown(f'{{"streams": [{{"{SECRET}": ["{SECRET}"]}}]}}'),
        Previewed("orders", [column], rows, {"lake": f"refused: {SECRET}"}),
        OwnTable("lake", "orders", error=SECRET),
        Counted("orders", error=SECRET),
        ColumnTypes("lake", {"text": SECRET}, error=SECRET),
    ):
        assert SECRET in msgspec.json.encode(answer).decode()
        assert SECRET not in msgspec.json.encode(hidden(answer, SECRET)).decode()


def test_rows_still_have_the_fields_of_their_columns() -> None:
    column = PreviewedColumn(SECRET, "string", inferred=False, columns={})
    shown = hidden(Previewed("orders", [column], [{SECRET: 12345678}], {}), SECRET, "12345678")
    assert isinstance(shown, Previewed)
    assert shown.rows == [{shown.columns[0].field: "***"}]


def test_a_catalog_keeps_its_numbers_and_stays_json() -> None:
    catalog = CatalogShown('{"streams":[{"multipleOf":0.10000000000000000001,"maximum":12345678}]}')
    assert hidden(catalog, SECRET) == catalog
    shown = hidden(catalog, "12345678")
    assert shown == CatalogShown('{"streams":[{"multipleOf":0.10000000000000000001,"maximum":"***"}]}')


def test_names_by_which_others_are_asked_later_stay() -> None:
    table = OwnTable(SECRET, SECRET)
    assert hidden(table, SECRET) == table


def test_a_secret_that_is_a_word_leaves_names_readable() -> None:
    offered = Offered("shop_orders", {"shop": "text", "shop shop": "text"}, key=["shop"], cursor_fields=["shop"])
    assert hidden(offered, "shop") == offered
    assert hidden(Checked("orders", "", error="shop is wrong"), "shop") == Checked("orders", "", error="*** is wrong")


def test_a_word_in_a_name_does_not_show_another_secret() -> None:
    offered = Offered(f"shop_{SECRET}", {f"***{SECRET}": "text"})
    assert hidden(offered, "shop", SECRET) == Offered("shop_***", {"******": "text"})


def test_fields_that_have_a_secret_word_in_their_names_stay_apart() -> None:
    columns = [
        PreviewedColumn(name, "text", inferred=False, columns={"lake": (name, "text")}) for name in ("shop", "****")
    ]
    shown = hidden(Previewed("orders", columns, [{"shop": "my shop", "****": 1}], {}), "shop")
    assert shown == Previewed("orders", columns, [{"shop": "my ***", "****": 1}], {})
