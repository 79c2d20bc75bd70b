"""The agent as a service of a container engine: as closed as systemd's, and with all that it needs in the image."""

from __future__ import annotations

import re
import tomllib

from support.commands import ROOT

COMPOSE = (ROOT / "compose.yaml").read_text()
IMAGE = (ROOT / "Dockerfile.arm64").read_text()


def service(name: str) -> str:
    """Lines of a service of compose.yaml."""
    found = re.search(rf"^  {name}:\n((?:    .*\n)+)", COMPOSE, re.MULTILINE)
    assert found is not None
    return found[1]


def test_it_has_no_rights_that_it_does_not_need() -> None:
    """And is reached from the board alone; the network would hear it without encryption."""
    lines = service("agent").splitlines()
    for line in ("read_only: true", 'cap_drop: ["ALL"]', 'security_opt: ["no-new-privileges:true"]', "mem_limit: 1g"):
        assert f"    {line}" in lines
    assert re.findall(r'ports:\n      - "(.*)"\n', service("agent")) == ["127.0.0.1:8642:8642"]
    assert re.findall(r"- (\S+):ro", service("agent")) == ["./agent.toml:/config/agent.toml", "./bundle:/bundle"]


def test_it_is_stopped_and_started_as_services_are_and_only_when_asked_for() -> None:
    """Whoever trains once with `docker compose up` does not start it."""
    for words in ("init: true", "restart: unless-stopped", 'profiles: ["agent"]', "/tmp:size="):
        assert words in service("agent")
        assert (words in service("tbft-edge")) == (not words.startswith("profiles"))


def test_the_image_is_built_of_every_package_of_the_wheel() -> None:
    """A folder that nobody copies, or that the builder never sees, is missing on the board only."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
        "packages"
    ]
    seen = (ROOT / ".dockerignore").read_text().splitlines()
    assert len(packages) > 4
    for folder in {package.partition("/")[0] for package in packages}:
        assert f"COPY {folder} {folder}\n" in IMAGE
        assert f"!{folder}" in seen
    assert "'.[agent,fleet]'" in IMAGE
