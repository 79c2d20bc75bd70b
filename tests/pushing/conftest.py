"""Three boards of a fleet that Ansible reaches, made once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.boards import ANSIBLE, boards
from support.fleet_devices import own_images
from support.pushing import GATES, Bed


@pytest.fixture(scope="session")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    if not (ANSIBLE / "ansible-playbook").exists():
        pytest.skip("nothing was pushed by Ansible: it is not installed (make .venv/ansible/.installed)")
    folder = tmp_path_factory.mktemp("ansible")
    with boards(folder) as found:
        images = {name: own_images(folder / f"images-{name}") for name in found.names}
        made = Bed(found, folder / "fleet", found.inventory(images))
        made.host("init", made.fleet, "--group", "porch")
        settings = made.fleet / "fleet.toml"
        settings.write_text(settings.read_text() + GATES)
        yield made
