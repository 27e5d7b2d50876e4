"""What the values of a model's config may be, checked before anything is built from them.

A config comes from a file of anybody's: a size in it may ask for terabytes, a count for hours, a
list may stand where a number belongs. One table says what each value may be. Sizes are bounded by
themselves and, where a file brings tensors, by the tensors: no layer can be wider than the longest
side of one, nor can there be more layers than tensors. Keys the table doesn't know are left to the
parts themselves. Nothing here imports torch.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gigaam.errors import CheckpointError

__all__ = [
    "KINDS",
    "SYMBOLS",
    "Limits",
    "Names",
    "Real",
    "Rule",
    "Text",
    "Whole",
    "brief",
    "check_config",
    "class_name",
]

KINDS = ("ctc", "rnnt", "emo", "ssl")
"""What a model may be for: the values of ``model_class``."""

_LONGEST, _LONGEST_QUOTE = 120, 2_000

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = _LONGEST


def brief(value: object) -> str:
    """The ``repr`` of a value from a file, cut to a length that fits into a message."""
    return _short.repr(value)


def cut(text: object) -> str:
    """What an error says, cut to a length that fits into a message: it may quote a whole file."""
    words = str(text)
    return words if len(words) <= _LONGEST_QUOTE else f"{words[:_LONGEST_QUOTE]} …"


@dataclass(frozen=True)
class Limits:
    """What the tensors of a file allow; by default, without a file, anything reasonable.

    Attributes:
        side: Elements along the longest side of any tensor.
        tensors: Their number.
    """

    side: int = 1 << 16
    tensors: int = 1 << 16

    @classmethod
    def of(cls, shapes: Iterable[Sequence[int]]) -> Limits:
        """Those of tensors of these shapes."""
        sides = [max(shape, default=1) for shape in shapes]
        return cls(max(sides, default=1), len(sides))


class Rule:
    """What one value may be."""

    def fault(self, value: object, limits: Limits) -> str | None:
        """What it must be instead, in words; None if it is."""
        raise NotImplementedError

    def check(self, value: object, limits: Limits, where: str) -> None:
        """Raises `CheckpointError` for a value, which stands at the dotted path ``where``."""
        if fault := self.fault(value, limits):
            raise CheckpointError(f"the config's {where} is {brief(value)}, but it {fault}")


@dataclass(frozen=True)
class Whole(Rule):
    """A whole number.

    Attributes:
        low: Least value.
        high: Largest value.
        bound: What a file's tensors allow, if they tell.
    """

    low: int
    high: int
    bound: Callable[[Limits], int] | None = None

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        high = self.high if self.bound is None else min(self.high, self.bound(limits))
        if type(value) is int and self.low <= value <= high:
            return None
        return f"must be a whole number from {self.low} to {high}"


@dataclass(frozen=True)
class Odd(Whole):
    """An odd number: of a kernel, which then has a middle."""

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        if type(value) is int and not value % 2:
            return "must be odd"
        return super().fault(value, limits)


@dataclass(frozen=True)
class Real(Rule):
    """A finite number."""

    low: float
    high: float

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        if type(value) in (int, float) and self.low <= value <= self.high:  # type: ignore[operator]
            return None
        return f"must be a number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Choice(Rule):
    """One of a few values."""

    values: tuple[Any, ...]

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        if any(type(value) is type(each) and value == each for each in self.values):
            return None
        return f"must be one of {', '.join(map(str, self.values))}"


@dataclass(frozen=True)
class Text(Rule):
    """A text."""

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        return None if isinstance(value, str) and "\0" not in value else "must be a text"


class Source(Rule):
    """A file, or its content, which programs may give but no file of a config can hold."""

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        known = isinstance(value, (str, bytes, os.PathLike))
        return None if known and value not in ("", b"") else "must be the path of a file"


@dataclass(frozen=True)
class Names(Rule):
    """Distinct texts in the order of a model's classes: a list, or a mapping from their numbers.

    Attributes:
        most: How many there may be.
    """

    most: int

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        must = f"must be a list of distinct texts, at most {self.most}"
        if isinstance(value, Mapping):
            if any(type(key) is not int for key in value) or {*value} != {*range(len(value))}:
                return "must number its names from 0 on"
            value = [*value.values()]
        if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
            return must
        # A plain digit in a YAML file written by hand is a number.
        if len(value) > self.most or not all(type(each) in (str, int) for each in value):
            return must
        texts = [str(each) for each in value]
        return must if "" in texts or len({*texts}) < len(texts) else None


@dataclass(frozen=True)
class Maybe(Rule):
    """A value or None."""

    rule: Rule

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        return None if value is None else self.rule.fault(value, limits)


@dataclass(frozen=True)
class Section(Rule):
    """A mapping, of which the values known here are checked.

    Attributes:
        fields: What each may be.
        required: Those that must be there.
    """

    fields: Mapping[str, Rule]
    required: tuple[str, ...] = ()

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`; tells nothing of the values inside."""
        return None if isinstance(value, Mapping) else "must be a mapping"

    def check(self, value: Any, limits: Limits, where: str) -> None:
        """See `Rule`."""
        super().check(value, limits, where or "content")
        path = f"{where}." if where else ""
        for name in self.required:
            if name not in value:
                raise CheckpointError(f"the config has no {path}{name}")
        for name, rule in self.fields.items():
            if name in value:
                rule.check(value[name], limits, path + name)


@dataclass(frozen=True)
class Part(Rule):
    """A section that names the class of a part, and its arguments.

    Attributes:
        classes: What may be built there, by class name, and the arguments it takes.
    """

    classes: Mapping[str, Section]

    def check(self, value: Any, limits: Limits, where: str) -> None:
        """See `Rule`."""
        Section({}).check(value, limits, where)
        target = class_name(value)
        if target not in self.classes:
            raise CheckpointError(
                f"the config's {where} asks for {brief(value.get('_target_'))}, which is no part "
                f"of a GigaAM model there; known are {', '.join(self.classes)}"
            )
        self.classes[target].check(value, limits, where)


def class_name(section: Mapping[str, Any]) -> str:
    """The class that a section is to be built of, without the module it was in once."""
    return str(section.get("_target_")).rpartition(".")[2]


_SIDE = Whole(1, 1 << 16, lambda limits: limits.side)
_KERNEL = Odd(1, 255, lambda limits: limits.side)
_CLASSES = Whole(2, 1 << 16, lambda limits: limits.side)
_LSTM_LAYERS = Whole(1, 16, lambda limits: limits.tensors)
_N_FFT = Whole(2, 16_384, lambda limits: 2 * limits.side)
_VOCABULARY = Maybe(Names((1 << 16) - 1))
_RATE = Whole(1_000, 384_000)

SYMBOLS = Whole(1, 1_000)
"""Tokens that a transducer may find at one frame."""

_FRONT_END = Section(
    {
        "sample_rate": _RATE,
        "features": Whole(1, 1_024, lambda limits: limits.side),
        "hop_length": Maybe(Whole(1, 1 << 16)),
        "win_length": Maybe(Whole(1, 16_384, lambda limits: limits.side)),
        "n_fft": Maybe(_N_FFT),
        "center": Choice((True, False)),
    }
)
_ENCODER = Section(
    {
        "feat_in": _SIDE,
        "n_layers": Whole(1, 200, lambda limits: limits.tensors),
        "d_model": _SIDE,
        "subsampling": Choice(("conv1d", "conv2d")),
        "subs_kernel_size": _KERNEL,
        "subsampling_factor": Choice((2, 4, 8, 16, 32, 64)),
        "ff_expansion_factor": Whole(1, 64),
        "self_attention_model": Choice(("rotary", "rel_pos")),
        "pos_emb_max_len": Real(1, 1e9),
        "n_heads": _SIDE,
        "conv_kernel_size": _KERNEL,
        "conv_norm_type": Choice(("batch_norm", "layer_norm")),
        "flash_attn": Maybe(Choice((True, False))),
    }
)
_PREDICTOR = Section(
    {"pred_hidden": _SIDE, "pred_rnn_layers": _LSTM_LAYERS, "num_classes": _CLASSES},
    ("pred_hidden", "pred_rnn_layers", "num_classes"),
)
_JOINT = Section(
    {"enc_hidden": _SIDE, "pred_hidden": _SIDE, "joint_hidden": _SIDE, "num_classes": _CLASSES},
    ("enc_hidden", "pred_hidden", "joint_hidden", "num_classes"),
)
_RECOGNITION_HEADS = {
    "CTCHead": Section({"feat_in": _SIDE, "num_classes": _CLASSES}, ("feat_in", "num_classes")),
    "RNNTHead": Section({"decoder": _PREDICTOR, "joint": _JOINT}, ("decoder", "joint")),
}
_EMOTION_HEADS = {
    "Linear": Section(
        {"in_features": _SIDE, "out_features": _SIDE, "bias": Choice((True, False))},
        ("in_features", "out_features"),
    )
}
_SPELLING: dict[str, Rule] = {"vocabulary": _VOCABULARY, "model_path": Maybe(Source())}
_SEARCHES = {
    "CTCGreedyDecoding": Section(_SPELLING),
    "RNNTGreedyDecoding": Section(_SPELLING | {"max_symbols_per_step": SYMBOLS}),
}
_SHARED: dict[str, Rule] = {
    "model_class": Choice(KINDS),
    "model_name": Maybe(Text()),
    "sample_rate": Maybe(_RATE),
    "preprocessor": Part({"FeatureExtractor": _FRONT_END}),
    "encoder": Part({"ConformerEncoder": _ENCODER}),
}
_ALWAYS = ("model_class", "preprocessor", "encoder")
_RECOGNISER = Section(
    _SHARED | {"head": Part(_RECOGNITION_HEADS), "decoding": Part(_SEARCHES)},
    (*_ALWAYS, "head", "decoding"),
)
_CONFIGS = {
    "ctc": _RECOGNISER,
    "rnnt": _RECOGNISER,
    "emo": Section(
        _SHARED | {"head": Part(_EMOTION_HEADS), "id2name": Names(1_000)},
        (*_ALWAYS, "head", "id2name"),
    ),
    "ssl": Section(_SHARED, _ALWAYS),
}


def check_config(config: Mapping[str, Any], limits: Limits | None = None) -> None:
    """Refuses a config of which no model can be built, or none that could be used.

    Args:
        config: Of a whole model.
        limits: Of the tensors that come with it.

    Raises:
        CheckpointError: It names the value and what it must be.
    """
    limits = limits or Limits()
    Section(_SHARED, _ALWAYS).check(config, limits, "")
    kind = config["model_class"]
    _CONFIGS[kind].check(config, limits, "")
    for fault in (
        _front_end_fault(config["preprocessor"], limits),
        _encoder_fault(config["encoder"], config["preprocessor"].get("features", 64)),
        _head_fault(config) if kind != "ssl" else None,
    ):
        if fault:
            raise CheckpointError(f"the config's {fault}")


def _front_end_fault(section: Mapping[str, Any], limits: Limits) -> str | None:
    rate = section.get("sample_rate", 16_000)
    hop = section.get("hop_length") or rate // 100
    window = section.get("win_length") or rate // 40
    points = section.get("n_fft") or rate // 40
    if window > points:
        return f"preprocessor.win_length is {window}, more than the n_fft of {points}"
    if fault := _N_FFT.fault(points, limits):
        return f"preprocessor.n_fft would be {points}, but it {fault}"
    if hop * 1_000 < rate:
        return f"preprocessor.hop_length is {hop}: over a thousand frames a second"
    return None


def _encoder_fault(section: Mapping[str, Any], features: int) -> str | None:
    width, heads = section.get("d_model", 768), section.get("n_heads", 16)
    bands = section.get("feat_in", 64)
    if bands != features:
        return f"encoder.feat_in is {bands}, but the preprocessor has {features} features"
    if width % heads:
        return f"encoder.d_model is {width}, which {heads} heads can't share"
    rotary = section.get("self_attention_model", "rotary") == "rotary"
    if (width // heads if rotary else width) % 2:
        return f"encoder.d_model of {width} gives {heads} heads an odd width"
    return None


def _head_fault(config: Mapping[str, Any]) -> str | None:
    head, width = config["head"], config["encoder"].get("d_model", 768)
    if class_name(head) == "RNNTHead":
        decoder, joint = head["decoder"], head["joint"]
        for name in ("pred_hidden", "num_classes"):
            if decoder[name] != joint[name]:
                return f"head has two values of {name}: {decoder[name]} and {joint[name]}"
    fed = head.get("feat_in") or head.get("in_features") or head["joint"]["enc_hidden"]
    if fed != width:
        return f"head takes encodings {fed} wide, but the encoder's are {width} wide"
    if config["model_class"] == "emo" and len(config["id2name"]) != head["out_features"]:
        return f"id2name has {len(config['id2name'])} names for {head['out_features']} classes"
    return None
