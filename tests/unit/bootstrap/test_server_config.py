"""How uvicorn serves the API."""

from app.bootstrap.api import server_config

NGINX_KEEPALIVE_SECONDS = 60
AWS_ALB_IDLE_SECONDS = 60


def test_an_idle_connection_outlives_that_of_a_load_balancer() -> None:
    # Otherwise a request meets a connection that is just being closed, and the load balancer answers 502.
    config = server_config(app=None)
    assert config.timeout_keep_alive > max(NGINX_KEEPALIVE_SECONDS, AWS_ALB_IDLE_SECONDS)
