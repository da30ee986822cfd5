"""Sources of Jitsu Classic's own drivers, mapped to the connectors that read the same data today.

A mapping reads nothing, and only passes secrets on. Each of Classic's collections is one report of one source, so the
connector is configured for that report only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.connectors.sources.classic.options import (
    AMPLITUDE,
    FACEBOOK_MARKETING,
    GOOGLE_ADS,
    GOOGLE_ANALYTICS,
    STANDARD,
    UNIVERSAL_ANALYTICS,
)
from app.connectors.values import jsontext
from app.domain.choices import unknown_name
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.connectors.options.types import NoParameters
    from app.connectors.sources.classic.options import (
        AmplitudeOptions,
        FacebookMarketingOptions,
        FacebookMarketingParameters,
        GoogleAdsOptions,
        GoogleAdsParameters,
        GoogleAnalyticsOptions,
        GoogleAnalyticsParameters,
        GoogleAuth,
        GooglePlayOptions,
    )
    from app.domain.collection import CollectionJob

_REPORT: Final = "report"
_AMPLITUDE_STREAMS: Final = {
    "active_users": "active_users",
    "annotations": "annotations",
    "average_sessions": "average_session_length",
    "cohorts": "cohorts",
    "events": "events",
}
_PLAY_FILES: Final = {"sales": "sales/salesreport_*.zip", "earnings": "earnings/earnings_*.zip"}
_FACEBOOK_COLLECTIONS: Final = ("ads", "insights")
# Rows of these have no date of their own, so they need one range for all.
_LONGER_THAN_A_DAY: Final = {f"segments.{span}" for span in ("week", "month", "month_of_year", "quarter", "year")}
_NO_END: Final = "2099-12-31"


class NoLongerReadError(ConfigurationError):
    """Jitsu Classic read this collection, and today's connector cannot."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """The same source and collection for today's connector; `warnings` say what differs."""

    source_type: str
    config: dict[str, Any]
    collection: CollectionJob
    warnings: tuple[str, ...] = ()


def google_analytics(
    options: GoogleAnalyticsOptions, parameters: GoogleAnalyticsParameters, collection: CollectionJob
) -> Mapped:
    """A report of Google Analytics 4 or, where it still runs, of Universal Analytics."""
    _check_type(collection, ("report",))
    dimensions, metrics = list(parameters.dimensions), list(parameters.metrics)
    config: dict[str, Any] = {"credentials": _google_credentials(options.auth)}
    if options.view_id:
        report = {"name": _REPORT, "dimensions": dimensions, "metrics": metrics}
        config |= {
            "view_id": options.view_id,
            "start_date": collection.start_date,
            "custom_reports": jsontext.encode([report]),
        }
        warning = (
            "Google shut down Universal Analytics and deleted its data (July 2024), so a 'view_id' has nothing left to "
            "read; give a 'property_id' of Google Analytics 4, with its names of dimensions and metrics"
        )
        return _airbyte(UNIVERSAL_ANALYTICS, config, collection, _REPORT, warning)
    for name in (*dimensions, *metrics):
        if name.startswith("ga:"):
            raise ConfigurationError(
                f"{name!r} is a name of Universal Analytics; use one of Google Analytics 4, such as 'country' or "
                "'sessions' (https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema)"
            )
    config |= {
        "property_ids": [options.property_id],
        "date_ranges_start_date": collection.start_date,
        # Without it, rows of several days would look the same.
        "custom_reports_array": [
            {"name": _REPORT, "dimensions": list(dict.fromkeys(["date", *dimensions])), "metrics": metrics}
        ],
    }
    return _airbyte(GOOGLE_ANALYTICS, config, collection, _REPORT)


def facebook_marketing(
    options: FacebookMarketingOptions, parameters: FacebookMarketingParameters, collection: CollectionJob
) -> Mapped:
    """Insights by day with the wanted fields, or ads with the connector's own columns."""
    _check_type(collection, _FACEBOOK_COLLECTIONS)
    config: dict[str, Any] = {
        "account_ids": [options.account_id],
        "credentials": {"auth_type": "Service", "access_token": options.access_token},
        "start_date": f"{collection.start_date}T00:00:00Z",
    }
    if collection.type == "ads":
        ignored = "'fields' and 'level' are ignored for ads: Airbyte's connector has its own columns"
        warnings = (ignored,) if parameters.model_fields_set else ()
        return _airbyte(FACEBOOK_MARKETING, config, collection, "ads", *warnings)
    insight = {"name": "Report", "level": parameters.level, "fields": list(parameters.fields), "time_increment": 1}
    return _airbyte(FACEBOOK_MARKETING, config | {"custom_insights": [insight]}, collection, "custom_report")


def google_ads(options: GoogleAdsOptions, parameters: GoogleAdsParameters, collection: CollectionJob) -> Mapped:
    """One GAQL query. The connector reads it by day if `segments.date` is among its fields."""
    if not collection.type.replace("_", "").isalnum():
        raise ConfigurationError(
            f"{collection.type!r} is not a Google Ads report; write one such as 'campaign' or 'ad_group'"
        )
    start_date = parameters.start_date or collection.start_date
    query = " ".join(["SELECT", ", ".join(parameters.fields), "FROM", collection.type])
    conditions = [parameters.where] if parameters.where else []
    if "segments.date" not in parameters.fields and _LONGER_THAN_A_DAY & set(parameters.fields):
        conditions.insert(0, f"segments.date BETWEEN '{start_date}' AND '{_NO_END}'")
    if conditions:
        query += f" WHERE {' AND '.join(conditions)}"
    auth = options.auth
    config = {
        "credentials": {
            "developer_token": options.developer_token,
            "client_id": auth.client_id,
            "client_secret": auth.client_secret,
            "refresh_token": auth.refresh_token,
        },
        "customer_id": options.customer_id,
        "start_date": start_date,
        "custom_queries_array": [{"query": query, "table_name": _REPORT}],
    }
    # Numbers of recent weeks still change, and only a key identifies the same row.
    sync_mode = collection.sync_mode or ("incremental" if collection.primary_key else "full_refresh")
    warnings = []
    if options.manager_customer_id:
        warnings.append("'manager_customer_id' is ignored: Airbyte's connector finds the manager account itself")
    return _airbyte(GOOGLE_ADS, config, msgspec.structs.replace(collection, sync_mode=sync_mode), _REPORT, *warnings)


def google_play(options: GooglePlayOptions, _: NoParameters, collection: CollectionJob) -> Mapped:
    """The reports are files in a bucket. This month's files change, so all of them replace the table."""
    _check_type(collection, tuple(_PLAY_FILES))
    auth = options.auth
    keys = {"client_id": auth.client_id, "client_secret": auth.client_secret, "refresh_token": auth.refresh_token}
    token = {"type": "authorized_user"} | keys if auth.is_oauth else auth.service_account_key
    if isinstance(token, str) and token.lstrip().startswith("{"):
        token = _object(token)
    bucket = f"pubsite_prod_rev_{options.account_id}"
    parameters = {"path": f"gs://{bucket}/{_PLAY_FILES[collection.type]}", "compression": "zip", "format": "csv"}
    changed = msgspec.structs.replace(
        collection, parameters=parameters, sync_mode=collection.sync_mode or "full_refresh"
    )
    return Mapped(
        "files",
        {"storage_options": {"token": token}},
        changed,
        ("columns have the names and strings of Google's files: prices are not numbers yet",),
    )


def amplitude(options: AmplitudeOptions, _: NoParameters, collection: CollectionJob) -> Mapped:
    """Streams of the same names, except for sessions; the connector has no new users."""
    if collection.type == "new_users":
        raise NoLongerReadError(
            "Airbyte's connector has no 'new_users'; read https://amplitude.com/api/2/users?m=new with a source of "
            "type 'rest' or 'python', or use 'active_users'"
        )
    _check_type(collection, tuple(_AMPLITUDE_STREAMS))
    config = {
        "api_key": options.api_key,
        "secret_key": options.secret_key,
        "start_date": f"{collection.start_date}T00:00:00Z",
    }
    if options.region != STANDARD:
        config["data_region"] = options.region
    return _airbyte(AMPLITUDE, config, collection, _AMPLITUDE_STREAMS[collection.type])


DRIVERS: Final[dict[str, Callable[[Any, Any, CollectionJob], Mapped]]] = {
    "google_analytics": google_analytics,
    "facebook_marketing": facebook_marketing,
    "google_ads": google_ads,
    "google_play": google_play,
    "amplitude": amplitude,
}
"""Classic's types with a connector, and what maps the options of `KINDS` to it."""


def _airbyte(package: str, config: dict[str, Any], collection: CollectionJob, stream: str, *warnings: str) -> Mapped:
    changed = msgspec.structs.replace(collection, type=stream, parameters={})
    return Mapped("airbyte", {"package": package, "config": config}, changed, warnings)


def _check_type(collection: CollectionJob, valid: tuple[str, ...]) -> None:
    if collection.type not in valid:
        raise ConfigurationError(unknown_name("collection type", collection.type, valid))


def _google_credentials(auth: GoogleAuth) -> dict[str, Any]:
    if auth.is_oauth:
        return {
            "auth_type": "Client",
            "client_id": auth.client_id,
            "client_secret": auth.client_secret,
            "refresh_token": auth.refresh_token,
        }
    key = auth.service_account_key
    return {"auth_type": "Service", "credentials_json": key if isinstance(key, str) else jsontext.encode(key)}


def _object(text: str) -> Any:
    try:
        return jsontext.decode(text)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"'service_account_key' is not valid JSON: {error}") from None
