"""What to export, and how."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from tbft_artifacts.check_names import name_faults
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import DriftChoice, PrefixKind
from tbft_artifacts.plan import BatchNormPolicy, Drift, OptimizerKind
from tbft_artifacts.signing.keys import private_key
from tbft_export.sources.given_shape import GivenShape
from tbft_export.sources.named import check_weights, model_kind
from tbft_export.sources.sound import SoundOptions

if TYPE_CHECKING:
    from tbft_export.compile.statistics import NormPart
    from tbft_export.images import ImageReader


@dataclass(frozen=True)
class TableOptions:
    """Which columns of a table are the channels of a window, and how windows follow each other."""

    columns: tuple[str, ...]
    stride: int | None = None
    """Rows from the begin of a window to that of the next; None: as many as it has, so that none is in two."""
    time: str = "time"
    label: str = "label"
    rate: float | None = None
    """Rows a second, which every table has to have then."""


@dataclass(frozen=True)
class MethodOptions:
    """What the user asks of a method; None, or nothing, takes the method's default. `ExportOptions` has the same."""

    optimizer: OptimizerKind = "sgd"
    """The rule of the update graph, which the learning rate depends on."""
    batch_norm: BatchNormPolicy | None = None
    """What batch norms do meanwhile."""
    drift: DriftChoice | None = None
    """What drifted."""
    blocks: tuple[str, ...] = ()
    """Modules to train instead of those that the drift calls for."""
    prefix: PrefixKind = "float32"
    """Arithmetic of the frozen part."""
    top_blocks: int | None = None
    """How many residual blocks are trained, from the last one."""
    exits: int | None = None
    """How many classifiers may answer, the last one included."""


@dataclass(frozen=True)
class ExportOptions:
    """A model, what to train of it, and what the bundle says of both. None takes the default of model or method."""

    model: str
    """A built-in network, `timm:name`, `torchvision:name`, `package.module:factory` of a torch module, an `.onnx`."""
    drift: DriftChoice | None = None
    """What drifted; "all" gives a plan for every target block of the network, and one for everything."""
    method: str = "tbft"
    """What chooses the trained part: one of `tbft_export.methods`. "tbft" asks what drifted."""
    weights: Path | str | None = None
    """Trained weights: a state dict or a checkpoint of torch.save, or `.safetensors`; a library's: "pretrained"."""
    top_blocks: int | None = None
    """How many residual blocks a method that counts them trains, from the last one."""
    exits: int | None = None
    """How many classifiers may answer, the last one included."""
    source: ImageReader | None = None
    """Reads labelled images of the source domain: their moments go into the bundle, and exits are trained on them."""
    keep: int | None = None
    """How many of each class the bundle keeps, so that a device can tell, and prevent, that they are forgotten."""
    blocks: tuple[str, ...] = ()
    """Modules to train instead of those that the drift calls for."""
    batch_norm: BatchNormPolicy | None = None
    """What batch norms do meanwhile."""
    batch_norm_part: NormPart = None
    """Images that norms with batch statistics normalise together, "whole" for those of a batch; None: by rule."""
    optimizer: OptimizerKind = "sgd"
    """The rule of the update graph."""
    lr: float | None = None
    """The learning rate with which a device begins."""
    momentum: float = 0.9
    """Of SGD; beta1 of Adam."""
    weight_decay: float | None = None
    """0; 0.01 for adamw."""
    batch_size: int = 32
    """Images of a step; a device may choose another number."""
    image_size: int | tuple[int, int] | None = None
    """Side of a square input in pixels, or height and width."""
    channels: int | None = None
    """Channels of a torch module's input: 3 of a picture in colours, 1 of a grey one."""
    class_count: int | None = None
    """How many classes the model has, where their names are not given."""
    classes: tuple[str, ...] = ()
    """The names of the classes, in the order of the model's outputs."""
    output: str | None = None
    """Which output of an `.onnx` file are the logits, where it has several."""
    new_head: bool = False
    """Whether the layer that gives the logits is a fresh one for these classes."""
    window: int | None = None
    """Samples of a window of a signal, (N, channels, window): the input of a network that is given no pictures."""
    patch: tuple[int, int] | None = None
    """Height and width of a patch of numbers, (N, channels, height, width), such as a spectrogram."""
    table: TableOptions | None = None
    """How rows of a table become windows; None: the network is given windows."""
    sound: SoundOptions | None = None
    """How recordings of sound are read; `window` says how many samples go in."""
    measure: ImageReader | None = None
    """Reads data of which mean and standard deviation of each channel are measured."""
    mean: tuple[float, ...] | None = None
    """Per channel, of pixels in [0, 1]: that of a built-in network's training, and ImageNet's otherwise."""
    std: tuple[float, ...] | None = None
    """Likewise."""
    prefix: PrefixKind = "float32"
    """Arithmetic of the frozen part."""
    calibration: ImageReader | None = None
    """Reads the images with which an int8 prefix is quantised, and its loss of accuracy measured."""
    allow_accuracy_loss: bool = False
    """Whether an int8 prefix may cost more than one point of accuracy."""
    keep_going: bool = False
    """Whether of several plans those that cannot be made are left out, instead of none being written."""
    sign: Path | None = None
    """The private key, Ed25519 in a PEM file, that signs the bundle; None: nobody signs it."""
    official: bool = False
    """Whether ONNX Runtime Training's own artifacts are written, too; they hold the weights once more."""
    dump_after: str | None = None
    """The compiler pass after which the graph is printed on stderr."""

    @property
    def given_shape(self) -> GivenShape:
        """What is said of the network's input."""
        size = self.image_size
        if self.window is not None:
            columns = None if self.table is None else len(self.table.columns)
            channels = columns if self.channels is None else self.channels
            return GivenShape((1, self.window), channels, is_signal=True, sound=self.sound)
        if self.patch is not None:
            return GivenShape(self.patch, self.channels, is_signal=True)
        return GivenShape((size, size) if isinstance(size, int) else size, self.channels)

    @property
    def of_method(self) -> MethodOptions:
        """Those that a method reads: the fields of the same names."""
        return MethodOptions(**{field.name: getattr(self, field.name) for field in fields(MethodOptions)})


def check_options(options: ExportOptions) -> None:
    """Raise TbftError for options that are wrong or do not go together, before any work is done.

    That is quick: neither torch nor the compiler is imported for it.
    """
    if model_kind(options.model) != "onnx" and options.output is not None:
        raise TbftError(f"`output` names one of an .onnx file, and '{options.model}' is none", "leave `output` out")
    check_weights(options.model, None if options.weights is None else Path(options.weights))
    if options.sign is not None:
        private_key(options.sign)
    if options.method == "tbft" and options.drift is None and options.blocks:
        raise TbftError(
            f"`blocks` {options.blocks[0]} says what is trained, and `drift` decides how",
            "give `drift`, too: input for the first layers, feature for those in the middle, output for the last one",
        )
    if options.method == "tbft" and options.drift is None:
        raise TbftError("it is not said what drifted", f"give `drift` {', '.join(get_args(Drift))} or all")
    if options.batch_norm_part is not None and options.batch_norm in ("frozen", "adapt"):
        raise TbftError(
            f"`batch_norm_part` is for norms that use the statistics of the batch, which `batch_norm` "
            f"{options.batch_norm} does not",
            "leave `batch_norm_part` out",
        )
    if options.new_head and not (options.classes or options.class_count):
        raise TbftError("it is not said for how many classes the new head is", "give `classes`")
    sizes = {name: getattr(options, name) for name in ("image_size", "window", "patch")}
    given = [f"`{name}`" for name, value in sizes.items() if value is not None]
    if len(given) > 1:
        raise TbftError(f"{' and '.join(given)} both say what goes in", "leave one of them out")
    if options.table is not None:
        _check_table(options.table, options)
    if options.sound is not None:
        _check_sound(options.sound, options)
    if options.measure is not None and (options.mean is not None or options.std is not None):
        raise TbftError("`mean` or `std` was given, and is to be measured, too", "leave `measure` or the numbers out")
    if options.keep is not None and options.keep < 1:
        raise TbftError(f"`keep` {options.keep} is no number of images", "20 of each class are a good start")
    if options.keep is not None and options.source is None:
        raise TbftError("it is not said which images to keep", "give labelled ones of the source domain with `source`")
    if options.dump_after is not None:
        _check_pass(options.dump_after)
    if options.prefix == "int8" and options.calibration is None:
        raise TbftError(
            "an int8 prefix needs images to calibrate with", "give a few hundred labelled ones with `calibration`"
        )
    if options.prefix != "int8" and (options.calibration is not None or options.allow_accuracy_loss):
        raise TbftError(
            "calibration and accuracy loss concern an int8 prefix, which was not asked for", "add `prefix` int8"
        )


def _check_pass(name: str) -> None:
    from tbft_export.pipeline import pass_names

    if name not in pass_names():
        raise TbftError(f"there is no compiler pass '{name}'", f"passes: {', '.join(pass_names())}")


def _check_table(table: TableOptions, options: ExportOptions) -> None:
    """Raise TbftError for columns without a window, or of another number."""
    if options.window is None:
        raise TbftError("`columns` are those of windows, whose length was not said", "give `window`")
    if options.channels not in (None, len(table.columns)):
        raise TbftError(f"{len(table.columns)} `columns` are not {options.channels} `channels`", "leave `channels` out")
    for fault in name_faults("a column", [*table.columns, table.time]):
        raise TbftError(f"the table would have {fault}", "name each column once, with `columns` and `time_column`")


def _check_sound(sound: SoundOptions, options: ExportOptions) -> None:
    """Raise TbftError for sound without a window, of several channels, or features that do not fit."""
    if options.window is None:
        raise TbftError("it is not said how many samples of sound go in", "give `window`")
    if options.channels not in (None, 1) or options.table is not None:
        raise TbftError("sound has one channel, the mean of a recording's", "leave `channels` and `columns` out")
    if sound.log_mel is not None:
        sound.log_mel.shape(options.window)
        if options.model.endswith(".onnx"):
            raise TbftError(
                "`log_mel` is computed ahead of a torch module, and an .onnx file was given",
                "give the module, or export the file with its features inside",
            )
        if options.measure is not None or options.mean is not None or options.std is not None:
            raise TbftError(
                "what goes into `log_mel` are samples between -1 and 1, with no mean or deviation of their own",
                "leave `measure`, `mean` and `std` out, and normalise features inside the module",
            )
