"""The agent's figures say which bundle they are of, and in a fleet which device and release, so that many can be put
side by side.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import msgspec

from support.agents import configured, old_pictures, show, started
from support.bundles import KEPT, compiled, read_manifest
from support.fleet_devices import joined, release_of
from support.prometheus import samples
from tbft_agent.round import Round


def test_in_a_fleet_every_figure_is_marked_also_in_the_file(tmp_path: Path) -> None:
    place = joined(tmp_path / "device")
    shutil.copytree(compiled(KEPT), place.bundle(12))
    (place.releases.place(12) / "release.json").write_bytes(msgspec.json.encode(release_of(KEPT, 12)))
    place.releases.point(12)
    place.mend_link()
    file = tmp_path / "agent.prom"
    agent = started(replace(configured(tmp_path, place.link), metrics=file))
    show(agent, old_pictures(4))
    Round(agent).once()
    agent.close()
    expected = {"device": "pi-7", "release": "12", "bundle": read_manifest(place.bundle(12)).bundle_id}
    found = samples(file)
    assert len(found) > 10
    for name, (labels, _) in found.items():
        assert {key: labels[key] for key in labels if key != "state"} == expected, name
    assert found["tbft_edge_agent_images_total"][1] == 4


def test_elsewhere_it_is_the_bundle_alone(tmp_path: Path) -> None:
    agent = started(configured(tmp_path, compiled(KEPT)))
    assert agent.core.marks == {"bundle": read_manifest(compiled(KEPT)).bundle_id}
    agent.close()
