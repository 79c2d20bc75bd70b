"""Who may ask the agent what: the board itself, and from the network whoever knows the token."""

from __future__ import annotations

import http.client
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.served_agents import TOLD, Site, served
from tbft_agent.web.guard import COOKIE, read_token

TOKEN = "wzcVYCnNSVdyhUfEyNhPuaTUrUZrlZHH"
GETS = ("/", "/metrics", "/api/status", "/api/image/00", "/static/page.js")
POSTS = ("/predict", "/api/label", "/api/pause", "/api/adapt", "/api/accept", "/api/rollback", "/api/purge")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("local")) as found:
        yield found


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One that the network reaches."""
    with served(tmp_path_factory.mktemp("public"), TOKEN) as found:
        yield found


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "192.168.1.9", "[::2]", ""]
)
@pytest.mark.parametrize(("method", "path"), [*(("GET", path) for path in GETS), *(("POST", path) for path in POSTS)])
def test_another_name_is_refused(local: Site, method: str, path: str, host: str) -> None:
    """Else a page whose name was made to lead to the board would read what it answers."""
    answer = local.ask(method, path, headers={"Host": host})
    assert answer.status == 403
    assert b"127.0.0.1 only" in answer.body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80"])
def test_the_boards_own_names_are_heard(local: Site, host: str) -> None:
    assert local.ask("GET", "/api/status", headers={"Host": host}).status == 200


@pytest.mark.parametrize("path", POSTS)
def test_pages_of_others_change_nothing(local: Site, public: Site, path: str) -> None:
    """A form of theirs cannot send the header, which holds with the token, too."""
    for site, headers in (
        (local, {}),
        (public, {"Authorization": f"Bearer {TOKEN}"}),
        (public, {"Cookie": f"{COOKIE}={TOKEN}"}),
    ):
        answer = site.ask("POST", path, b"{}", headers, bare=True)
        assert answer.status == 403
        assert b"x-tbft-edge" in answer.body
    assert local.agent.core.memory.paused is False


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_change_nothing(local: Site, method: str) -> None:
    """What a browser asks first, before it sends the header for a stranger's page, is never allowed."""
    assert local.ask(method, "/api/pause", bare=True).status == 403
    answer = local.ask(method, "/api/pause")
    assert answer.status == 405
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize("path", [*GETS, "/nothing"])
def test_without_the_token_nothing_is_seen(public: Site, path: str) -> None:
    """Not even whether there is such a path."""
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": TOKEN},
        {"Cookie": f"{COOKIE}=wrong"},
        {"Cookie": f"other={TOKEN}"},
    ):
        for query in ("", "?token=", "?token=wrong", f"?other={TOKEN}", f"?token={TOKEN}x", "?token=%00"):
            answer = public.ask("GET", path + query, headers=headers)
            assert (answer.status, "set-cookie" in answer.headers) == (403, False)
            assert TOKEN.encode() not in answer.body


def test_the_token_is_heard_wherever_it_stands(public: Site) -> None:
    assert public.ask("GET", f"/?token={TOKEN}", bare=True).status == 200
    assert public.ask("GET", "/api/status", headers={"Cookie": f"a=b; {COOKIE}={TOKEN}"}, bare=True).status == 200
    assert public.ask("GET", "/metrics", headers={"Authorization": f"bearer {TOKEN}"}, bare=True).status == 200
    assert public.ask("POST", "/api/pause", b'{"paused":false}', {"Authorization": f"Bearer {TOKEN}"}).status == 200


def test_the_cookie_stays_with_the_page(public: Site) -> None:
    """No script reads it, and no other site's page sends it."""
    found = public.ask("GET", f"/?token={TOKEN}").headers["set-cookie"]
    parts = {part.strip().lower() for part in found.split(";")}
    assert parts >= {f"{COOKIE}={TOKEN}".lower(), "httponly", "samesite=strict", "path=/"}
    assert not any(part.startswith("domain") for part in parts)


@pytest.mark.parametrize("path", [*GETS, "/nothing"])
def test_every_answer_forbids_what_the_page_does_not_need(local: Site, public: Site, path: str) -> None:
    """Refusals, too: scripts, pictures and requests of the page itself, and no frame around it; nothing is kept."""
    for answer in (local.ask("GET", path), public.ask("GET", path), local.ask("GET", path, headers={"Host": "evil"})):
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert (
            policy["default-src"]
            == policy["base-uri"]
            == policy["form-action"]
            == policy["frame-ancestors"]
            == "'none'"
        )
        assert {policy[kind] for kind in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


def test_the_token_is_made_once_and_nobody_else_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = read_token(path)
    assert len(token) >= 32
    assert read_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_token(tmp_path / "other") != token


PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=40)


@given(host=PRINTABLE, bearer=PRINTABLE, cookie=PRINTABLE, query=PRINTABLE)
def test_whatever_is_sent_is_refused_or_answered(public: Site, host: str, bearer: str, cookie: str, query: str) -> None:
    """Nothing makes the guard stumble, and only the token opens."""
    connection = http.client.HTTPConnection("127.0.0.1", public.port, timeout=30)
    connection.putrequest("GET", f"/api/status?token={quote(query)}", skip_host=True)
    for name, value in (("Host", host), ("Authorization", bearer), ("Cookie", cookie)):
        connection.putheader(name, value.encode("latin-1"))
    connection.endheaders()
    assert connection.getresponse().status in (400, 403)
    connection.close()


def test_two_tokens_are_not_better_than_one(public: Site) -> None:
    """A wrong one in front is the one that counts."""
    assert public.ask("GET", f"/?token=wrong&token={TOKEN}").status == 403
    assert public.ask("GET", f"/?token={TOKEN}", headers=TOLD | {"Authorization": "Bearer wrong"}).status == 403


@pytest.mark.parametrize("left", ["", "\n", "short"])
def test_a_token_that_is_not_whole_is_none(tmp_path: Path, left: str) -> None:
    """A full disk, or a pulled plug, leaves an empty file, whose token everybody would know."""
    path = tmp_path / "token"
    path.write_text(left)
    token = read_token(path)
    assert len(token) >= 32
    assert read_token(path) == token
    assert path.stat().st_mode & 0o777 == 0o600
