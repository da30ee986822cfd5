"""The benchmarks' plots are small SVG documents that say what they show, in which units."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from benchmarks.plots import Chart

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("highest", [0.0, 0.003, 7.0, 184_999.0])
def test_a_chart_has_its_labels_and_every_line_within_its_frame(tmp_path: Path, highest: float) -> None:
    days = list(range(1, 101))
    lines = {"claim <= 250": [highest * day / 100 for day in days], "end": [highest] * 100}
    Chart("Latency", "days", "milliseconds", days, lines).write(tmp_path / "plots" / "latency.svg")
    text = (tmp_path / "plots" / "latency.svg").read_text()
    root = ET.fromstring(text)  # noqa: S314 - our own
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert root.findtext(f"{SVG}title") == "Latency"
    assert {"Latency", "days", "milliseconds", *lines} <= set(texts)
    assert len(text) < 50_000
    assert "prefers-color-scheme: dark" in text
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    for path in root.iter(f"{SVG}path"):
        points = [point.split() for point in path.attrib["d"].removeprefix("M").split("L") if "h" not in point]
        assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in points)
