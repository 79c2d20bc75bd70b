"""Keys lie in files that nobody else reads, in the form that other programs know, and are never lost by accident."""

from __future__ import annotations

import errno
import multiprocessing
import os
import stat
import subprocess
from pathlib import Path

import pytest

from tbft_artifacts.errors import TbftError
from tbft_artifacts.rights import PRIVATE_FILE
from tbft_artifacts.signing import keys
from tbft_artifacts.signing.keys import new_key, private_key, public_keys, public_pem

OTHER_KEYS = {
    "no key": b"hello\n",
    "nothing": b"",
    "cut": b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2Vw\n",
    "not base64": b"-----BEGIN PUBLIC KEY-----\n\xff\xfe\n-----END PUBLIC KEY-----\n",
    "P-256": b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
""",
}


def test_a_key_is_private_and_read_back(tmp_path: Path) -> None:
    """What signs today signs with the same key tomorrow, and nobody else can read it."""
    made = new_key(tmp_path / "release.pem")
    assert stat.S_IMODE((tmp_path / "release.pem").stat().st_mode) == 0o600
    assert private_key(tmp_path / "release.pem").public_key == made.public_key


def test_a_key_replaces_no_other_one(tmp_path: Path) -> None:
    """A fleet whose key is overwritten takes no release any more."""
    new_key(tmp_path / "release.pem")
    before = (tmp_path / "release.pem").read_bytes()
    with pytest.raises(TbftError, match="exists already"):
        new_key(tmp_path / "release.pem")
    assert (tmp_path / "release.pem").read_bytes() == before


def test_who_is_killed_while_it_makes_one_leaves_no_part_of_a_key(tmp_path: Path) -> None:
    """A rotation that was killed there could not go on: the next one found a file that holds no key."""
    path = tmp_path / "key.pem"
    process = multiprocessing.get_context("fork").Process(target=_killed_while_it_writes, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert not path.exists()
    new_key(path)
    assert [each.name for each in tmp_path.iterdir()] == ["key.pem"]


def _killed_while_it_writes(path: Path) -> None:
    keys.flush = lambda _: os._exit(9)  # type: ignore[attr-defined, assignment]
    new_key(path)


def test_a_file_system_without_links_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a stick's; no key is replaced there either."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    made = new_key(tmp_path / "key.pem")
    assert private_key(tmp_path / "key.pem").public_key == made.public_key
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == PRIVATE_FILE
    with pytest.raises(TbftError, match="exists already"):
        new_key(tmp_path / "key.pem")


def test_several_public_keys_in_one_file_are_all_read(tmp_path: Path) -> None:
    """A new key and the old one are trusted side by side while a fleet changes from one to the other."""
    keys = [new_key(tmp_path / f"{index}.pem").public_key for index in range(3)]
    (tmp_path / "trusted").write_text("".join(f"# number {n}\n{public_pem(key)}" for n, key in enumerate(keys)))
    assert list(public_keys(tmp_path / "trusted")) == keys


def test_openssl_reads_what_is_written(tmp_path: Path) -> None:
    """The files are those that every other program knows."""
    made = new_key(tmp_path / "key.pem")
    try:
        command = ["openssl", "pkey", "-in", str(tmp_path / "key.pem"), "-pubout"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    assert printed == public_pem(made.public_key)


@pytest.mark.parametrize("content", OTHER_KEYS.values(), ids=OTHER_KEYS.keys())
def test_what_is_no_key_is_refused(content: bytes, tmp_path: Path) -> None:
    """Whatever lies in the file: one clear line."""
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(TbftError, match="key"):
        public_keys(tmp_path / "key")
    with pytest.raises(TbftError, match="key"):
        private_key(tmp_path / "key")


def test_a_private_key_is_not_taken_for_a_public_one(tmp_path: Path) -> None:
    """Whoever gives the wrong half is told which one is wanted."""
    new_key(tmp_path / "key.pem")
    with pytest.raises(TbftError, match="no public key") as caught:
        public_keys(tmp_path / "key.pem")
    assert "public half" in caught.value.hint
