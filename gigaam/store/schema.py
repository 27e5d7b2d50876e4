"""What the values of a model's config may be, checked before anything is built from them.

A config comes from a file of anybody's: a size in it may ask for terabytes, a count for hours, a
list may stand where a number belongs. One table says what each value may be. Sizes are bounded by
themselves and, where a file brings tensors, by the tensors: no layer can be wider than the longest
side of one, nor can there be more layers than tensors. Keys the table doesn't know are left to the
parts themselves. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gigaam.errors import CheckpointError
from gigaam.quoting import brief
from gigaam.store.registry import TASKS
from gigaam.store.rules import (
    Choice,
    Limits,
    Maybe,
    Names,
    Odd,
    Real,
    Rule,
    Section,
    Source,
    Text,
    Whole,
)

__all__ = [
    "HOP", "KINDS", "LSTM_LAYERS", "MOST_EMOTIONS", "MOST_TOKENS", "N_FFT", "RATE", "SIDE",
    "SYMBOLS", "check_config",
]  # fmt: skip

KINDS = TASKS
"""What a model may be for: the values of ``model_class``."""


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


SIDE = Whole(1, 1 << 16, lambda limits: limits.side)
_KERNEL = Odd(1, 255, lambda limits: limits.side)
_CLASSES = Whole(2, 1 << 16, lambda limits: limits.side)
LSTM_LAYERS = Whole(1, 16, lambda limits: limits.tensors)
N_FFT = Whole(2, 16_384, lambda limits: 2 * limits.side)
MOST_TOKENS, MOST_EMOTIONS = (1 << 16) - 1, 1_000
_VOCABULARY = Maybe(Names(MOST_TOKENS))
RATE = Whole(1_000, 384_000)
HOP = Whole(1, 1 << 16)
_EMOTIONS = Names(MOST_EMOTIONS)

SYMBOLS = Whole(1, 1_000)
"""Tokens that a transducer may find at one frame."""

_FRONT_END = Section(
    {
        "sample_rate": RATE,
        "features": Whole(1, 1_024, lambda limits: limits.side),
        "hop_length": Maybe(HOP),
        "win_length": Maybe(Whole(1, 16_384, lambda limits: limits.side)),
        "n_fft": Maybe(N_FFT),
        "center": Choice((True, False)),
    }
)
_ENCODER = Section(
    {
        "feat_in": SIDE,
        "n_layers": Whole(1, 200, lambda limits: limits.tensors),
        "d_model": SIDE,
        "subsampling": Choice(("conv1d", "conv2d")),
        "subs_kernel_size": _KERNEL,
        "subsampling_factor": Choice((2, 4, 8, 16, 32, 64)),
        "ff_expansion_factor": Whole(1, 64),
        "self_attention_model": Choice(("rotary", "rel_pos")),
        "pos_emb_max_len": Real(1, 1e9),
        "n_heads": SIDE,
        "conv_kernel_size": _KERNEL,
        "conv_norm_type": Choice(("batch_norm", "layer_norm")),
        "flash_attn": Maybe(Choice((True, False))),
    }
)
_PREDICTOR = Section(
    {"pred_hidden": SIDE, "pred_rnn_layers": LSTM_LAYERS, "num_classes": _CLASSES},
    ("pred_hidden", "pred_rnn_layers", "num_classes"),
)
_JOINT = Section(
    {"enc_hidden": SIDE, "pred_hidden": SIDE, "joint_hidden": SIDE, "num_classes": _CLASSES},
    ("enc_hidden", "pred_hidden", "joint_hidden", "num_classes"),
)
_RECOGNITION_HEADS = {
    "CTCHead": Section({"feat_in": SIDE, "num_classes": _CLASSES}, ("feat_in", "num_classes")),
    "RNNTHead": Section({"decoder": _PREDICTOR, "joint": _JOINT}, ("decoder", "joint")),
}
_EMOTION_HEADS = {
    "Linear": Section(
        {"in_features": SIDE, "out_features": SIDE, "bias": Choice((True, False))},
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
    "sample_rate": Maybe(RATE),
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
        _SHARED | {"head": Part(_EMOTION_HEADS), "id2name": _EMOTIONS},
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
    if fault := N_FFT.fault(points, limits):
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
