#!/usr/bin/python
"""What a board would fetch of a repository whose metadata lie on it: only the board knows what it has."""

from __future__ import annotations

import sys

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: offer
short_description: Name the archive that a board lacks of its fleet's newest release
description:
  - Verifies the metadata of a fleet's repository on the board, as C(tbft-edge fleet pull) does, and says which archive
    that command would fetch then.
  - Fails where the newest release is one that went back on this board before, so that nobody takes it for a success.
  - Runs with the Python that tbft-edge[fleet] is installed in.
options:
  state:
    description: The board's own folder.
    type: path
    required: true
  repository:
    description: Folder on the board with the metadata.
    type: path
    required: true
  whole:
    description: Whether a delta will not do.
    type: bool
    default: false
author: tbft-edge developers (@tbft-edge)
"""

EXAMPLES = r"""
- name: Ask the board what it lacks
  tbft.edge.offer:
    state: /var/lib/tbft-edge/fleet
    repository: /var/lib/tbft-edge/carried
  vars:
    ansible_python_interpreter: /opt/tbft-edge/venv/bin/python
"""

RETURN = r"""
archives:
  description: Names of files below C(targets/) of the repository, none where the board needs nothing.
  type: list
  elements: str
  returned: success
delta:
  description: Whether it is laid over a bundle that lies on the board.
  type: bool
  returned: success
"""


def main() -> None:
    """Answer Ansible."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "path", "required": True},
            "repository": {"type": "path", "required": True},
            "whole": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        from pathlib import Path

        from tbft_artifacts.errors import TbftError
        from tbft_fleet.device.carrier import carrier_of
        from tbft_fleet.device.client import Client, newest
        from tbft_fleet.device.place import Place
        from tbft_fleet.device.repository import repository
        from tbft_fleet.device.stage import holder
        from tbft_fleet.device.tidying import tidy
    except ImportError as error:
        module.fail_json(msg=f"{sys.executable} has no tbft-edge[fleet] of this version ({error}): tbft.edge.install")
    place, carried = Place(Path(module.params["state"])), module.params["repository"]

    def tried() -> int | None:
        """The newest release that did not stay here, and is offered all the same; None where there is none such."""
        client = Client(
            *(place.id, place.group, place.current(), frozenset(), frozenset(), place.root, place.tuf, place.clock),
            ahead=True,
        )
        offer = newest(client, carrier_of(carried), module.debug)
        return None if offer is None else offer.release.number

    try:
        with place.taken():
            # A release that the card damaged is one that is lacked.
            tidy(place)
            offer = repository(place, carried, module.warn, ahead=True).newest(whole=module.params["whole"])
            failed = tried() if offer is None else None
            lacked = offer is not None and holder(place, offer.release.bundle_id) is None
    except TbftError as error:
        module.fail_json(msg=f"{error.message}; {error.hint}")
    if failed is not None:
        module.fail_json(
            msg=f"release {failed} did not stay on this board before; "
            "withdraw it with 'tbft-edge fleet deploy', or release a better one"
        )
    module.exit_json(
        changed=False,
        archives=[f"{offer.sha256}.{offer.name}"] if lacked else [],
        delta=lacked and offer.release.parent is not None,
    )


if __name__ == "__main__":
    main()
