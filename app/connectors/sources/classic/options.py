"""The options of Jitsu Classic's own drivers (v1.44.8, server/drivers)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from app.connectors.contract.kind import SourceKind
from app.connectors.options.types import NoParameters, Options, connector_in, matching
from app.domain.keys import Several

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.connector import Connector

GOOGLE_ANALYTICS: Final = "airbyte-source-google-analytics-data-api==2.8.2"
UNIVERSAL_ANALYTICS: Final = "airbyte-source-google-analytics-v4==0.4.19"
FACEBOOK_MARKETING: Final = "airbyte-source-facebook-marketing==6.1.9"
GOOGLE_ADS: Final = "airbyte-source-google-ads==6.1.7"
AMPLITUDE: Final = "airbyte-source-amplitude==0.6.19"

STANDARD: Final = "Standard Server"
AMPLITUDE_SERVERS: Final = {
    "https://amplitude.com": STANDARD,
    "https://analytics.eu.amplitude.com": "EU Residency Server",
}

UNMAPPED: Final = {
    "firebase": (
        "no maintained connector reads Firestore and Firebase users; write a source of type 'python' with the "
        "package firebase-admin. For a Realtime Database use airbyte-source-firebase-realtime-database"
    ),
    "sdk_source": "sources of Jitsu's SDK are Node.js programs; write a source of type 'python' instead",
}
"""Types of Classic's that nothing here replaces, and what to use instead."""

_WHERE: Final = re.compile(r"\s*where\s+", re.IGNORECASE)
_MACRO: Final = re.compile(r"\$date_(from|to)")

_Digits = Annotated[str, matching(r"[0-9]+", "digits only")]
_CustomerId = Annotated[str, matching(r"[0-9]{10}", "10 digits, such as 123-456-7890")]
_FieldName = Annotated[str, matching(r"[a-z0-9_.]+", "the name of a field in GAQL, such as campaign.id")]
_Day = Annotated[str, matching(r"\d{4}-\d{2}-\d{2}", "a day as YYYY-MM-DD")]
_Account = Annotated[str, matching(r"\w+", "the number in the name of the bucket, pubsite_prod_rev_…")]


class GoogleAuth(Options):
    """OAuth tokens, or the key of a service account: an object, its JSON text, or the path of its file."""

    type: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    refresh_token: str | None = None
    service_account_key: dict[str, Any] | str | None = None
    subject: str | None = None

    @property
    def is_oauth(self) -> bool:
        return self.type == "OAuth" or not self.service_account_key

    @model_validator(mode="after")
    def _check_complete(self) -> Self:
        missing = [key for key in ("client_id", "client_secret", "refresh_token") if not getattr(self, key)]
        if self.is_oauth and missing:
            alternative = "" if self.type == "OAuth" else "; give that, or 'service_account_key'"
            raise ValueError(f"OAuth needs {', '.join(map(repr, missing))}{alternative}")
        return self


class GoogleAnalyticsOptions(Options):
    """A `property_id` of Google Analytics 4, or Classic's `view_id` of the Universal Analytics before it."""

    property_id: _Digits | None = None
    view_id: _Digits | None = None
    auth: GoogleAuth

    @model_validator(mode="after")
    def _check_one_id(self) -> Self:
        if bool(self.property_id) == bool(self.view_id):
            raise ValueError("give either 'property_id' or 'view_id'")
        return self


class GoogleAnalyticsParameters(Options):
    dimensions: Annotated[tuple[str, ...], Several, Field(min_length=1)]
    metrics: Annotated[tuple[str, ...], Several, Field(min_length=1)]


class FacebookMarketingOptions(Options):
    account_id: _Digits
    access_token: str = Field(min_length=1)


class FacebookMarketingParameters(Options):
    fields: Annotated[tuple[str, ...], Several] = ()
    level: Literal["ad", "adset", "campaign", "account"] = "ad"


class GoogleAdsOptions(Options):
    customer_id: _CustomerId
    manager_customer_id: str | None = None
    developer_token: str = Field(min_length=1)
    auth: GoogleAuth

    @field_validator("customer_id", mode="before")
    @classmethod
    def _remove_dashes(cls, customer: Any) -> Any:
        return customer.replace("-", "") if isinstance(customer, str) else customer

    @model_validator(mode="after")
    def _check_oauth(self) -> Self:
        if not self.auth.is_oauth:
            raise ValueError(
                "Airbyte's connector does not accept a service account in 'auth'; "
                "give client_id, client_secret and refresh_token"
            )
        return self


def _split(value: Any) -> Any:
    return [part for part in re.split(r"[\s,]+", value) if part] if isinstance(value, str) else value


def _check_where(where: str) -> str:
    """The condition without the word WHERE, which Classic lets users write."""
    if found := _MACRO.search(where):
        raise ValueError(
            f"{found[0]!r}, which Jitsu Classic replaced day by day, cannot be used: put segments.date into 'fields' "
            "and leave the condition on it out"
        )
    return _WHERE.sub("", where, count=1).strip() if _WHERE.match(where) else where.strip()


class GoogleAdsParameters(Options):
    """`fields` as GAQL names them, a list or a string with commas; `where` is a condition in GAQL."""

    fields: Annotated[tuple[_FieldName, ...], Several, BeforeValidator(_split), Field(min_length=1)]
    where: Annotated[str, AfterValidator(_check_where)] = ""
    start_date: _Day | None = None


def _check_server(server: str) -> str:
    address = server.strip().rstrip("/").lower()
    if address and address not in AMPLITUDE_SERVERS:
        raise ValueError(f"must be {' or '.join(AMPLITUDE_SERVERS)}: Airbyte's connector knows no other servers")
    return address


class GooglePlayOptions(Options):
    """`account_id` is the number in the name of the bucket, pubsite_prod_rev_…."""

    account_id: _Account
    auth: GoogleAuth


class AmplitudeOptions(Options):
    """`server` says in which region the data is."""

    api_key: str = Field(min_length=1)
    secret_key: str = Field(min_length=1)
    server: Annotated[str, AfterValidator(_check_server)] = ""

    @property
    def region(self) -> str:
        """The name that Airbyte's connector has for it."""
        return AMPLITUDE_SERVERS.get(self.server, STANDARD)


def _connector_of_analytics(options: GoogleAnalyticsOptions) -> Connector:
    return connector_in(UNIVERSAL_ANALYTICS if options.view_id else GOOGLE_ANALYTICS)


def _always(package: str) -> Callable[[Options], Connector]:
    return lambda _: connector_in(package)


KINDS: Final[dict[str, SourceKind]] = {
    "google_analytics": SourceKind(
        GoogleAnalyticsOptions,
        GoogleAnalyticsParameters,
        offers="by collection",
        connector=_connector_of_analytics,
    ),
    "facebook_marketing": SourceKind(
        FacebookMarketingOptions,
        FacebookMarketingParameters,
        offers="by collection",
        connector=_always(FACEBOOK_MARKETING),
    ),
    "google_ads": SourceKind(
        GoogleAdsOptions, GoogleAdsParameters, offers="by collection", connector=_always(GOOGLE_ADS)
    ),
    "google_play": SourceKind(GooglePlayOptions, NoParameters, offers="by collection"),
    "amplitude": SourceKind(AmplitudeOptions, NoParameters, offers="by collection", connector=_always(AMPLITUDE)),
}
