"""An archive from a stranger takes neither memory nor disk nor time beyond the bundle that it says it is."""

from __future__ import annotations

import gzip
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.bundles import made_up_bundle
from support.commands import refused, run
from support.files import listing
from support.tars import END, MILLION, file, filled, header, members, pack, pack_repeated, pax
from tbft_artifacts.archive import opened, unpack
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import MANIFEST

# Less than any of the attacks on memory asks for.
MEMORY = 1 << 30
Attack = Callable[[Path, list[bytes]], Path]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The members of a good archive, the manifest first."""
    folder = tmp_path_factory.mktemp("attacks") / "source"
    folder.mkdir()
    made_up_bundle(folder)
    found = members(folder)
    assert found[0].startswith(MANIFEST.encode())
    return found


def behind(*more: bytes) -> Attack:
    """A good bundle, and something more in its archive."""
    return lambda path, parts: pack(path, *parts, *more, END)


def ahead(*more: bytes) -> Attack:
    """Something in front of a good bundle."""
    return lambda path, parts: pack(path, *more, *parts, END)


def instead(name: str, member: bytes) -> Attack:
    """Another member in the place of one that the manifest lists."""

    def attack(path: Path, parts: list[bytes]) -> Path:
        kept = [part for part in parts if not part.startswith(name.encode())]
        assert len(kept) < len(parts)
        return pack(path, *kept, member, END)

    return attack


def endless(before: bytes, piece: bytes = MILLION, times: int = 3000) -> Attack:
    """The manifest, `before`, and thousands of millions of bytes."""
    return lambda path, parts: pack_repeated(path, parts[0] + before, piece, times)


def spoilt(member: bytes, place: int, by: bytes) -> bytes:
    """A header with something else in one place, its checksum as it was."""
    return member[:place] + by + member[place + len(by) :]


ON_MEMORY: dict[str, tuple[Attack, str]] = {
    "2 GB that nobody listed": (endless(header("zeros", 2 << 30)), "too much"),
    "2 GB in place of a listed file": (endless(header("predict.onnx", 2 << 30)), "bytes, and its manifest says"),
    "2 GB before the manifest": (lambda path, _: pack_repeated(path, header("z", 2 << 30), MILLION, 3000), "too much"),
    "a manifest of 3 GB": (lambda path, _: pack_repeated(path, header(MANIFEST, 3 << 30), MILLION, 3000), "more than"),
    "pax header of 3 GB": (endless(header("x", 3 << 30, b"x")), "headers of more than"),
    "global pax header of 3 GB": (endless(header("g", 3 << 30, b"g")), "headers of more than"),
    "long name of 3 GB": (endless(header("L", 3 << 30, b"L")), "headers of more than"),
    "long link of 3 GB": (endless(header("K", 3 << 30, b"K")), "headers of more than"),
    "millions of empty files": (endless(b"", header("empty") * 2048, 1000), "more than 10,000"),
    "millions of folders": (endless(b"", header("f", 0, b"5") * 2048, 1000), "more than 10,000"),
    "millions of files": (endless(b"", file("extra", b"x") * 1024, 1000), "more than 10,000"),
    "millions of pax headers in a row": (endless(b"", pax({"comment": "x"}) * 1024, 1000), "more than 10,000"),
    "thousands of long pax headers": (endless(b"", pax({"comment": "x" * 60_000}) * 20, 1000), "headers of more than"),
    "3 GB of zeros behind the end": (endless(END), "something follows its end"),
}

SMALL: dict[str, tuple[Attack, str]] = {
    "sparse file of old GNU": (instead("predict.onnx", header("predict.onnx", 512, b"S") + bytes(512)), "sparse"),
    "sparse file of pax 1.0": (
        instead("predict.onnx", pax({"GNU.sparse.major": "1", "GNU.sparse.realsize": str(1 << 40)})),
        "sparse",
    ),
    "sparse file of pax 0.1": (instead("predict.onnx", pax({"GNU.sparse.map": "0,1"})), "sparse"),
    "sparse file of pax 0.0": (instead("predict.onnx", pax({"GNU.sparse.size": str(1 << 40)})), "sparse"),
    "the same file twice": (behind(file("predict.onnx", b"content of predict.onnx")), "twice"),
    "the same file by another spelling": (behind(file("./predict.onnx", b"content of predict.onnx")), "twice"),
    "another manifest": (behind(file(f".//{MANIFEST}", b"{}")), "twice"),
    "another bundle": (lambda path, _: pack(path, *two_bundles(path), END), "several bundles"),
    "traversal": (behind(file("../victim", b"")), "leads out"),
    "deep traversal": (behind(file("plans/../../victim", b"")), "leads out"),
    "traversal by pax": (behind(pax({"path": "../victim"}), file("a", b"")), "leads out"),
    "traversal by a long name": (
        lambda path, parts: pack(path, *parts, long_name("../victim"), file("a", b"")),
        "leads out",
    ),
    "traversal of Windows": (behind(file("..\\victim", b"")), "leads out"),
    "absolute name": (behind(file("/victim", b"")), "leads out"),
    "absolute name ahead": (ahead(file("/victim", b"")), "leads out"),
    "symbolic link": (behind(header("l", 0, b"2", "../victim")), "no plain file"),
    "hard link": (behind(header("l", 0, b"1", MANIFEST)), "no plain file"),
    "character device": (behind(header("d", 0, b"3")), "no plain file"),
    "block device": (behind(header("d", 0, b"4")), "no plain file"),
    "pipe": (ahead(header("p", 0, b"6")), "no plain file"),
    "what nobody knows": (behind(header("p", 0, b"Z")), "no plain file"),
    "longer than listed": (instead("predict.onnx", file("predict.onnx", b"x" * 999)), "its manifest says"),
    "shorter than listed": (instead("predict.onnx", file("predict.onnx", b"x")), "its manifest says"),
    "longer by pax": (
        instead("predict.onnx", pax({"size": "999"}) + file("predict.onnx", b"x" * 999)),
        "manifest says",
    ),
    "size of a word": (behind(pax({"size": "many"}), file("a", b"")), "number that is none"),
    "size of thirty digits": (behind(pax({"size": "9" * 30}), file("a", b"")), "number that is none"),
    "negative size": (behind(spoilt(header("a"), 124, b"\xff" * 12)), "header of it changed"),
    "size of 2**80": (behind(header("a", 1 << 80)), "too much"),
    "pax record of no length": (behind(header("x", 4, b"x"), filled(b"0 =\n")), "no list"),
    "pax record longer than its header": (behind(header("x", 9, b"x"), filled(b"99 a=bcd\n")), "no list"),
    "pax for all files": (ahead(pax({"path": "a"}, b"g")), "all its files"),
    "a damaged header": (behind(spoilt(header("a"), 0, b"b")), "header of it changed"),
    "a file less": (lambda path, parts: pack(path, *parts[:-1], END), "lacks 'weights.safetensors'"),
    "cut between its files": (lambda path, parts: pack(path, *parts[:2]), "lacks"),
    "cut in a file": (lambda path, parts: pack(path, b"".join(parts)[:-700]), "ends too early"),
    "cut in a header": (lambda path, parts: pack(path, *parts[:-1], parts[-1][:300]), "ends too early"),
    "something behind the end": (behind(END, b"garbage"), "something follows its end"),
    "a tar behind the end": (behind(END, file("predict.onnx", b"x")), "something follows its end"),
    "something behind what is packed": (lambda path, parts: longer(pack(path, *parts, END), b"x"), "follows its end"),
    "two packed parts": (lambda path, parts: longer(pack(path, *parts, END), gzip.compress(END)), "follows its end"),
    "not packed": (lambda path, parts: written(path, b"".join(parts)), "not packed by gzip"),
    "packed text": (lambda path, _: pack(path, b"no tar" * 999), "holds no tar"),
    "nothing": (lambda path, _: written(path, b""), "is empty"),
    "packed nothing": (lambda path, _: pack(path, b""), "holds no manifest.json"),
}


def long_name(name: str) -> bytes:
    return header("././@LongLink", len(name) + 1, b"L") + filled(name.encode() + b"\0")


def two_bundles(path: Path) -> list[bytes]:
    folder = path.parent / "another"
    folder.mkdir()
    made_up_bundle(folder)
    return [*members(folder, "a/"), *members(folder, "b/")]


def longer(archive: Path, more: bytes) -> Path:
    return written(archive, archive.read_bytes() + more)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("attack", [*SMALL, *ON_MEMORY])
def test_an_attack_is_refused_before_it_takes_anything(tmp_path: Path, parts: list[bytes], attack: str) -> None:
    """One line that names the archive; nothing is left of it, and what lies beside stays as it was."""
    make, words = (SMALL | ON_MEMORY)[attack]
    archive = make(tmp_path / "b.tar.gz", parts)
    before = listing(tmp_path)
    with pytest.raises(TbftError) as caught:
        unpack(archive, tmp_path / "bundle")
    assert f"'{archive}'" in caught.value.message
    assert words in caught.value.message
    assert listing(tmp_path) == before


@pytest.mark.parametrize("attack", ON_MEMORY)
def test_an_attack_on_memory_finds_none(tmp_path: Path, parts: list[bytes], attack: str) -> None:
    """Nor does the command write to TMPDIR: in a process that may take but a part of what the archive asks for."""
    make, words = ON_MEMORY[attack]
    archive = make(tmp_path / "b.tar.gz", parts)
    (tmp_path / "tmp").mkdir()
    ended = run(
        Path(sys.executable).parent,
        "inspect",
        archive,
        variables={"TMPDIR": str(tmp_path / "tmp"), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        before=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert words in refused(ended).message
    assert listing(tmp_path / "tmp") == {}


def test_a_bundle_larger_than_the_disk_is_refused(
    tmp_path: Path, parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest says how much it takes: nothing is written where that is more than what is free."""
    archive = pack(tmp_path / "b.tar.gz", *parts, END)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr("os.statvfs", lambda _: type("Disk", (), {"f_bavail": 1, "f_frsize": 100, "f_blocks": 9}))
    with pytest.raises(TbftError, match=r"no space left in .* 0\.0 MB are free") as caught, opened(archive):
        pass
    assert "TMPDIR" in caught.value.hint
    with pytest.raises(TbftError, match="no space left"):
        unpack(archive, tmp_path / "bundle")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["b.tar.gz", "tmp"]
