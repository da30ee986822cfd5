from __future__ import annotations

import re

import pytest

from app.domain.errors import ConfigurationError
from app.domain.schedule import parse_schedule


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("61 * * * *", "minute: '61' is out of range; use 0-59"),
        ("5,61 * * * *", "minute: '61' is out of range; use 0-59"),
        ("* 24 * * *", "hour: '24' is out of range; use 0-23"),
        ("* * 0 * *", "day of month: '0' is out of range; use 1-31"),
        ("* * * 13 *", "month: '13' is out of range; use 1-12 or JAN-DEC"),
        ("* * * * 8", "day of week: '8' is out of range; use 0-7 or SUN-SAT"),
        ("* * * FOO *", "month: 'FOO' is not valid; use *, 1-12 or JAN-DEC, lists"),
        ("* MON * * *", "hour: 'MON' is not valid; use *, 0-23, lists"),
        ("1,,2 * * * *", "minute: '' is not valid"),
        ("-5 * * * *", "minute: '-5' is not valid"),
        ("٣ * * * *", "minute: '٣' is not valid"),
        ("*/0 * * * *", "minute: '*/0' has step 0; the step must be 1 or more"),
        ("*/x * * * *", "minute: '*/x' is not valid"),
        ("0 17-9 * * *", "hour: '17-9' runs backwards; write 17-23,0-9"),
        ("0 0 * * FRI-TUE", "day of week: 'FRI-TUE' runs backwards; write 5-7,0-2"),
        ("0 0 L * *", "day of month: 'L' is not valid (the signs L, W and # of other crons are not supported)"),
        ("0 0 15W * *", "day of month: '15W' is not valid (the signs L, W and #"),
        ("0 0 * * 5L", "day of week: '5L' is not valid (the signs L, W and #"),
        ("0 0 * * MON#1", "day of week: 'MON#1' is not valid (the signs L, W and #"),
        ("0 0 0 * * *", "6 fields (seconds and years are not supported); write 5: minute, hour, day of month"),
        ("* * * *", "4 fields; write 5"),
        ("", "0 fields; write 5"),
        ("CRON_TZ=Europe/Berlin", "0 fields; write 5"),
        ("0 0 30 2 *", "day of month: '30' never comes in month '2'; use 1-29"),
        ("0 0 31 4,6,9,11 *", "day of month: '31' never comes in month '4,6,9,11'; use 1-30"),
        ("0 0 31 2-2 */2", "day of month: '31' never comes in month '2-2'; use 1-29"),
        ("daily", "1 field; write 5"),
        ("@reboot", "unknown macro '@reboot'; choose one of @yearly, @annually"),
        ("@evry 5m", "unknown macro '@evry'; did you mean '@every'? choose one of @yearly"),
        ("@daily 5", "'@daily' stands alone; remove '5'"),
        ("@every", "duration '' is not valid"),
        ("@every 5", "duration '5' is not valid"),
        ("@every 0.9s", "period '0.9s' is too short; use 1s or more"),
        ("@every 0s", "period '0s' is too short; use 1s or more"),
    ],
)
def test_the_error_of_a_wrong_expression_has_what_is_wrong_and_what_is_valid(expression: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"schedule {expression!r}: {complaint}")) as caught:
        parse_schedule(expression)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("europe/berlin", "did you mean 'Europe/Berlin'?"),
        ("America/NewYork", "did you mean 'America/New_York'?"),
        ("../../etc/passwd", "use a name such as"),
        ("Europe", "unknown"),
        ("", "use a name such as 'Europe/Berlin' or 'UTC'"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest_name(zone: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"unknown time zone {zone!r}")) as caught:
        parse_schedule("@daily", zone)
    assert hint in str(caught.value)


@pytest.mark.parametrize("zone", ["localtime", "Factory"])
def test_a_zone_that_differs_between_machines_is_refused(zone: str) -> None:
    with pytest.raises(ConfigurationError, match=f"time zone '{zone}' may be another one on each machine: use a name"):
        parse_schedule("@daily", zone)


def test_a_zone_in_the_expression_is_looked_up_too() -> None:
    with pytest.raises(ConfigurationError, match="unknown time zone 'Nowhere'"):
        parse_schedule("CRON_TZ=Nowhere @daily")
