"""Rows by hour and by day, and the machines of an installation, in the form of Jitsu Classic."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads the standard library's from Python 3.12 on


class PeriodCount(TypedDict):
    """An hour or a day in which something was counted; `key` is when it begins, in UTC."""

    key: Annotated[str, Field(json_schema_extra={"examples": ["2026-11-28T18:00:00+0000"]})]
    events: int


class Statistics(TypedDict):
    """The periods in which there was something to count, in their order; all others have none."""

    status: Literal["ok"]
    data: list[PeriodCount]


class Instance(TypedDict):
    """A machine, and what runs there: the API that answers, and how many workers are alive."""

    name: str
    roles: list[Literal["api", "worker"]]
    workers: int


class Cluster(TypedDict):
    """The machines of the installation; those that run nothing but another API are not known."""

    instances: list[Instance]
