"""An example of your own source: two tables of nycflights13, read from the demo's files.

Each function is a collection. `airlines` reads everything each time. `weather` reads month by month: an interrupted run
continues after the last complete month, and a run with nothing new loads nothing.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from syncline import Bookmark, Context, PermanentError, Records, Schema

if TYPE_CHECKING:
    from collections.abc import Iterator


@Schema(columns={"carrier": str, "name": str}, key="carrier")
def airlines(context: Context) -> Records:
    return _rows(context, "airlines")


@Schema(
    columns={"origin": str, "time_hour": dt.datetime, "temp": float, "wind_dir": int, "precip": float},
    key=("origin", "time_hour"),
    mode="incremental",
    cursor_field="time_hour",
)
def weather(context: Context) -> Records:
    """Reads the hours after the bookmark, which is the last complete hour; the first time, from `start_date` on."""
    after = context.bookmark or context.start_date.isoformat()
    hours = sorted(_rows(context, "weather"), key=itemgetter("time_hour", "origin"))
    new = [hour for hour in hours if hour["time_hour"] > after]
    for month, group in groupby(new, key=lambda hour: hour["time_hour"][:7]):
        rows = list(group)
        for row in rows:
            yield {name: _value(row[name]) for name in ("origin", "time_hour", "temp", "wind_dir", "precip")}
        context.log.info("%s: %d hours", month, len(rows))
        yield Bookmark(rows[-1]["time_hour"])


def _rows(context: Context, table: str) -> Iterator[dict[str, str]]:
    path = Path(context.config["directory"]) / f"{table}.csv.gz"
    if not path.exists():
        raise PermanentError(f"there is no file {path}: set 'directory' to the demo's files")
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)


def _value(text: str) -> str | None:
    return None if text == "NA" else text
