"""Jobs of attempts."""

from __future__ import annotations

import pytest

from app.domain.attempt_protocol import Sync
from app.domain.collection import CollectionJob
from app.domain.errors import ConfigurationError
from app.execution.jobs import made_load_parameters


def test_made_load_names_the_parameter_that_is_wrong() -> None:
    job = Sync(
        task="0192f7c2-0000-7000-8000-000000000001",
        task_id="load_orders_1",
        attempt=1,
        claim=1,
        source="load",
        source_type="synthetic",
        source_config={},
        collection=CollectionJob(
            name="orders",
            type="orders",
            table_name="load_orders",
            start_date="2024-01-01",
            parameters={"records": "many"},
        ),
        destinations={},
        data_dir="/nowhere",
    )
    with pytest.raises(ConfigurationError) as raised:
        made_load_parameters(job)
    assert str(raised.value) == "sources.load.collections.orders.parameters.records: must be an integer, not 'many'"
