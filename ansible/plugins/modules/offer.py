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

        from tuf.api.metadata import Metadata

        from tbft_artifacts.errors import TbftError
        from tbft_fleet.device.ongoing import DamagedError, read_ongoing
        from tbft_fleet.device.place import Place
        from tbft_fleet.device.repository import repository
        from tbft_fleet.device.stage import holder
        from tbft_fleet.device.states import State
        from tbft_fleet.device.tidying import tidy
        from tbft_fleet.files.release import from_custom
    except ImportError as error:
        module.fail_json(msg=f"{sys.executable} has no tbft-edge[fleet] of this version ({error}): tbft.edge.install")
    place = Place(Path(module.params["state"]))

    def failed() -> int | None:
        """The last release that was tried, if it did not stay and is offered all the same."""
        try:
            last = read_ongoing(place.update)
        except DamagedError:
            return None
        if last is None or last.state not in {State.ROLLED_BACK, State.REFUSED}:
            return None
        name = f"release-{last.number:06}.tar.gz"
        target = Metadata.from_file(str(place.tuf / "targets.json")).signed.targets.get(name)
        offered = target is not None and from_custom(target.custom, name).percent > 0
        return last.number if offered and last.number > place.current() else None

    try:
        with place.taken():
            # A release that the card damaged is one that is lacked.
            tidy(place)
            offer = repository(place, module.params["repository"], module.warn, ahead=True).newest(
                whole=module.params["whole"]
            )
            did_not_stay = failed() if offer is None else None
            lacked = offer is not None and holder(place, offer.release) is None
    except TbftError as error:
        module.fail_json(msg=f"{error.message}; {error.hint}")
    if did_not_stay is not None:
        module.fail_json(
            msg=f"release {did_not_stay} did not stay on this board before; "
            "withdraw it with 'tbft-edge fleet deploy --withdraw', or release a better one"
        )
    module.exit_json(
        changed=False,
        archives=[f"{offer.sha256}.{offer.name}"] if lacked else [],
        delta=lacked and offer.release.parent is not None,
    )


if __name__ == "__main__":
    main()
