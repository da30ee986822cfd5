"""The examples in deploy/examples do what they say."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import pytest

from app.config.reader import load_catalogue
from app.connectors.options.validation import validated
from app.connectors.sources.python.options import PythonOptions
from syncline.testing import SourceError, check_resumes, run
from tests.deploy_files import DEPLOY, example_flights

CONFIG = {"directory": str(DEPLOY / "demo" / "data")}


def test_the_catalogue_of_the_examples_can_be_used() -> None:
    catalogue = load_catalogue(DEPLOY / "examples" / "syncline.yaml", {"SYNCLINE_ADMIN_TOKEN": "token"})
    assert catalogue.problems == []
    source = catalogue.sources["flights"]
    options = validated(PythonOptions, source.config, key_path="")
    assert options.function == "flights"
    assert all(callable(getattr(example_flights, name)) for name in source.collections)


def test_the_airlines_are_all_there() -> None:
    reading = run(example_flights.airlines, config=CONFIG)
    reading.check_schema()
    assert (len(reading.records), reading.mode, reading.key) == (16, "full_refresh", ("carrier",))


def test_the_weather_goes_on_after_the_last_whole_month() -> None:
    reading = check_resumes(example_flights.weather, config=CONFIG, start_date=dt.date(2013, 11, 1))
    reading.check_schema()
    assert reading.bookmarks == ["2013-11-30T23:00:00Z", "2013-12-30T23:00:00Z"]
    assert reading.log == ["info: 2013-11: 2138 hours", "info: 2013-12: 2159 hours"]


def test_a_wrong_directory_is_told() -> None:
    with pytest.raises(SourceError, match=r"flights.py, line \d+, in _rows: there is no file"):
        run(example_flights.airlines, config={"directory": "/nowhere"})


def test_the_module_to_import_brings_little() -> None:
    """Users' sources start fast, and get nothing of the program by accident."""
    code = "import sys, syncline; sys.exit(bool({'app', 'pydantic', 'msgspec'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
