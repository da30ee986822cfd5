"""Where the rows of a target are: what counts, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from app.connectors.destinations.singer.options import TargetOptions
from app.connectors.destinations.singer.place import place_of


@pytest.mark.parametrize(
    "package",
    [
        "target-big-query==1.0",
        "target_big_query==2.0",
        "Target.Big--Query[fast]==1.0",
        "target_big.query@https://host.example/target.whl",
    ],
)
def test_another_spelling_and_version_of_a_package_are_the_same_place(package: str) -> None:
    assert place(package=package) == {"type": "singer", "package": "target-big-query"}


def test_another_package_is_another_place() -> None:
    assert place(package="target-bigquery==1.0") != place(package="target-big-query==1.0")


def place(**options: Any) -> dict[str, str]:
    return place_of(TargetOptions.model_validate(options), {})
