"""Runs a source's function in a test as an attempt would, without a database, and checks what it promises.

    from syncline.testing import check_resumes, run

    def test_customers():
        reading = run(customers, config={"url": url})
        assert reading.records == [{"id": 1, "name": "Ada"}]
        reading.check_schema()
        check_resumes(customers, config={"url": url})

No catalogue is needed. Whatever Syncline would refuse raises the same error here.
"""

from __future__ import annotations

from app.testkit import Reading, SourceError, check_resumes, run

__all__ = ["Reading", "SourceError", "check_resumes", "run"]
