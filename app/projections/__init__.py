"""Projections: what the events add up to. Rebuilt from them, compared with them, kept near them."""

from app.projections.rebuild import PROJECTIONS, rebuild, rebuild_all
from app.projections.runner import ProjectionRunner
from app.projections.verify import Drift, verify

__all__ = ["PROJECTIONS", "Drift", "ProjectionRunner", "rebuild", "rebuild_all", "verify"]
