"""Pictures from strangers and broken cards: bytes, sizes, EXIF data, pipes, links."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

from PIL import Image

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.mutations import change_file
from support.hostile import EVIL
from support.toys import png_of

PHOTOS = "photos"


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """A folder of good pictures with some that are none, or one such picture by name."""
    kind = rng.choice(sorted(_KINDS))
    photos = folder / PHOTOS
    for index, name in enumerate(("ant", "bee", "cat", "dog")):
        (photos / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (9, 8), (60 * index, 20 * number, 99)).save(photos / name / f"{number}.png")
    place = photos / rng.choice(("ant", "bee", "cat", "dog", "."))
    made = sorted(_KINDS[kind](desk, rng, place))
    what = f"{kind}: {', '.join(path.name for path in made)[:100]}"
    good = 12
    bundle = str(desk.bundle())
    match rng.randrange(5):
        case 0:
            only = made[0].relative_to(folder).as_posix()
            return Case(what, ("predict", bundle, only, "--threads", "1", "--json"))
        case 1 | 2:
            case = Case(what, ("predict", bundle, PHOTOS, "--threads", "1", "--json"))
            is_plain = all(path.suffix in (".png", ".jpg") for path in made)
            # Hidden files are no data.
            seen = [path for path in made if not path.name.startswith(".")]
            return replace(case, pictures=good + len(seen)) if is_plain and kind not in _NO_FILES else case
        case 3:
            return Case(what, ("eval", bundle, "--data", PHOTOS, "--threads", "1", "--json"))
        case _:
            return commands.train(what, desk, bundle, data=PHOTOS)


def _bytes(desk: Desk, rng: Random, place: Path) -> list[Path]:
    sources = [*sorted(desk.jpegs.iterdir()), *sorted(desk.photos.rglob("*.png"))[:1]]
    made = []
    for number in range(5):
        source = rng.choice(sources)
        made.append(place / f"broken{number}{source.suffix}")
        made[-1].write_bytes(change_file(source.read_bytes(), rng).value)
    return made


def _sizes(desk: Desk, rng: Random, place: Path) -> list[Path]:
    """Thin, tall, tiny, or large by the header alone."""
    width, height = rng.choice(((1, 65_535), (65_535, 1), (1, 1), (2, 5000), (9400, 9400), (3, 200), (12_000, 1000)))
    suffix = rng.choice((".png", ".jpg"))
    path = place / f"size{width}x{height}{suffix}"
    Image.new("L", (min(width, 65_500), min(height, 65_500))).save(path)
    return [path]


def _headers(desk: Desk, rng: Random, place: Path) -> list[Path]:
    width, height = rng.choice(((2**31 - 1, 2**31 - 1), (0, 0), (50_000, 50_000), (13_000, 13_000), (2**31 - 1, 1)))
    path = place / "header.png"
    path.write_bytes(png_of(width, height, rng.choice((8, 16, 1, 3)), rng.choice((0, 2, 3, 4, 6, 9)), b"\0" * 100))
    return [path]


def _chunks(desk: Desk, rng: Random, place: Path) -> list[Path]:
    """PNG chunks that unpack to far more than they are."""
    packed = zlib.compress(bytes(rng.choice((10**6, 200 << 20))), 1)
    kind = rng.choice((b"zTXt", b"iCCP", b"iTXt", b"IDAT", b"eXIf", b"fdAT"))
    content = b"name\0\0" + (b"\1\0\0\0" if kind == b"iTXt" else b"") + packed
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    whole = png_of(8, 8, 8, 2, b"\0" * 200)
    path = place / "chunk.png"
    path.write_bytes(whole[:33] + chunk + whole[33:])
    return [path]


def _exif(desk: Desk, rng: Random, place: Path) -> list[Path]:
    """A block with odd tags; an orientation, mostly."""
    entries = [(0x0112, 3, 1, struct.pack("<HH", rng.choice((1, 3, 6, 8, 0, 9, 65_535)), 0))]
    for _ in range(rng.choice((0, 1, 3))):
        kind = rng.choice((0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 99))
        count = rng.choice((0, 1, 2, 4, 2**31, 2**32 - 1))
        entries.append(
            (rng.choice((0x010E, 0x8769, 0x8825, 0x0111, 0x0117, 0x927C, 0xFFFF)), kind, count, rng.randbytes(4))
        )
    entries *= rng.choice((1, 1, 300))
    body = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    following = struct.pack("<I", rng.choice((0, 8, 2**32 - 1)))
    block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + body + following + rng.randbytes(40)
    written = io.BytesIO()
    Image.new("RGB", (12, 8), (200, 10, 10)).save(written, "JPEG", exif=block[:60_000])
    path = place / "exif.jpg"
    path.write_bytes(written.getvalue())
    return [path]


def _other_formats(desk: Desk, rng: Random, place: Path) -> list[Path]:
    """Something else than the name says."""
    name = rng.choice(("GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "PCX", "JPEG", "PNG"))
    path = place / f"other{rng.choice(('.png', '.jpg', '.JPEG'))}"
    Image.new("RGB", (8, 8)).save(path, name)
    return [path]


def _modes(desk: Desk, rng: Random, place: Path) -> list[Path]:
    mode = rng.choice(("1", "L", "LA", "P", "RGBA", "I;16"))
    path = place / f"mode-{mode.replace(';', '')}.png"
    Image.new(mode, (8, 8)).save(path)
    return [path]


def _no_files(desk: Desk, rng: Random, place: Path) -> list[Path]:
    path = place / "none.png"
    kind = rng.choice(("pipe", "zero", "random", "circle", "nothing", "folder", "empty", "text", "script", "forbidden"))
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "empty" | "forbidden":
            path.touch(0o000 if kind == "forbidden" else 0o644)
        case "text":
            path.write_text("<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/hostname'/></svg>")
        case "script":
            path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(/etc/hostname) (r) file\n")
        case _:
            targets = {"zero": "/dev/zero", "random": "/dev/urandom", "circle": path.name, "nothing": "not-there"}
            path.symlink_to(targets[kind])
    return [path]


def _names(desk: Desk, rng: Random, place: Path) -> list[Path]:
    raw = rng.choice(
        (b"caf\xe9", EVIL.encode()[:200], b"\xff\xfe", b"-rf", b"a\nb\tc", b" ", b"..x", "é".encode(), b"\x1b[2J")
    )
    path = place / (os.fsdecode(raw) + rng.choice((".png", ".jpg")))
    if rng.random() < 0.5:
        path.write_bytes(b"no picture")
    else:
        Image.new("RGB", (8, 8)).save(path, "PNG")
    return [path]


def _folders(desk: Desk, rng: Random, place: Path) -> list[Path]:
    """Folders of the system, and those that nobody names so."""
    raw = rng.choice(
        (b"lost+found", b"System Volume Information", b"@eaDir", b".hidden", b"eel", b"caf\xe9", b"unlabelled", b"a\nb")
    )
    folder = place.parent / os.fsdecode(raw)
    folder.mkdir(exist_ok=True)
    path = folder / "within.png"
    Image.new("RGB", (8, 8)).save(path)
    return [path]


_NO_FILES = ("no-files", "folders", "other-formats")
_KINDS: Mapping[str, Callable[[Desk, Random, Path], list[Path]]] = {
    "bytes": _bytes,
    "sizes": _sizes,
    "headers": _headers,
    "chunks": _chunks,
    "exif": _exif,
    "other-formats": _other_formats,
    "modes": _modes,
    "no-files": _no_files,
    "names": _names,
    "folders": _folders,
}
