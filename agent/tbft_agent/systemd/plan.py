"""What installing or removing the agent's service does."""

from __future__ import annotations

from pathlib import Path

from tbft_agent.settings import Configured
from tbft_agent.systemd.unit import NAME, Machine, unit_text
from tbft_runtime.systemd.places import STATE
from tbft_runtime.systemd.steps import UNITS, USER, Plan, given_to_user, installation, removal, user_and_folder


def to_install(configured: Configured, machine: Machine, units: Path = UNITS) -> Plan:
    """Raises TbftError for what no unit can name."""
    state = machine.places.state
    given = [] if machine.given is None else [given_to_user(machine.given)]
    return installation(
        NAME,
        units,
        before=[*user_and_folder(state, made=state == STATE), *given],
        texts={NAME: unit_text(configured, machine)},
        # Also where an older unit runs already.
        begin=[("systemctl", "enable", NAME), ("systemctl", "restart", NAME)],
        stays=f"what the agent keeps is in '{state}', for its user alone; '{configured.file}' stays as it is",
    )


def to_uninstall(state: Path | None, units: Path = UNITS) -> Plan:
    """Raises TbftError if it is not installed."""
    where = "what the agent keeps" if state is None else f"'{state}' with models and images"
    return removal(NAME, units, "no agent is installed", f"{where} stays, and so does the user {USER}")
