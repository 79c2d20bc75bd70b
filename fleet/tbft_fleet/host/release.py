"""What is released, and to whom first: signed here, and by nobody in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from tbft_artifacts.archive import SUFFIX, is_archive, opened
from tbft_artifacts.atomic import is_full_disk
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.pack import pack
from tbft_artifacts.signing.bundles import SIGNATURE
from tbft_artifacts.temporary_folder import temporary_folder
from tbft_fleet.files.names import Group
from tbft_fleet.files.release import HIGHEST, Release
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.members import members_and_damaged, members_of
from tbft_fleet.host.merges import brought, merge_in
from tbft_fleet.host.metadata import now
from tbft_fleet.host.waves import Decision, Member, decide, first_percent

_NAMED = 5


@dataclass(frozen=True)
class Wanted:
    """What somebody wants released: a bundle, for `groups` (none: all), and the plan that devices train of it.

    `expect_id` is the bundle's id, all 64 digits; None: whichever it has.
    """

    bundle: Path
    groups: Sequence[Group] = ()
    plan: str | None = None
    expect_id: str | None = None


@dataclass(frozen=True)
class Released:
    """A release, and the one of the bundle that it was derived from, over which devices can lay a delta.

    `is_signed`: a signature lies in the bundle, too, which devices want that have a trust file.
    """

    release: Release
    parent: Release | None
    is_signed: bool


def release(fleet: Fleet, wanted: Wanted) -> Released:
    """Publish a bundle for the first wave of its groups, once all of it was verified.

    Of one that was derived from a bundle which was released, devices that have this are given a delta.

    Raises TbftError for what is no whole bundle or another one than expected, a plan or a group that is not there,
    groups with other gates than each other, a key that is not here, and a full disk.
    """
    groups = tuple(dict.fromkeys(wanted.groups)) or tuple(fleet.settings.groups)
    gates = fleet.settings.gates_of(groups)
    with opened(wanted.bundle, wanted.expect_id) as bundle, temporary_folder() as folder:
        manifest = bundle.manifest
        if wanted.plan is not None:
            bundle.plan(wanted.plan)
        parent = _parent(fleet, manifest)
        delta = None if parent is None else _delta(fleet.repository.archive(parent), bundle.folder, folder)
        merge, is_signed = merge_in(fleet, bundle), (bundle.folder / SIGNATURE).is_file()
        whole = wanted.bundle if is_archive(wanted.bundle) else _packed(wanted.bundle, folder)
        with fleet.held():
            number = _next_number(fleet)
            made = Release(
                number=number,
                bundle_id=manifest.bundle_id,
                groups=groups,
                percent=first_percent(fleet.settings, number, groups, members_of(fleet.devices, number), now()),
                minimum_runtime=manifest.minimum_runtime,
                plan=wanted.plan,
                gates=gates,
            )
            over = {} if delta is None else {replace(made, parent=manifest.parent): delta}
            fleet.repository.publish({made: whole} | over)
            if merge is not None:
                brought(fleet, merge, number)
    return Released(made, None if delta is None else parent, is_signed)


def deploy(fleet: Fleet, number: int | None = None) -> Decision:
    """Open the next wave of a release, of the newest one by default, if what devices told of this wave allows it.

    A release that too many devices failed is withdrawn: who did not take it yet will not.

    Raises TbftError, which names the devices that failed, where it stops, or where devices failed to which its waves
    have not come; also for a release that is not there or was withdrawn before, and as `release`.
    """
    with fleet.held():
        found = _need_open(fleet, number)
        members, damaged = members_and_damaged(fleet.devices, found.number)
        decision = decide(fleet.settings, found, _asked(fleet, found, members), now(), damaged)
        if decision.percent != found.percent:
            fleet.repository.set_percent(found.number, decision.percent)
    if decision.verdict == "stop":
        raise _withdrawn(found, decision.failed)
    if decision.verdict == "hold":
        raise _held(found, decision)
    return decision


def deploy_all(fleet: Fleet) -> tuple[tuple[Decision, ...], tuple[TbftError, ...]]:
    """Do so for the newest release of each group: what was decided, and of each that stopped, why.

    Raises TbftError where nothing was released.
    """
    decisions, stopped = list[Decision](), list[TbftError]()
    for number in sorted({*_newest_of_groups(fleet).values()} or {need_release(fleet).number}):
        try:
            decisions.append(deploy(fleet, number))
        except TbftError as error:
            stopped.append(error)
    return tuple(decisions), tuple(stopped)


def withdraw(fleet: Fleet, number: int | None = None) -> Release:
    """Let nobody take a release any more who did not yet, whatever devices told. Raises TbftError as `deploy`."""
    with fleet.held():
        found = _need_open(fleet, number)
        fleet.repository.set_percent(found.number, 0)
    return found


def roll_back(fleet: Fleet, number: int, groups: Sequence[Group] = ()) -> Release:
    """Publish the bundle of release `number` again, under a new number, for all devices of `groups` at once.

    Without `groups` it is for those of its groups that got another one since, which is to be undone. Nothing is taken
    back: TUF's protection from old metadata stays, and who still has the bundle need not fetch it.

    Raises TbftError where there is no such release, or no later one for its groups, or several; for a group that it was
    not for, in which it would come to all without having been in any wave; and as `release`.
    """
    with fleet.held():
        old = need_release(fleet, number)
        wanted = _to_go_back(fleet, old, groups)
        gates = fleet.settings.gates_of(wanted)
        made = replace(old, number=_next_number(fleet), percent=100, groups=wanted, gates=gates)
        fleet.repository.publish({made: fleet.repository.archive(old)})
    return made


def _to_go_back(fleet: Fleet, old: Release, groups: Sequence[Group]) -> tuple[Group, ...]:
    for group in groups:
        if group not in old.groups:
            raise TbftError(
                f"release {old.number} was for {', '.join(old.groups)}, and not for {group}",
                "what a group never had goes there in waves: 'tbft-edge fleet release'",
            )
    if groups:
        return tuple(dict.fromkeys(groups))
    newest = _newest_of_groups(fleet)
    since = {group: newest[group] for group in old.groups if newest[group] > old.number}
    if not since:
        raise TbftError(
            f"release {old.number} is the newest one of {', '.join(old.groups)}", "give the number of one before it"
        )
    if len({*since.values()}) > 1:
        shown = ", ".join(f"{later} for {group}" for group, later in since.items())
        raise TbftError(f"several releases came after {old.number}: {shown}", "say which are undone: `group`")
    return tuple(since)


def _newest_of_groups(fleet: Fleet) -> dict[Group, int]:
    """The number of the last release of each group that has one, withdrawn or not."""
    return {group: each.number for each in fleet.releases() for group in each.groups}


def _asked(fleet: Fleet, release: Release, members: Sequence[Member]) -> list[Member]:
    """Those whose newest release it is, and those of its other groups that told of it: they may never take it."""
    newest = _newest_of_groups(fleet)
    groups = {group for group in release.groups if newest[group] == release.number} or {*release.groups}
    return [member for member in members if member.group in groups or member.outcome is not None]


def _need_open(fleet: Fleet, number: int | None) -> Release:
    found = need_release(fleet, number)
    if found.percent == 0:
        raise TbftError(
            f"release {found.number} was withdrawn", "release a better one, or go back with 'tbft-edge fleet rollback'"
        )
    return found


def need_release(fleet: Fleet, number: int | None = None) -> Release:
    """That of this number, or the newest one. Raises TbftError where there is none."""
    known = {each.number: each for each in fleet.releases()}
    if not known:
        raise TbftError(f"nothing was released in '{fleet.folder}' yet", "do so with 'tbft-edge fleet release'")
    wanted = max(known) if number is None else number
    if wanted not in known:
        raise TbftError(f"there is no release {wanted} in this fleet", f"it has {min(known)} to {max(known)}")
    return known[wanted]


def _withdrawn(release: Release, failed: Sequence[Member]) -> TbftError:
    return TbftError(
        f"release {release.number} is withdrawn at {release.percent} %: {_named(failed)}",
        "release a better one; 'tbft-edge fleet rollback' takes those that kept it back to an earlier one",
    )


def _held(release: Release, decision: Decision) -> TbftError:
    return TbftError(
        f"release {release.number} is held at {release.percent} %: {_named((*decision.failed, *decision.ahead))}, "
        f"and its waves have not come to {', '.join(member.name for member in decision.ahead[:_NAMED])}",
        "if you gave it ahead of its wave: `withdraw`. If not, nobody gave it: look at that device, and revoke it",
    )


def _named(failed: Sequence[Member]) -> str:
    named = "; ".join(f"{member.name}: {member.outcome}, {member.why or 'no reason'}" for member in failed[:_NAMED])
    more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return f"{len(failed)} {'device' if len(failed) == 1 else 'devices'} failed ({named}{more})"


def _parent(fleet: Fleet, manifest: Manifest) -> Release | None:
    """The newest release of the bundle that another one was derived from."""
    return next((each for each in reversed(fleet.releases()) if each.bundle_id == manifest.parent), None)


def _delta(parent: Path, child: Path, folder: Path) -> Path | None:
    """What has to be laid over `parent` for `child`; None of one that has to be carried whole."""
    from tbft_fleet.merging.delta import packed  # It computes, and needs what devices do.

    try:
        packed(parent, child, folder / f"delta{SUFFIX}")
    except TbftError as error:
        if is_full_disk(error):
            raise
        return None
    return folder / f"delta{SUFFIX}"


def _packed(bundle: Path, folder: Path) -> Path:
    pack(bundle, folder / f"whole{SUFFIX}")
    return folder / f"whole{SUFFIX}"


def _next_number(fleet: Fleet) -> int:
    """One more than the last. Raises TbftError behind the highest that there is, to which nobody counts."""
    last = max((each.number for each in fleet.releases()), default=0)
    if last == HIGHEST:
        raise TbftError(
            f"release {last} has the highest number that there is",
            "if it is not yours, restore the repository from a copy, and then rotate the keys targets and online",
        )
    return last + 1
