"""The emulated processors: what QEMU calls them, and what their `/proc/cpuinfo` says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cpu:
    """An ARM core as Linux describes it; ONNX Runtime reads the features and crashes without them."""

    name: str
    board: str
    features: str
    part: str
    cores: int = 4

    def cpuinfo(self) -> str:
        """The content of `/proc/cpuinfo`."""
        core = (
            f"BogoMIPS\t: 108.00\nFeatures\t: {self.features}\nCPU implementer\t: 0x41\n"
            f"CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: {self.part}\nCPU revision\t: 3\n"
        )
        return "\n".join(f"processor\t: {index}\n{core}" for index in range(self.cores))


CPUS = {
    cpu.name: cpu
    for cpu in (
        Cpu("cortex-a72", "Raspberry Pi 4", "fp asimd evtstrm crc32 cpuid", "0xd08"),
        Cpu(
            "cortex-a76",
            "Raspberry Pi 5",
            "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
            "0xd0b",
        ),
    )
}
