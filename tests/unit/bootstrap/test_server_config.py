"""How uvicorn serves the API."""

from app.api.http.connection import IDLE_SECONDS
from app.bootstrap.api import server_config


def test_connections_stay_open_between_requests() -> None:
    assert server_config(app=None).timeout_keep_alive == IDLE_SECONDS
