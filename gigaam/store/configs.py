"""Model configurations: the published ones, built in, and any other as plain data.

A configuration is a nested dict in the layout of the published files: ``model_class``,
``preprocessor``, ``encoder``, and where the model has them ``head``, ``decoding``, ``id2name``.
``_target_`` names the class of a part; the loader looks it up by class name in its own table.
Nothing here imports torch or omegaconf.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

from gigaam.errors import CheckpointError, UnknownModelError, UnsafeCheckpointError
from gigaam.store.registry import MODELS, RECOGNITION_TASKS, ModelInfo

RUSSIAN = tuple(" абвгдежзийклмнопрстуфхцчшщъыьэюя")
"""Characters of the v1, v2 and v3 character models, in class order: 33, without ё."""

MULTILINGUAL = tuple(" 'abcdefghijklmnopqrstuvwxyz" + "".join(RUSSIAN[1:]) + "ёіғқңүұһәө")
"""Characters of the multilingual models, in class order (by code point): 70."""

SUBSAMPLING_FACTOR = 4
"""Of every published model."""

EMOTIONS = ("angry", "sad", "neutral", "positive")

BUILTIN_NAMES = tuple(info.name for info in MODELS.values() if not info.is_packaged)
"""Every name ``builtin_config`` knows."""

# What a configuration may weigh. The published ones have about 120 entries and depth 3; the limits
# keep a crafted file, whose parts share and repeat each other, from growing without end.
_MAX_ENTRIES = 20_000
_MAX_DEPTH = 32


def builtin_config(name: str) -> dict[str, Any]:
    """The configuration of a published model, as a fresh dict in the published layout.

    Where the published model reads a SentencePiece file, ``decoding.vocabulary`` and
    ``decoding.model_path`` are None.

    Raises:
        UnknownModelError: ``name`` is not one of ``BUILTIN_NAMES``.
    """
    if name not in BUILTIN_NAMES:
        known = ", ".join(BUILTIN_NAMES)
        raise UnknownModelError(f"no built-in configuration is called {name!r}; there are: {known}")
    info = MODELS[name]
    config: dict[str, Any] = {
        "model_class": info.task,
        "sample_rate": 16_000,
        "preprocessor": _preprocessor(info),
        "encoder": _encoder(info),
    }
    width = config["encoder"]["d_model"]
    if info.task in RECOGNITION_TASKS:
        vocabulary = _vocabulary(info)
        classes = _tokens(info, vocabulary) + 1
        config["head"] = recognition_head(info.task, width, classes)
        config["decoding"] = decoding_section(info.task)
        if vocabulary:
            config["decoding"]["vocabulary"] = list(vocabulary)
        else:
            config["decoding"]["model_path"] = None
        if vocabulary and _is_first_architecture(info):
            config["labels"] = list(vocabulary)
    elif info.task == "emo":
        config["head"] = emotion_head(width, len(EMOTIONS))
        config["id2name"] = dict(enumerate(EMOTIONS))
    config["model_name"] = name
    return config


def _is_first_architecture(info: ModelInfo) -> bool:
    """Whether it is of the lines with 2-D subsampling and batch norm."""
    return info.line in ("v1", "v2")


def _vocabulary(info: ModelInfo) -> tuple[str, ...] | None:
    """The characters, of models of characters."""
    if info.tokenizer is not None:
        return None
    return MULTILINGUAL if info.line == "multilingual" else RUSSIAN


def _tokens(info: ModelInfo, vocabulary: tuple[str, ...] | None) -> int:
    if vocabulary is not None:
        return len(vocabulary)
    assert info.tokenizer is not None
    assert info.tokenizer.pieces is not None
    return info.tokenizer.pieces


def _preprocessor(info: ModelInfo) -> dict[str, Any]:
    preprocessor: dict[str, Any] = {
        "_target_": "gigaam.preprocess.FeatureExtractor",
        "sample_rate": 16_000,
        "features": 64,
    }
    if not _is_first_architecture(info):  # the older lines rely on the constructor's 400 / 160
        preprocessor |= {
            "win_length": 320,
            "hop_length": 160,
            "mel_scale": "htk",
            "n_fft": 320,
            "mel_norm": None,
            "center": False,
        }
    return preprocessor


def _encoder(info: ModelInfo) -> dict[str, Any]:
    encoder: dict[str, Any] = {
        "_target_": "gigaam.encoder.ConformerEncoder",
        "feat_in": 64,
        "n_layers": 24 if info.is_large else 16,
        "d_model": 1024 if info.is_large else 768,
        "subsampling_factor": SUBSAMPLING_FACTOR,
        "ff_expansion_factor": 4,
        "self_attention_model": "rel_pos" if info.line == "v1" else "rotary",
        "pos_emb_max_len": 5000,
        "n_heads": 16,
        "conv_kernel_size": 31,
        "flash_attn": False,
    }
    if not _is_first_architecture(info):
        encoder |= {
            "subsampling": "conv1d",
            "subs_kernel_size": 5,
            "conv_kernel_size": 5,
            "conv_norm_type": "layer_norm",
        }
    return encoder


def recognition_head(
    kind: str, width: int, classes: int, predictor_width: int = 320
) -> dict[str, Any]:
    """The section ``head`` of a recogniser.

    Args:
        kind: "ctc" or "rnnt".
        width: Of the encoder.
        classes: Tokens and blank.
        predictor_width: Of a transducer's prediction and joint networks.
    """
    if kind == "ctc":
        return {"_target_": "gigaam.decoder.CTCHead", "feat_in": width, "num_classes": classes}
    return {
        "_target_": "gigaam.decoder.RNNTHead",
        "decoder": {
            "pred_hidden": predictor_width,
            "pred_rnn_layers": 1,
            "num_classes": classes,
        },
        "joint": {
            "enc_hidden": width,
            "pred_hidden": predictor_width,
            "joint_hidden": predictor_width,
            "num_classes": classes,
        },
    }


def decoding_section(kind: str) -> dict[str, Any]:
    """The section ``decoding`` of a recogniser, its vocabulary yet to be filled in."""
    return {"_target_": f"gigaam.decoding.{kind.upper()}GreedyDecoding", "vocabulary": None}


def emotion_head(width: int, classes: int) -> dict[str, Any]:
    """The section ``head`` of an emotion model over an encoder of that width."""
    return {"_target_": "torch.nn.Linear", "in_features": width, "out_features": classes}


class StoredNode:
    """An inert record of an object found in a file: its stored attributes, none of its methods."""


def plain_config(tree: object, source: str) -> dict[str, Any]:
    """A nested dict of str, int, float, bool, None and lists, copied from a stored configuration.

    omegaconf containers are read through their stored attributes, never through their methods, so
    that no interpolation is ever resolved.

    Args:
        tree: A mapping, an omegaconf container, or a ``StoredNode`` in place of one.
        source: Where it comes from, for messages.

    Raises:
        UnsafeCheckpointError: It holds ``${…}`` interpolation, or objects that are not data.
        CheckpointError: It is not a mapping, or is out of all proportion.
    """
    plain = _Copier(source).copy(tree, "", 0)
    if not isinstance(plain, dict):
        raise CheckpointError(f"the configuration in {source} is not a mapping")
    return plain


def stored_fields(node: object) -> Mapping[Any, Any] | None:
    """The raw children of a stored mapping, container or namespace; None for anything else."""
    if isinstance(node, dict):
        return node
    if not _is_node(node):
        return None
    fields = vars(node)
    content = fields.get("_content", fields)
    return content if isinstance(content, dict) else None


def _is_node(value: object) -> bool:
    return isinstance(value, StoredNode) or type(value).__module__.startswith("omegaconf.")


class _Copier:
    """One bounded walk over an untrusted tree."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.entries = 0

    def copy(self, value: object, where: str, depth: int) -> Any:
        """The plain form of ``value``, which stands at the dotted path ``where``."""
        self.entries += 1
        if depth > _MAX_DEPTH or self.entries > _MAX_ENTRIES:
            raise CheckpointError(
                f"the configuration in {self.source} is nested or repeated beyond "
                f"{_MAX_DEPTH} levels or {_MAX_ENTRIES} entries"
            )
        if _is_node(value):
            fields = vars(value)
            inner = fields["_content"] if "_content" in fields else fields.get("_val", value)
            if inner is value:
                self.refuse(value, where)
            return self.copy(inner, where, depth + 1)
        if isinstance(value, dict):
            return {
                self.key(key, where): self.copy(item, f"{where}.{key}", depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [
                self.copy(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)
            ]
        return self.leaf(value, where)

    def key(self, key: object, where: str) -> str | int:
        plain = self.leaf(key, where)
        if isinstance(plain, (str, int)):
            return plain
        self.refuse(key, where)

    def leaf(self, value: object, where: str) -> str | int | float | bool | None:
        # Exact types: a subclass could bring behaviour of its own.
        if value is None or type(value) in (int, float, bool):
            return value  # type: ignore[return-value]
        if type(value) is not str:
            self.refuse(value, where)
        if "${" in value:
            raise UnsafeCheckpointError(
                f"the configuration in {self.source} holds the interpolation {value!r} at "
                f"{where.lstrip('.') or 'its top'}; interpolation can run code and is refused: "
                "store the value itself"
            )
        return value

    def refuse(self, value: object, where: str) -> NoReturn:
        raise UnsafeCheckpointError(
            f"the configuration in {self.source} holds an object of type "
            f"{type(value).__name__} at {where.lstrip('.') or 'its top'}; only text, numbers, "
            "lists and mappings are data"
        )
