"""Networks of timm and torchvision by name, with the preprocessing that their configuration names."""

from __future__ import annotations

import difflib
import importlib
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, get_args

from torch import Tensor, nn

from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import InputShape
from tbft_artifacts.preprocessing import Normalize, ResizeFilter
from tbft_export.sources.given_shape import GivenShape
from tbft_export.sources.named import is_pretrained
from tbft_export.sources.weights import find_state, load_into


@dataclass(frozen=True)
class Framing:
    """How an image is cut: scaled with `filter` so that the input is the middle `part` of its shorter side."""

    part: float = 1.0
    filter: ResizeFilter = "bilinear"

    def resized(self, side: int) -> int:
        """To how many pixels a side is scaled of which `side` are cut out."""
        return math.floor(side / self.part + 1e-6)  # What was a whole number may have lost a bit.


# The shorter side is as long as the input's, as where nothing says otherwise.
WHOLE = Framing()


@dataclass(frozen=True)
class LibraryModel:
    """A network of a library with its weights, what goes in, and what its owner may not know of the weights."""

    module: nn.Module
    shape: InputShape
    normalize: Normalize
    framing: Framing
    note: str = ""


@dataclass(frozen=True)
class _Configuration:
    """What a library says of how a network was trained."""

    channels: int
    sides: tuple[int, int]
    normalize: Normalize
    framing: Framing


class _Library(Protocol):
    def names(self) -> Iterable[str]:
        """Every classifier."""

    def make(self, name: str, classes: int | None, channels: int | None, *, pretrained: bool) -> nn.Module:
        """The network; of the classes and channels that it usually has where none are given."""

    def configuration(self, name: str, module: nn.Module) -> _Configuration:
        """How it was trained."""


def load_library(spec: str, weights: Path, given: GivenShape) -> LibraryModel:
    """The network `spec`, such as `timm:resnet18`, with `weights`: a file, or `pretrained` for the library's own.

    Only the latter makes a connection. Classes are as many as the weights are for. Raises TbftError if the library is
    not installed, does not know the name or cannot make the network, and for weights that do not fit.
    """
    library_name, _, name = spec.partition(":")
    library: _Library = (_Timm if library_name == "timm" else _Torchvision)(_import(library_name))
    known = list(library.names())
    if name not in known:
        close = difflib.get_close_matches(name, known, 3)
        hint = f"names like it: {', '.join(close)}" if close else f"the page of {library_name} lists its names"
        raise TbftError(f"{library_name} has no classifier '{name}'", hint)
    if is_pretrained(weights):
        module, note = _make(library, spec, None, given, pretrained=True), ""
    else:
        module = _make(library, spec, None, given, pretrained=False)
        state = find_state(weights, frozenset(module.state_dict()))
        trained_for = _classes_of(module, state.tensors)
        if trained_for is not None:
            module = _make(library, spec, trained_for, given, pretrained=False)
        load_into(module, state.tensors, weights)
        note = state.note
    usual = library.configuration(name, module)
    channels = given.channels or usual.channels
    shape = replace(given, channels=channels, sides=given.sides or usual.sides).of_module(spec)
    return LibraryModel(module, shape, usual.normalize, usual.framing, note)


def _classes_of(module: nn.Module, state: dict[str, Tensor]) -> int | None:
    """For how many other classes than `module` a state is whose head alone has another size; None of any other."""
    sizes = {
        (tuple(own.shape[1:]) == tuple(state[name].shape[1:]), len(state[name]))
        for name, own in module.state_dict().items()
        if name in state and own.dim() and state[name].dim() and own.shape != state[name].shape
    }
    return next(iter(sizes))[1] if len(sizes) == 1 and next(iter(sizes))[0] else None


def _make(library: _Library, spec: str, classes: int | None, given: GivenShape, *, pretrained: bool) -> nn.Module:
    name = spec.partition(":")[2]
    try:
        return library.make(name, classes, given.channels, pretrained=pretrained)
    except Exception as error:  # Of the network's code, of a connection, of a cache on the disk.
        reason = " ".join(str(error).split())[:200]
        hint = "check the connection, or give a file with `weights`" if pretrained else "check the number of classes"
        raise TbftError(f"model '{spec}' cannot be made: {type(error).__name__}: {reason}", hint) from error


def _import(name: str) -> ModuleType:
    """The package. Raises TbftError if it is not installed, or does not fit the torch that is."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise TbftError(f"package '{error.name}' is not installed here", f"pip install {name}") from error
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise _unfit(name, error) from error
    # Beside a torch for CPUs alone torchvision's operators in C++ do not load, and it then describes operators that
    # are not there. No classifier needs them: without their descriptions all else loads.
    for loaded in [each for each in sys.modules if each.partition(".")[0] in ("torchvision", name)]:
        del sys.modules[loaded]
    sys.modules["torchvision._meta_registrations"] = ModuleType("torchvision._meta_registrations")
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        raise _unfit(name, error) from error


def _unfit(name: str, error: Exception) -> TbftError:
    reason = " ".join(str(error).split())[:200]
    return TbftError(f"package '{name}' does not load: {reason}", f"install a {name} that fits the installed torch")


class _Timm:
    def __init__(self, package: Any) -> None:
        self._timm = package

    def names(self) -> Iterable[str]:
        return (*self._timm.list_models(), *self._timm.list_pretrained())

    def make(self, name: str, classes: int | None, channels: int | None, *, pretrained: bool) -> nn.Module:
        asked = {"num_classes": classes, "in_chans": channels}
        asked = {key: value for key, value in asked.items() if value is not None}
        module: nn.Module = self._timm.create_model(name, pretrained=pretrained, **asked)
        return module

    def configuration(self, name: str, module: nn.Module) -> _Configuration:  # noqa: ARG002
        said: dict[str, Any] = dict(module.pretrained_cfg)  # type: ignore[arg-type]
        channels, height, width = said["input_size"]
        framing = Framing(said["crop_pct"], _filter(said["interpolation"]))
        return _Configuration(channels, (height, width), Normalize(tuple(said["mean"]), tuple(said["std"])), framing)


class _Torchvision:
    def __init__(self, package: Any) -> None:
        self._models = package.models

    def names(self) -> Iterable[str]:
        names: list[str] = self._models.list_models(module=self._models)
        return names

    def make(self, name: str, classes: int | None, channels: int | None, *, pretrained: bool) -> nn.Module:  # noqa: ARG002
        asked = {} if classes is None else {"num_classes": classes}
        module: nn.Module = self._models.get_model(name, weights="DEFAULT" if pretrained else None, **asked)
        return module

    def configuration(self, name: str, module: nn.Module) -> _Configuration:  # noqa: ARG002
        said = self._models.get_model_weights(name).DEFAULT.transforms()
        (side,), (scaled,) = said.crop_size, said.resize_size
        framing = Framing(side / scaled, _filter(said.interpolation.value))
        return _Configuration(3, (side, side), Normalize(tuple(said.mean), tuple(said.std)), framing)


def _filter(name: str) -> ResizeFilter:
    """The nearest that a device has."""
    return next((each for each in get_args(ResizeFilter) if each == name), "bilinear")
