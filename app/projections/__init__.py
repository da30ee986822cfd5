"""Projections of the events: rebuilt from them, verified against them, and kept up to date with them."""

from app.projections.rebuild import PROJECTIONS, rebuild, rebuild_all
from app.projections.runner import ProjectionRunner
from app.projections.verify import Drift, verify

__all__ = ["PROJECTIONS", "Drift", "ProjectionRunner", "rebuild", "rebuild_all", "verify"]
