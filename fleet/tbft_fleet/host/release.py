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
from tbft_fleet.host.members import members_of
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

    Raises TbftError, which names the devices that failed, where it stops; also for a release that is not there or was
    withdrawn before, and as `release`.
    """
    with fleet.held():
        found = need_release(fleet, number)
        if found.percent == 0:
            raise TbftError(
                f"release {found.number} was withdrawn",
                "release a better one, or go back with 'tbft-edge fleet rollback'",
            )
        decision = decide(fleet.settings, found, members_of(fleet.devices, found.number), now())
        if decision.percent != found.percent:
            fleet.repository.set_percent(found.number, decision.percent)
    if decision.verdict == "stop":
        raise _withdrawn(found, decision.failed)
    return decision


def roll_back(fleet: Fleet, number: int, groups: Sequence[Group] = ()) -> Release:
    """Publish the bundle of release `number` again, under a new number, for all devices of `groups` at once.

    Without `groups` it is for those of the newest release, which is to be undone. Nothing is taken back: TUF's
    protection from old metadata stays, and who still has the bundle need not fetch it.

    Raises TbftError where there is no such release, for the newest one, and as `release`.
    """
    with fleet.held():
        old, newest = need_release(fleet, number), need_release(fleet)
        if old.number == newest.number:
            raise TbftError(f"release {number} is the newest one", "give the number of one before it")
        wanted = tuple(dict.fromkeys(groups)) or newest.groups
        gates = fleet.settings.gates_of(wanted)
        made = replace(old, number=_next_number(fleet), percent=100, groups=wanted, gates=gates)
        fleet.repository.publish({made: fleet.repository.archive(old)})
    return made


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
    named = "; ".join(f"{member.name}: {member.outcome}, {member.why or 'no reason'}" for member in failed[:_NAMED])
    more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return TbftError(
        f"release {release.number} is withdrawn at {release.percent} %: {len(failed)} devices failed ({named}{more})",
        "release a better one; 'tbft-edge fleet rollback' takes those that kept it back to an earlier one",
    )


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
