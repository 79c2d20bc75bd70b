"""How releases and rounds got on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from tbft_fleet.files.release import Release
from tbft_fleet.files.round import Round
from tbft_fleet.files.waves import is_open
from tbft_fleet.host.device import Device
from tbft_fleet.host.status import BINS, Accuracy, ReleaseStatus, RoundStatus

_WORST = 5


def target(releases: Sequence[Release], device: Device) -> int:
    """The newest release that is for a device by now; 0 where there is none. `releases` are in order."""
    for release in reversed(releases):
        if device.group in release.groups and is_open(release, device.name):
            return release.number
    return 0


def newest(releases: Sequence[Release], device: Device) -> int:
    """The newest release of its group, whether its wave has come to the device or not; one withdrawn is none."""
    return max((each.number for each in releases if device.group in each.groups and each.percent), default=0)


@dataclass
class Progress:
    """Adds up how devices did with a release, one after the other."""

    release: Release
    devices: int = 0
    reached: int = 0
    took: int = 0
    failed: int = 0
    accuracies: list[Accuracy] = field(default_factory=list)

    def add(self, device: Device) -> None:
        if device.group not in self.release.groups or device.revoked_at is not None:
            return
        number = self.release.number
        self.devices += 1
        self.reached += is_open(self.release, device.name)
        seen = next((each for each in device.releases if each.release == number), None)
        if seen is None:
            return
        runs = device.last is not None and device.last.release == number
        self.took += runs or seen.outcome == "committed"
        self.failed += not runs and seen.outcome in ("rolled back", "refused")
        if seen.accuracy is not None:
            self.accuracies.append(Accuracy(device=device.name, accuracy=seen.accuracy))

    def status(self) -> ReleaseStatus:
        counts = [0] * BINS
        for each in self.accuracies:
            counts[min(int(each.accuracy * BINS), BINS - 1)] += 1
        return ReleaseStatus(
            number=self.release.number,
            bundle_id=self.release.bundle_id,
            groups=self.release.groups,
            percent=self.release.percent,
            plan=self.release.plan,
            devices=self.devices,
            reached=self.reached,
            took=self.took,
            failed=self.failed,
            accuracies=tuple(counts),
            mean=_mean([each.accuracy for each in self.accuracies]),
            worst=tuple(sorted(self.accuracies, key=lambda each: (each.accuracy, each.device))[:_WORST]),
        )


def round_status(found: Round, accuracies: Mapping[tuple[str, int], float]) -> RoundStatus:
    """`accuracies` are those of devices with releases, by name and number."""
    devices = tuple(part.device for part in found.parts)
    after = [accuracies.get((device, found.into or 0)) for device in devices]
    return RoundStatus(
        number=found.number,
        release=found.release,
        into=found.into,
        plan=found.plan,
        rule=found.rule,
        made_at=found.made_at,
        devices=devices,
        late={part.device: part.age for part in found.parts if part.age},
        missing=tuple(sorted({*found.asked} - {*devices})),
        images=sum(part.images for part in found.parts),
        bytes=found.bytes,
        model_bytes=found.model_bytes,
        alone=_mean([part.accuracy for part in found.parts if part.accuracy is not None]),
        merged=_mean([accuracy for accuracy in after if accuracy is not None]),
    )


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
