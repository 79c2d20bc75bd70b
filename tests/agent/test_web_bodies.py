"""The endpoint of the agent, whatever it is sent: what it cannot read is refused in words, and it goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from support import hostile
from support.served_agents import Answer, Site, named, said, served, show
from support.toys import coloured_squares, png
from tbft_agent.settings import Http
from tbft_agent.web.app import MOST_PICTURE_BYTES

SQUARE = png(coloured_squares(1)[0][0])
TRAVERSALS = (
    "../memory.json",
    "..%2fmemory.json",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "....//....//etc/passwd",
    "..%5c..%5cmemory.json",
    "%00",
    "images.sqlite",
    "/etc/passwd",
    "x' or '1'='1",
    "a" * 5000,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("agent"), http=Http(waiting=1)) as found:
        show(found.agent, 3)
        yield found


def refused(answer: Answer, status: int) -> None:
    """In one line of plain text, without a trace of where it went wrong."""
    assert answer.status == status
    assert answer.headers["content-type"].startswith("text/plain")
    assert 0 < len(answer.body) < 1000
    assert b"Traceback" not in answer.body


def test_a_picture_is_answered(site: Site) -> None:
    answer = site.ask("POST", "/predict", SQUARE)
    assert answer.status == 200
    assert set(json.loads(answer.body)) >= {"label", "confidence", "version", "ms"}


def test_too_much_is_not_read(site: Site) -> None:
    refused(site.ask("POST", "/predict", bytes(MOST_PICTURE_BYTES + 1)), 413)
    for path in ("/api/label", "/api/pause"):
        refused(site.ask("POST", path, b'{"paused":' + b" " * (64 << 10) + b"true}"), 413)
    assert not site.agent.core.memory.paused


def test_pictures_that_are_on_their_way_have_a_limit_together(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any of them is answered they lie in the memory that the model needs."""
    monkeypatch.setattr("tbft_agent.web.app._MOST_HELD_BYTES", 1000)
    refused(site.ask("POST", "/predict", bytes(5000)), 429)
    monkeypatch.undo()
    assert site.ask("POST", "/predict", SQUARE).status == 200


@given(content=st.binary(max_size=200) | st.binary(max_size=50).map(lambda tail: SQUARE[:40] + tail))
def test_what_is_no_picture_is_refused(site: Site, content: bytes) -> None:
    refused(site.ask("POST", "/predict", content), 400)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["digest", "label", "paused", "x"]), inner)
    ),
    max_leaves=6,
)
BODIES = st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode())


@given(body=BODIES, path=st.sampled_from(["/api/label", "/api/pause"]))
def test_hostile_json_is_refused(site: Site, body: bytes, path: str) -> None:
    """Whatever it is: no such image, or no such words; and only the words that there are change anything."""
    answer = site.ask("POST", path, body)
    if answer.status == 200:
        assert path == "/api/pause"
        assert set(json.loads(body)) == {"paused"}
    else:
        refused(answer, answer.status)
        assert answer.status in (400, 404)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 60_000,
        b'{"digest":' * 5_000,
        b'{"digest":"x","label":"\\ud800"}',
        b'{"digest":"\xff","label":null}',
        b'{"digest":"x"}',
        b'{"digest":"x","label":1}',
        b'{"digest":"x","label":"y","more":0}',
        b'{"digest":"x","label":"y"} {}',
    ],
)
def test_such_json_too(site: Site, body: bytes) -> None:
    refused(site.ask("POST", "/api/label", body), 400)


@pytest.mark.parametrize(
    "name", [".", "..", ".hidden", "a/b", "/", "unlabelled", "a\0b", "x" * 101, "cat\u202e", "🦔" * 80]
)
def test_names_that_no_folder_has_are_no_classes(site: Site, name: str) -> None:
    """Each class is a folder of a training: a name must not lead out of it."""
    digest = site.agent.core.store.recent(1)[0].digest
    refused(site.tell("/api/label", digest=digest, label=name), 400)
    assert said(site.agent, digest) is None


@pytest.mark.parametrize("name", ["שלום", hostile.EMOJI, "<b>", "x" * 100, "'; drop table images; --"])
def test_other_names_are(site: Site, name: str) -> None:
    digest = site.agent.core.store.recent(1)[0].digest
    assert json.loads(site.tell("/api/label", digest=digest, label=f" {name} ").body) == {
        "digest": digest,
        "label": name,
    }
    assert said(site.agent, digest) == name
    assert site.tell("/api/label", digest=digest, label=None).status == 200
    assert said(site.agent, digest) is None


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out(site: Site, path: str) -> None:
    quoted = path.replace(" ", "%20")
    for below in ("/api/image/", "/static/", "/static/../"):
        answer = site.ask("GET", below + quoted)
        assert answer.status in (404, 405)
        assert b"root:" not in answer.body
        assert b"sqlite" not in answer.body.lower()


def test_an_image_is_what_it_was(site: Site) -> None:
    site.ask("POST", "/predict", SQUARE)
    (kept,) = [
        kept for kept in site.agent.core.store.recent(99) if site.agent.core.store.path(kept).read_bytes() == SQUARE
    ]
    answer = site.ask("GET", f"/api/image/{kept.digest}")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "image/png", SQUARE)
    assert site.ask("GET", f"/api/image/{kept.digest.upper()}").status == 404


@pytest.mark.parametrize(
    ("name", "kind"), [("page.js", "text/javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg+xml")]
)
def test_the_pages_files_have_the_types_that_browsers_insist_on(site: Site, name: str, kind: str) -> None:
    found = site.ask("GET", f"/static/{name}")
    assert found.status == 200
    assert found.headers["content-type"].split(";")[0] in (kind, kind.replace("text/java", "application/java"))


def test_who_comes_while_too_many_wait_is_told_to_come_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One waits for the agent here, and one may: the next is refused at once, and not kept waiting."""
    answering, has_begun = site.agent.core.answering, threading.Event()
    # What is asked as soon as a picture has its place.
    monkeypatch.setattr(answering, "is_training", lambda: bool(has_begun.set()))
    refused_before = answering.refused
    with ThreadPoolExecutor(1) as other:
        with site.agent.core.lock:
            first = other.submit(site.ask, "POST", "/predict", SQUARE)
            assert has_begun.wait(20)
            answer = site.ask("POST", "/predict", SQUARE)
        assert first.result(20).status == 200
    refused(answer, 429)
    assert answer.headers["retry-after"] == "1"
    assert answering.refused == refused_before + 1
    assert site.ask("POST", "/predict", SQUARE).status == 200


def test_metrics_are_what_prometheus_reads(site: Site, tmp_path: Path) -> None:
    """Also where classes have names of strangers."""
    named(site.agent, hostile.CLASSES)
    show(site.agent, 8)
    answer = site.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    states = {sample.labels["state"]: sample.value for sample in families["tbft_edge_agent_state"].samples}
    assert states["watching"] == sum(states.values()) == 1
    (images,) = [
        sample.value for sample in families["tbft_edge_agent_images"].samples if sample.name.endswith("_total")
    ]
    assert images == site.agent.core.answering.answered > 0
    (version,) = families["tbft_edge_agent_version"].samples
    assert (version.value, version.labels) == (0, dict(site.agent.core.marks))
    assert len(version.labels["bundle"]) == 64
