"""A path -> the model in the file, or in one line why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx

from tbft_artifacts.errors import TbftError

# Protocol buffers hold no more, and the compiler hands whole models around in them.
LARGEST = 2 << 30
_AGAIN = "export the model again"


def parse_file(path: Path) -> onnx.ModelProto:
    """The model at `path`, with the weights that lie beside it.

    Raises TbftError for a file that is missing, none, damaged or too large, and for weights that are missing, or lie
    outside of its folder.
    """
    _check_file(path)
    try:
        proto = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's DecodeError, which is not public
        raise TbftError(f"'{path}' is no ONNX model, or a part of one: {_kind(path)}", _AGAIN) from error
    if not proto.graph.node:
        raise TbftError(f"'{path}' is no ONNX model, or one without layers: {_kind(path)}", _AGAIN)
    _check_beside(proto, path)
    try:
        onnx.load_external_data_for_model(proto, str(path.parent))
        onnx.checker.check_model(proto)
    except Exception as error:  # OSError, ValidationError and others
        raise TbftError(f"'{path}' is no valid ONNX model: {' '.join(str(error).split())[:200]}", _AGAIN) from error
    return proto


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise TbftError(f"'{path}' is a folder", "give the .onnx file in it")
    if not path.is_file():
        raise TbftError(f"'{path}' does not exist", "check `model`: the path of an .onnx file")
    if not path.stat().st_size:
        raise TbftError(f"'{path}' is empty", _AGAIN)
    if path.stat().st_size >= LARGEST:
        raise TbftError(f"'{path}' has more than 2 GiB", "export a smaller model, or one in float32")


def _kind(path: Path) -> str:
    """What a file is that cannot be read as a model, as far as its first bytes tell."""
    with path.open("rb") as file:
        begin = file.read(200)
    if begin.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, to be fetched with git lfs pull"
    if begin[:4] == b"PK\x03\x04":
        return "it is a zip, as torch.save writes it"
    is_text = not any(byte < 9 for byte in begin)
    return "it is text" if is_text else f"{path.stat().st_size} bytes that are damaged or cut off"


def _check_beside(proto: onnx.ModelProto, path: Path) -> None:
    """Raises TbftError for weights in other files that cannot be read."""
    total = path.stat().st_size
    folder = path.parent.resolve()
    for tensor in _outside(proto):
        said = {entry.key: entry.value for entry in tensor.external_data}
        location = said.get("location", "")
        file = folder / location
        if not location or Path(location).is_absolute() or not file.resolve().is_relative_to(folder):
            raise TbftError(
                f"'{path}' has weights outside of its own folder: '{location}'",
                "put both files into one folder, and export the model again there",
            )
        if not file.is_file():
            raise TbftError(
                f"'{path}' has its weights in '{location}', which does not lie beside it", "copy both files"
            )
        offset, length = (int(said[key]) if said.get(key, "").isdecimal() else 0 for key in ("offset", "length"))
        if offset + length > file.stat().st_size:
            raise TbftError(f"'{location}', which holds weights of '{path}', is cut off", "copy it again")
        total += length
    if total >= LARGEST:
        raise TbftError(f"'{path}' and its weights have more than 2 GiB", "export a smaller model, or one in float32")


def _outside(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    constants = (attribute.t for node in proto.graph.node for attribute in node.attribute if attribute.HasField("t"))
    for tensor in (*proto.graph.initializer, *constants):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            yield tensor
