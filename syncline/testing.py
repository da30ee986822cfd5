"""Runs a source's function in a test as an attempt does, without a database, and holds it against what it promises.

    from syncline.testing import check_resumes, run

    def test_customers():
        reading = run(customers, config={"url": url})
        assert reading.records == [{"id": 1, "name": "Ada"}]
        reading.check_schema()
        check_resumes(customers, config={"url": url})

No catalogue is needed. What Syncline would refuse raises the same error here.
"""

from __future__ import annotations

from app.testkit import Reading, SourceError, check_resumes, run

__all__ = ["Reading", "SourceError", "check_resumes", "run"]
