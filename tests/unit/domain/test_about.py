"""What people say about sources and collections, and what they may not say there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app.config.reader import load_catalogue
from app.domain.about import About
from app.execution.catalogue_digests import parts_of
from app.execution.digests import DigestKey

if TYPE_CHECKING:
    from app.config.catalogue import Catalogue

KEY = DigestKey(b"a" * 32)


def catalogue(keys: str, *, of_collection: str = "", environment: dict[str, str] | None = None) -> Catalogue:
    return load_catalogue(
        f"sources: {{s: {{type: synthetic, destinations: [nowhere], {keys}\n"
        f"  collections: [{{name: c, {of_collection}}}]}}}}\ndestinations: {{nowhere: {{type: none}}}}",
        environment or {},
    )


def test_a_text_is_one_line_however_it_is_folded() -> None:
    about = About.model_validate({"description": "what was\n  sold\n", "owner": " data  team "})
    assert (about.description, about.owner) == ("what was sold", "data team")


@pytest.mark.parametrize(
    "url", ["https://wiki.example.com/a?b=c#d", "http://wiki:8080/", "HTTPS://wiki/x", "https://wiki/שלום"]
)
def test_a_runbook_is_a_page_of_the_web(url: str) -> None:
    assert About(runbook=url).runbook == url


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        *(
            (f"runbook: {json.dumps(url)}", "sources.s.runbook: must be a URL that begins with http:// or https://")
            for url in (
                "javascript:alert(1)",
                "JavaScript://x/%0aalert(1)", "data:text/html,x", "//wiki/x", "/x", "wiki.example.com",
                "https:", "https:///x", "https://[x", "https://wiki/a b", "https://wiki/\u202e", "ftp://wiki/x", 5,
            )
        ),
        (
            "runbook: 'https://me:hunter2@wiki/x'",
            "sources.s.runbook: must not have a user or a password: everybody who looks at the pages can read it",
        ),
        ("labels: {team: data}", "sources.s.labels: must be a string or a list, not a mapping"),
        ("labels: [a, [b]]", "sources.s.labels[1]: must be a string, not a list"),
        ("labels: ['']", "sources.s.labels[0]: must not be empty"),
        (f"labels: [{'a' * 51}]", "sources.s.labels[0]: must have at most 50 characters, not 51"),
        (f"labels: {[*range(51)]}", "sources.s.labels: must be at most 50 labels, not 51"),
        ("owner: [a]", "sources.s.owner: must be a string, not a list"),
        (f"owner: {'a' * 201}", "sources.s.owner: must have at most 200 characters, not 201"),
        ('description: "a\\u202eb"', "sources.s.description: must not have characters that cannot be seen"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused_by_its_key(written: str, problem: str) -> None:
    assert [str(each).partition(": ")[2] for each in catalogue(f"{written},").problems] == [problem]


def test_secrets_are_masked_there_too() -> None:
    texts = "description: 'log in with ${env.PASSWORD}', labels: ['${env.PASSWORD}'],"
    made = catalogue(
        f"{texts} owner: me,", of_collection="owner: '${env.PASSWORD}'", environment={"PASSWORD": "hunter2"}
    )
    source = made.sources["s"]
    assert (source.about.description, source.about.labels) == ("log in with ***", ("***",))
    assert source.collections["c"].owner == "***"


EVERY_KEY = "owner: me, labels: [pii], description: what was sold, runbook: 'https://wiki/x',"


def test_it_does_not_make_a_configuration_another_one() -> None:
    digests = {
        KEY.digest_of(made.sources["s"])
        for made in (catalogue(""), catalogue(EVERY_KEY), catalogue("", of_collection=EVERY_KEY))
    }
    assert len(digests) == 1


def test_but_the_catalogue_another_one() -> None:
    def keys(made: Catalogue) -> dict[Any, set[str]]:
        return {part[1:]: set(found.keys) for part, found in parts_of(made, KEY).parts.items() if part.name == "s"}

    before, after = keys(catalogue("")), keys(catalogue("owner: me,", of_collection="labels: pii"))
    assert {part: after[part] - before[part] for part in after} == {
        ("s", ""): {"owner"},
        ("s", "c"): {"labels", "owner"},
    }
