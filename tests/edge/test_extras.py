"""Where an extra is missing, a command says how it is had: added to what is there, or in an environment of its own."""

from __future__ import annotations

import pytest

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.halves import extra


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("fleet", "install it with: pip install 'tbft-edge[fleet]'"),
        ("agent", "install it with: pip install 'tbft-edge[agent]'"),
        ("export", "install it with: pip install 'tbft-edge[export]', in an environment of its own"),
        ("federated", "install it with: pip install 'tbft-edge[federated]', in an environment of its own"),
    ],
)
def test_a_missing_extra_is_named(name: str, hint: str) -> None:
    """The one that brings TUF goes beside torch or the stock ONNX Runtime; those two do not go beside each other."""
    with pytest.raises(TbftError) as caught, extra(name, "package_of_nobody"):
        pytest.fail("nothing is run without it")
    assert caught.value.message == "package 'package_of_nobody' is not installed here"
    assert caught.value.hint == hint
