"""A key that is left out means what its default means when it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel

from app.config.settings import Settings
from app.connectors.destinations.dlt.options import DltDestinationOptions
from app.connectors.destinations.duckdb.options import DuckdbDestinationOptions
from app.connectors.destinations.parquet.options import ParquetDestinationOptions
from app.connectors.destinations.postgres.options import PostgresDestinationOptions
from app.connectors.destinations.singer.options import TargetOptions
from app.connectors.kinds import DESTINATIONS, SOURCES
from app.connectors.options.selected_streams import SelectedStream
from app.connectors.options.types import Options
from app.connectors.sources.airbyte.options import AirbyteOptions
from app.connectors.sources.classic import options as classic
from app.connectors.sources.files.options import FilesParameters
from app.connectors.sources.python.options import PythonOptions
from app.connectors.sources.redis.options import RedisOptions, RedisParameters
from app.connectors.sources.rest.options import RestOptions
from app.connectors.sources.singer.options import SingerOptions
from app.connectors.sources.sql.options import SqlOptions
from app.domain.collection import Collection
from app.domain.keys import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOGLE = {"service_account_key": "{}"}
OAUTH = {"client_id": "a", "client_secret": "b", "refresh_token": "c"}
LEAST: dict[type[BaseModel], dict[str, Any]] = {
    AirbyteOptions: {"command": "source"},
    SelectedStream: {"name": "orders"},
    DltDestinationOptions: {"type": "dlt:duckdb", "dataset": "shop", "credentials": "shop.duckdb"},
    DuckdbDestinationOptions: {"path": "warehouse.duckdb"},
    FilesParameters: {"path": "orders.csv"},
    ParquetDestinationOptions: {"path": "/srv/lake"},
    PostgresDestinationOptions: {"host": "localhost"},
    PythonOptions: {"function": "shop"},
    RedisOptions: {"host": "localhost"},
    RedisParameters: {"redis_key": "user:*"},
    RestOptions: {"client": {"base_url": "https://shop.example.com"}, "resources": ["orders"]},
    SingerOptions: {"command": "tap"},
    SqlOptions: {"url": "sqlite:////srv/shop.db"},
    TargetOptions: {"command": "target"},
    # Its type and its table have their names from what is around it.
    Collection: {"name": "orders", "type": "orders", "table_name": "orders"},
    classic.GoogleAuth: GOOGLE,
    classic.GoogleAnalyticsOptions: {"property_id": "1", "auth": GOOGLE},
    classic.GoogleAnalyticsParameters: {"dimensions": "date", "metrics": "sessions"},
    classic.FacebookMarketingOptions: {"account_id": "1", "access_token": "a"},
    classic.GoogleAdsOptions: {"customer_id": "1234567890", "developer_token": "a", "auth": OAUTH},
    classic.GoogleAdsParameters: {"fields": "campaign.id"},
    classic.GooglePlayOptions: {"account_id": "1", "auth": GOOGLE},
    classic.AmplitudeOptions: {"api_key": "a", "secret_key": "b"},
}
"""What has to be said for a model to be made; the others need nothing."""


def below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in model.__subclasses__():
        if each.__module__.startswith("app."):
            yield from (each, *below(each))


MODELS = [*below(Options), *below(Section), Settings]


def test_every_kind_has_models_that_are_looked_at() -> None:
    models = {model for kind in SOURCES.values() for model in (kind.options, kind.parameters) if model}
    assert models | {kind.options for kind in DESTINATIONS.values()} <= set(MODELS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_key_left_out_means_what_its_default_means_when_it_is_written(model: type[BaseModel]) -> None:
    least = LEAST.get(model, {})
    made = model.model_validate(least)
    for name, field in model.model_fields.items():
        key = str(field.validation_alias or field.alias or name)
        if key in least or field.is_required():
            continue
        default = field.get_default(call_default_factory=True, validated_data={})
        left_out, written = getattr(made, name), getattr(model.model_validate(least | {key: default}), name)
        assert (type(left_out), left_out) == (type(written), written), name


def test_a_default_is_seen_by_validators() -> None:
    class Made(Options):
        name: Annotated[str, AfterValidator(str.upper)] = "shop"

    class Written(Section):
        name: Annotated[str, AfterValidator(str.upper)] = "shop"

    assert (Made().name, Written().name) == ("SHOP", "SHOP")
