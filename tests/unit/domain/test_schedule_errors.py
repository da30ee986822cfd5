from __future__ import annotations

import re

import pytest

from app.domain.errors import ConfigurationError
from app.domain.schedule import parse_schedule


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("61 * * * *", "minute: '61' is out of range, valid is 0-59"),
        ("5,61 * * * *", "minute: '61' is out of range, valid is 0-59"),
        ("* 24 * * *", "hour: '24' is out of range, valid is 0-23"),
        ("* * 0 * *", "day of month: '0' is out of range, valid is 1-31"),
        ("* * * 13 *", "month: '13' is out of range, valid is 1-12 or JAN-DEC"),
        ("* * * * 8", "day of week: '8' is out of range, valid is 0-7 or SUN-SAT"),
        ("* * * FOO *", "month: 'FOO' is not understood, valid is *, 1-12 or JAN-DEC, lists"),
        ("* MON * * *", "hour: 'MON' is not understood, valid is *, 0-23, lists"),
        ("1,,2 * * * *", "minute: '' is not understood"),
        ("-5 * * * *", "minute: '-5' is not understood"),
        ("٣ * * * *", "minute: '٣' is not understood"),
        ("*/0 * * * *", "minute: '*/0' has the step 0, valid is 1 or more"),
        ("*/x * * * *", "minute: '*/x' is not understood"),
        ("0 17-9 * * *", "hour: '17-9' runs backwards, valid is 17-23,0-9"),
        ("0 0 * * FRI-TUE", "day of week: 'FRI-TUE' runs backwards, valid is 5-7,0-2"),
        ("0 0 L * *", "day of month: 'L' is not understood (the signs L, W and # of other crons are not supported)"),
        ("0 0 15W * *", "day of month: '15W' is not understood (the signs L, W and #"),
        ("0 0 * * 5L", "day of week: '5L' is not understood (the signs L, W and #"),
        ("0 0 * * MON#1", "day of week: 'MON#1' is not understood (the signs L, W and #"),
        ("0 0 0 * * *", "6 fields (seconds and years are not supported), valid are 5: minute, hour, day of month"),
        ("* * * *", "4 fields, valid are 5"),
        ("", "0 fields, valid are 5"),
        ("CRON_TZ=Europe/Berlin", "0 fields, valid are 5"),
        ("0 0 30 2 *", "day of month: '30' never comes in month '2', valid there is 1-29"),
        ("0 0 31 4,6,9,11 *", "day of month: '31' never comes in month '4,6,9,11', valid there is 1-30"),
        ("0 0 31 2-2 */2", "day of month: '31' never comes in month '2-2', valid there is 1-29"),
        ("@reboot", "'@reboot' is unknown, valid are @yearly, @annually"),
        ("@daily 5", "'@daily 5' is unknown, valid are @yearly"),
        ("@every", "duration '' is not understood"),
        ("@every 5", "duration '5' is not understood"),
        ("@every 0.9s", "period '0.9s' is too short, valid is 1s or more"),
        ("@every 0s", "period '0s' is too short, valid is 1s or more"),
    ],
)
def test_a_wrong_expression_is_told_what_is_wrong_and_what_is_valid(expression: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"schedule {expression!r}: {complaint}")) as caught:
        parse_schedule(expression)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("europe/berlin", "did you mean 'Europe/Berlin'?"),
        ("America/NewYork", "did you mean 'America/New_York'?"),
        ("../../etc/passwd", "valid are names such as"),
        ("Europe", "is unknown"),
        ("", "valid are names such as 'Europe/Berlin' or 'UTC'"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest_name(zone: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"time zone {zone!r} is unknown")) as caught:
        parse_schedule("@daily", zone)
    assert hint in str(caught.value)


def test_a_zone_in_the_expression_is_looked_up_too() -> None:
    with pytest.raises(ConfigurationError, match="time zone 'Nowhere' is unknown"):
        parse_schedule("CRON_TZ=Nowhere @daily")
