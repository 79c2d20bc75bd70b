"""Other packages are found by their entry points; a broken one is named in a line, and stops nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.packages import lay_out, pyproject
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plugins import PluginError, find_plugin, find_plugins, plugin_names

# What goes wrong as a package is imported, and words of the reason.
BROKEN = {
    "raises": ("raise ValueError('no port\\n\\x1b[2Jhere')", "ValueError: no port"),
    "lacks": ("import a_package_that_is_not_there", "No module named 'a_package_that_is_not_there'"),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "no_python": ("def", "SyntaxError"),
    "empty": ("", "has no attribute 'KIND'"),
    "prints": ("print('hello'); KIND = 1", "it prints when it is imported: 'hello'"),
    "long_winded": ("raise ValueError('word ' * 1000)", "word …"),
}


def install(place: Path, name: str, version: str = "1.0", code: str = "KIND = 'a meter'", **meters: str) -> Path:
    """A package with a module of its own name; by default its meter is called so, too."""
    entries = meters or {name: f"{name}:KIND"}
    return lay_out(place / f"{name}-{version}", pyproject(name, version, meters=entries), {name: code})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose folders are searched for packages."""
    for name in ("first-1.0", "first-2.0", "second-1.0", *(f"{name}-1.0" for name in BROKEN)):
        monkeypatch.syspath_prepend(tmp_path / name)
    for module in ("first", "second", *BROKEN):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return tmp_path


def test_a_package_is_found_by_name_and_imported_only_when_it_is_loaded(place: Path) -> None:
    """Listing what there is must run no foreign code."""
    install(place, "first", "1.0")
    (plugin,) = find_plugins("meter", ())
    assert (plugin.name, plugin.origin, plugin.fault) == ("first", "first 1.0", None)
    assert plugin_names("meter", ()) == ["first"]
    assert find_plugins("method", ()) == []
    assert "first" not in sys.modules
    assert plugin.load() == "a meter"
    assert find_plugin("meter", "second", ()) is None


def test_a_name_of_ours_stays_ours(place: Path) -> None:
    """No package takes the place of a built-in meter."""
    install(place, "first", rapl="first:KIND", mine="first:KIND")
    mine, rapl = find_plugins("meter", {"rapl"})
    assert mine.load() == "a meter"
    with pytest.raises(PluginError, match="tbft-edge itself has a meter of this name"):
        rapl.load()
    assert plugin_names("meter", {"rapl"}) == ["mine"]


def test_a_name_that_two_packages_have_is_neithers(place: Path) -> None:
    """Else the order of folders would decide by which of them a run is measured."""
    install(place, "first", lamp="first:KIND")
    install(place, "second", lamp="second:KIND", other="second:KIND")
    *lamps, other = find_plugins("meter", ())
    assert [lamp.package for lamp in lamps] == ["first", "second"]
    for lamp, rival in zip(lamps, ("second 1.0", "first 1.0"), strict=True):
        with pytest.raises(PluginError, match=f"{rival} has a meter of this name, too"):
            lamp.load()
    assert other.load() == "a meter"


def test_of_two_versions_the_one_that_is_imported_counts(place: Path) -> None:
    """A package in a folder that is searched earlier hides the other, as its modules do."""
    install(place, "first", "1.0")
    install(place, "first", "2.0")
    (plugin,) = find_plugins("meter", ())
    assert plugin.origin == "first 2.0"  # Put in front last.
    assert plugin.fault is None


@pytest.mark.parametrize("name", ["a:b", "a b", "a/b", "..", "ä", "a\x1bb"])
def test_names_that_cannot_be_typed_or_be_folders_are_refused(place: Path, name: str) -> None:
    """Nor may they reach a terminal as they are."""
    install(place, "first", **{name: "first:KIND"})
    (plugin,) = find_plugins("meter", ())
    assert plugin.name.isprintable()
    with pytest.raises(PluginError, match="may hold letters, digits"):
        plugin.load()


@pytest.mark.parametrize("text", ["[tbft_edge.meters]\nno equals sign\n", "[tbft_edge.meters]\nlamp = \n"])
def test_a_list_that_cannot_be_read_hides_no_other_package(place: Path, text: str) -> None:
    """The one is named, and the other works."""
    (install(place, "first") / "entry_points.txt").write_text(text)
    install(place, "second")
    broken, second = find_plugins("meter", ())
    assert second.load() == "a meter"
    with pytest.raises(PluginError, match=r"of first 1\.0 cannot be used"):
        broken.load()


def test_a_list_that_is_no_text_hides_no_other_package(place: Path) -> None:
    """Nothing is known of what such a package brings."""
    (install(place, "first") / "entry_points.txt").write_bytes(b"[tbft_edge.meters]\xff\xfe\n")
    install(place, "second")
    assert plugin_names("meter", ()) == ["second"]


@pytest.mark.parametrize("name", BROKEN)
def test_what_goes_wrong_at_import_is_one_line_that_names_the_package(
    place: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of it reaches stdout, and the next package is loaded as if nothing had been."""
    code, words = BROKEN[name]
    install(place, name, code=code)
    install(place, "second")
    plugin = find_plugin("meter", name, ())
    assert plugin is not None
    with pytest.raises(PluginError) as caught:
        plugin.load()
    error = caught.value
    assert error.message.startswith(f"the meter '{name}' of {name} 1.0 cannot be used: {error.reason}")
    assert words in error.reason
    assert error.message.isprintable()
    assert len(error.message) < 400
    assert error.hint == f"update or uninstall {name}"
    assert capsys.readouterr().out == ""
    second = find_plugin("meter", "second", ())
    assert second is not None
    assert second.load() == "a meter"


def test_ctrl_c_is_no_fault_of_a_package(place: Path) -> None:
    """It ends the command, as everywhere."""
    install(place, "first", code="raise KeyboardInterrupt")
    (plugin,) = find_plugins("meter", ())
    with pytest.raises(KeyboardInterrupt):
        plugin.load()


def test_code_that_runs_under_guard_ends_in_a_line_too(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Words go to stderr, where they disturb no data; an error that is meant for the user stays as it is."""
    install(place, "first")
    (plugin,) = find_plugins("meter", ())
    with plugin.guard():
        sys.stdout.write("looking")
    assert capsys.readouterr() == ("", "looking")
    with pytest.raises(PluginError, match="KeyError: 'x'"), plugin.guard():
        raise KeyError("x")
    with pytest.raises(TbftError) as caught, plugin.guard():
        raise TbftError("there is no lamp", "buy one")
    assert caught.value.message == "there is no lamp"
    with pytest.raises(KeyboardInterrupt), plugin.guard():
        raise KeyboardInterrupt
