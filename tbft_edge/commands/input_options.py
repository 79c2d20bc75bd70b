"""Options of `tbft-edge export` that say what goes into the network: pictures, signals, tables and sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbft_artifacts.input_shape import LONGEST_SIDE, MOST_CHANNELS

ImageSizeOption = Annotated[
    str | None,
    typer.Option(
        help="Side of a square input, or HEIGHTxWIDTH: 48x192. By default 32 for resnet26, 224 for "
        "efficientnet-lite0; needed for other torch modules.",
    ),
]
ChannelsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_CHANNELS,
        help="Channels of a torch module's input: 3 (RGB) by default, 1 of grey pictures, any number of a signal.",
    ),
]
WindowOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=LONGEST_SIDE,
        help="For signals: samples of a window, (N, channels, window). The values are a sensor's, and no pixels.",
    ),
]
PatchOption = Annotated[
    str | None,
    typer.Option(help="For signals: a patch of numbers, HEIGHTxWIDTH, such as a spectrogram of 49x10."),
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(help="For signals in tables (.csv): the columns that are the channels, separated by commas."),
]
StrideOption = Annotated[
    int | None,
    typer.Option(min=1, max=LONGEST_SIDE, help="Rows from window to window. Default: --window; none is in two."),
]
TimeColumnOption = Annotated[str, typer.Option(help="The column of a table that says when each row was.")]
LabelColumnOption = Annotated[
    str,
    typer.Option(
        help="The column that names the class of each row; a window has the class of most of its rows, of equally "
        "many that which comes last."
    ),
]
RateOption = Annotated[
    float | None,
    typer.Option(min=1e-6, max=1e9, help="Rows a second, by a time in seconds. Others are refused then."),
]
SoundRateOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=10_000_000, help="For sound (.wav, 16-bit PCM): samples a second; --window says how many go in."
    ),
]
LogMelOption = Annotated[
    str | None,
    typer.Option(
        help="FRAME,HOP,BANDS: the module takes log-mel features of sound, (N, 1, frames, bands), which become a "
        "part of the model; 640,320,10 of a second at 16 kHz are 49x10."
    ),
]
MeasureOption = Annotated[
    Path | None,
    typer.Option(
        help="Labelled data like that which the network was trained on, as for train: mean and standard deviation "
        "of each channel are measured there."
    ),
]
MeanOption = Annotated[
    str | None,
    typer.Option(
        help="Mean per channel, or of all, of pixels in [0, 1]: r,g,b. That of a built-in network's training, 0 "
        "where an .onnx file normalises its input itself, else ImageNet's."
    ),
]
StdOption = Annotated[str | None, typer.Option(help="Standard deviation per channel, likewise.")]
