"""Files exactly like the published ones, of any size, written from literal tables.

Names, shapes and dtypes of tensors, the texts of configurations and the containers stand here as
they are known from the published files. Nothing is derived from this library's own modules, so a
test that loads such a file compares the library with the outside world.
"""

import functools
import io
import json
import math
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import yaml
from omegaconf import OmegaConf
from safetensors.torch import save_file
from torch import Tensor

from gigaam.requirements import import_torchaudio

NAMES = (
    "emo",
    "v1_ctc", "v1_rnnt", "v1_ssl",
    "v2_ctc", "v2_rnnt", "v2_ssl",
    "v3_ctc", "v3_rnnt", "v3_ssl", "v3_e2e_ctc", "v3_e2e_rnnt",
    "multilingual_ctc", "multilingual_ssl", "multilingual_large_ctc", "multilingual_large_ssl",
)  # fmt: skip

HALF_NAMES = ("v3_ctc", "v3_rnnt", "v3_ssl", "v3_e2e_ctc", "v3_e2e_rnnt")
"""Models whose encoders are stored in 16-bit floats."""

PIECE_NAMES = ("v1_rnnt", "v3_e2e_ctc", "v3_e2e_rnnt")
"""Models that come with a SentencePiece file."""

CHARACTERS = [*" абвгдежзийклмнопрстуфхцчшщъыьэюя"]
MULTILINGUAL_CHARACTERS = [
    *" 'abcdefghijklmnopqrstuvwxyzабвгдежзийклмнопрстуфхцчшщъыьэюяёіғқңүұһәө"
]

Edit = Callable[[dict[str, Tensor]], None]

# ---------------------------------------------------------------------------------------------
# Configurations
# ---------------------------------------------------------------------------------------------

_CTC_V3 = """\
model_class: ctc
sample_rate: 16000
preprocessor:
  _target_: gigaam.preprocess.FeatureExtractor
  sample_rate: 16000
  features: 64
  win_length: 320
  hop_length: 160
  mel_scale: htk
  n_fft: 320
  mel_norm: null
  center: false
encoder:
  _target_: gigaam.encoder.ConformerEncoder
  feat_in: 64
  n_layers: 16
  d_model: 768
  subsampling: conv1d
  subs_kernel_size: 5
  subsampling_factor: 4
  ff_expansion_factor: 4
  self_attention_model: rotary
  pos_emb_max_len: 5000
  n_heads: 16
  conv_kernel_size: 5
  flash_attn: false
  conv_norm_type: layer_norm
head:
  _target_: gigaam.decoder.CTCHead
  feat_in: 768
  num_classes: 34
decoding:
  _target_: gigaam.decoding.CTCGreedyDecoding
  vocabulary: [' ', а, б, в, г, д, е, ж, з, и, й, к, л, м, н, о, п, р, с, т, у, ф, х, ц, ч, ш, щ, ъ,
    ы, ь, э, ю, я]
model_name: v3_ctc
hashes: {model: 1bdc12052560591b7cdf35bef02619fa}
"""

_RNNT_V2 = """\
model_class: rnnt
sample_rate: 16000
preprocessor:
  _target_: gigaam.preprocess.FeatureExtractor
  sample_rate: 16000
  features: 64
encoder:
  _target_: gigaam.encoder.ConformerEncoder
  feat_in: 64
  n_layers: 16
  d_model: 768
  subsampling_factor: 4
  ff_expansion_factor: 4
  self_attention_model: rotary
  pos_emb_max_len: 5000
  n_heads: 16
  conv_kernel_size: 31
  flash_attn: false
head:
  _target_: gigaam.decoder.RNNTHead
  decoder: {pred_hidden: 320, pred_rnn_layers: 1, num_classes: 34}
  joint: {enc_hidden: 768, pred_hidden: 320, joint_hidden: 320, num_classes: 34}
decoding:
  _target_: gigaam.decoding.RNNTGreedyDecoding
  vocabulary: [' ', а, б, в, г, д, е, ж, з, и, й, к, л, м, н, о, п, р, с, т, у, ф, х, ц, ч, ш, щ, ъ,
    ы, ь, э, ю, я]
labels: [' ', а, б, в, г, д, е, ж, з, и, й, к, л, м, н, о, п, р, с, т, у, ф, х, ц, ч, ш, щ, ъ, ы, ь,
  э, ю, я]
"""

_CTC_HEAD = "{_target_: gigaam.decoder.CTCHead, feat_in: 768, num_classes: 34}"
_RNNT_HEAD = """
  _target_: gigaam.decoder.RNNTHead
  decoder: {pred_hidden: 320, pred_rnn_layers: 1, num_classes: 34}
  joint: {enc_hidden: 768, pred_hidden: 320, joint_hidden: 320, num_classes: 34}
"""

_HASHES = {
    "v3_ctc": {"model": "1bdc12052560591b7cdf35bef02619fa"},
    "v3_rnnt": {"model": "be62a7bc46de1311ec288d3bf8ee2818"},
    "v3_e2e_ctc": {
        "model": "c15fd0dbca70363a146016d197ee0e2a",
        "tokenizer": "2a9cd0c246db42d076e92abb31055deb",
    },
    "v3_e2e_rnnt": {
        "model": "72e2a9b5c7caad963b2bbfd2f298c252",
        "tokenizer": "3b3bf8370e882885d79731592fc99f98",
    },
}

_CLASSES = {"v1_rnnt": 513, "v3_e2e_ctc": 257, "v3_e2e_rnnt": 1025, "emo": 4}


def full_sizes(name: str) -> dict[str, int]:
    """The published sizes, by the words that ``published_table`` and the builders take."""
    large = "large" in name
    multilingual = name.startswith("multilingual")
    old = name == "emo" or name[:2] in ("v1", "v2")
    return {
        "d_model": 1024 if large else 768,
        "n_layers": 24 if large else 16,
        "n_heads": 16,
        "feed_forward": 4,
        "subsampling_kernel": 3 if old else 5,
        "conv_kernel": 31 if old else 5,
        "classes": _CLASSES.get(name, 71 if multilingual else 34),
        "hidden": 320,
    }


def tiny_sizes(name: str) -> dict[str, int]:
    """Sizes of a net that is built and run in milliseconds; large stays larger."""
    tiny = full_sizes(name) | {"d_model": 32, "n_layers": 2, "n_heads": 4, "hidden": 16}
    if "large" in name:
        tiny |= {"d_model": 48, "n_layers": 3}
    if name in PIECE_NAMES:
        tiny["classes"] = 129
    return tiny


def published_config(name: str, **sizes: int) -> dict[str, Any]:
    """The configuration in the file, with other sizes where asked; full size by default."""
    size = full_sizes(name) | sizes
    kind = "emo" if name == "emo" else name.rpartition("_")[2]
    old = kind == "emo" or name[:2] in ("v1", "v2")
    config = yaml.safe_load(_RNNT_V2 if old else _CTC_V3)
    config["model_class"] = kind
    for key, word in (("n_layers", "n_layers"), ("d_model", "d_model"), ("n_heads", "n_heads")):
        config["encoder"][key] = size[word]
    config["encoder"]["ff_expansion_factor"] = size["feed_forward"]
    config["encoder"]["conv_kernel_size"] = size["conv_kernel"]
    if not old or size["subsampling_kernel"] != 3:
        config["encoder"]["subs_kernel_size"] = size["subsampling_kernel"]
    if kind == "emo" or name.startswith("v1"):
        config["encoder"]["self_attention_model"] = "rel_pos"
    _set_head(config, name, kind, size)
    if not old:
        config["model_name"] = name
        config.pop("hashes")
        if name in _HASHES:
            config["hashes"] = dict(_HASHES[name])
    return config


def _set_head(config: dict[str, Any], name: str, kind: str, size: dict[str, int]) -> None:
    decoding = config.pop("decoding")
    labels = config.pop("labels", None)
    del config["head"]
    if kind == "emo":
        config["head"] = {
            "_target_": "torch.nn.Linear",
            "in_features": size["d_model"],
            "out_features": size["classes"],
        }
        config["id2name"] = {0: "angry", 1: "sad", 2: "neutral", 3: "positive"}
    if kind not in ("ctc", "rnnt"):
        return
    head = yaml.safe_load(_CTC_HEAD if kind == "ctc" else _RNNT_HEAD)
    if kind == "ctc":
        head |= {"feat_in": size["d_model"], "num_classes": size["classes"]}
    else:
        hidden, classes = size["hidden"], size["classes"]
        head["decoder"] |= {"pred_hidden": hidden, "num_classes": classes}
        head["joint"] |= {
            "enc_hidden": size["d_model"],
            "pred_hidden": hidden,
            "joint_hidden": hidden,
            "num_classes": classes,
        }
    config["head"] = head
    decoding["_target_"] = f"gigaam.decoding.{kind.upper()}GreedyDecoding"
    if name in PIECE_NAMES:
        decoding |= {"vocabulary": None, "model_path": f"/somewhere/else/{name}_tokenizer.model"}
    elif name.startswith("multilingual"):
        decoding["vocabulary"] = MULTILINGUAL_CHARACTERS
    config["decoding"] = decoding
    if labels and name not in PIECE_NAMES:
        config["labels"] = labels


# ---------------------------------------------------------------------------------------------
# Tensors
# ---------------------------------------------------------------------------------------------

Table = dict[str, tuple[tuple[int, ...], torch.dtype]]


def published_table(name: str, *, encoder_dtype: torch.dtype | None = None, **sizes: int) -> Table:
    """Shape and dtype of every tensor in the file, in order; full size by default.

    Args:
        name: A published model.
        encoder_dtype: What the encoder is stored in; float16 for v3, else float32.
        sizes: Replacements for entries of ``full_sizes``.
    """
    size = full_sizes(name) | sizes
    old = name == "emo" or name[:2] in ("v1", "v2")
    window = 400 if old else 320
    if encoder_dtype is None:
        encoder_dtype = torch.float16 if name in HALF_NAMES else torch.float32
    table: Table = {
        "preprocessor.featurizer.0.spectrogram.window": ((window,), torch.float32),
        "preprocessor.featurizer.0.mel_scale.fb": ((window // 2 + 1, 64), torch.float32),
    }
    shapes = _subsampling(size, two_dimensional=old)
    for index in range(size["n_layers"]):
        relative = name == "emo" or name.startswith("v1")
        layer = _layer(size, batch_norm=old, relative=relative)
        shapes |= {f"layers.{index}.{key}": shape for key, shape in layer.items()}
    for key, shape in shapes.items():
        dtype = torch.int64 if key.endswith("num_batches_tracked") else encoder_dtype
        table[f"encoder.{key}"] = (shape, dtype)
    for key, shape in _head(name, size).items():
        table[f"head.{key}"] = (shape, torch.float32)
    return table


def _subsampling(size: dict[str, int], two_dimensional: bool) -> dict[str, tuple[int, ...]]:
    d, k = size["d_model"], size["subsampling_kernel"]
    if two_dimensional:
        return {
            "pre_encode.conv.0.weight": (d, 1, k, k),
            "pre_encode.conv.0.bias": (d,),
            "pre_encode.conv.2.weight": (d, d, k, k),
            "pre_encode.conv.2.bias": (d,),
            "pre_encode.out.weight": (d, d * 16),
            "pre_encode.out.bias": (d,),
        }
    return {
        "pre_encode.conv.0.weight": (d, 64, k),
        "pre_encode.conv.0.bias": (d,),
        "pre_encode.conv.2.weight": (d, d, k),
        "pre_encode.conv.2.bias": (d,),
    }


def _layer(size: dict[str, int], batch_norm: bool, relative: bool) -> dict[str, tuple[int, ...]]:
    d, k, heads = size["d_model"], size["conv_kernel"], size["n_heads"]
    ff = d * size["feed_forward"]
    shapes: dict[str, tuple[int, ...]] = {}
    for norm in ("feed_forward1", "conv", "self_att", "feed_forward2", "out"):
        shapes |= {f"norm_{norm}.weight": (d,), f"norm_{norm}.bias": (d,)}
    for module in ("feed_forward1", "feed_forward2"):
        shapes |= {
            f"{module}.linear1.weight": (ff, d),
            f"{module}.linear1.bias": (ff,),
            f"{module}.linear2.weight": (d, ff),
            f"{module}.linear2.bias": (d,),
        }
    shapes |= {
        "conv.pointwise_conv1.weight": (2 * d, d, 1),
        "conv.pointwise_conv1.bias": (2 * d,),
        "conv.depthwise_conv.weight": (d, 1, k),
        "conv.depthwise_conv.bias": (d,),
        "conv.batch_norm.weight": (d,),
        "conv.batch_norm.bias": (d,),
        "conv.pointwise_conv2.weight": (d, d, 1),
        "conv.pointwise_conv2.bias": (d,),
    }
    if batch_norm:
        shapes |= {
            "conv.batch_norm.running_mean": (d,),
            "conv.batch_norm.running_var": (d,),
            "conv.batch_norm.num_batches_tracked": (),
        }
    for linear in ("q", "k", "v", "out"):
        shapes |= {
            f"self_attn.linear_{linear}.weight": (d, d),
            f"self_attn.linear_{linear}.bias": (d,),
        }
    if relative:
        shapes |= {
            "self_attn.pos_bias_u": (heads, d // heads),
            "self_attn.pos_bias_v": (heads, d // heads),
            "self_attn.linear_pos.weight": (d, d),
        }
    return shapes


def _head(name: str, size: dict[str, int]) -> dict[str, tuple[int, ...]]:
    d, c, h = size["d_model"], size["classes"], size["hidden"]
    if name == "emo":
        return {"weight": (c, d), "bias": (c,)}
    if name.endswith("ctc"):
        return {"decoder_layers.0.weight": (c, d, 1), "decoder_layers.0.bias": (c,)}
    if name.endswith("rnnt"):
        return {
            "decoder.embed.weight": (c, h),
            "decoder.lstm.weight_ih_l0": (4 * h, h),
            "decoder.lstm.weight_hh_l0": (4 * h, h),
            "decoder.lstm.bias_ih_l0": (4 * h,),
            "decoder.lstm.bias_hh_l0": (4 * h,),
            "joint.pred.weight": (h, h),
            "joint.pred.bias": (h,),
            "joint.enc.weight": (h, d),
            "joint.enc.bias": (h,),
            "joint.joint_net.1.weight": (c, h),
            "joint.joint_net.1.bias": (c,),
        }
    return {}


def published_state_dict(
    name: str, *, seed: int = 0, encoder_dtype: torch.dtype | None = None, **sizes: int
) -> "OrderedDict[str, Tensor]":
    """Seeded random tensors for the whole table, scaled so that activations stay near 1."""
    generator = torch.Generator().manual_seed(seed)
    table = published_table(name, encoder_dtype=encoder_dtype, **sizes)
    state: OrderedDict[str, Tensor] = OrderedDict()
    for key, (shape, dtype) in table.items():
        state[key] = _values(key, shape, generator).to(dtype)
        assert state[key].shape == shape, key
    if name in HALF_NAMES:  # their front-end went through bfloat16 once, and is kept as float32
        for key in (key for key in state if key.startswith("preprocessor.")):
            state[key] = state[key].bfloat16().float()
    if not name.startswith("multilingual"):  # stored without
        state._metadata = _module_versions(state)
    return state


def _module_versions(state: dict[str, Tensor]) -> "OrderedDict[str, dict[str, int]]":
    """What torch keeps beside the tensors of a module: the version of each submodule's layout."""
    versions: OrderedDict[str, dict[str, int]] = OrderedDict({"": {"version": 1}})
    for key in state:
        parts = key.split(".")
        for depth in range(1, len(parts)):
            module = ".".join(parts[:depth])
            is_counted = f"{module}.num_batches_tracked" in state
            versions[module] = {"version": 2 if is_counted else 1}
    return versions


def _values(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if key.endswith("window"):
        return torch.hann_window(shape[0], periodic=True)
    if key.endswith("mel_scale.fb"):
        return mel_filterbank(shape[0])
    if key.endswith("num_batches_tracked"):
        return torch.tensor(1000)
    noise = torch.randn(shape, generator=generator)
    if key.endswith("running_var"):
        return 0.5 + torch.rand(shape, generator=generator)
    if "norm" in key and key.endswith("weight"):
        return 1 + 0.1 * noise
    if len(shape) == 1 or "pos_bias" in key or key.endswith("running_mean"):
        return 0.05 * noise
    if key.endswith("embed.weight"):
        return noise  # the blank's row too: nothing may ever look at it
    return noise / math.sqrt(math.prod(shape[1:]))


def mel_filterbank(frequencies: int) -> Tensor:
    """The HTK mel matrix float32 [frequencies, 64] of 0–8000 Hz, as torchaudio makes it."""
    torchaudio = import_torchaudio()
    bounds_hz = 0.0, 8000.0
    return torchaudio.functional.melscale_fbanks(frequencies, *bounds_hz, 64, 16_000)


# ---------------------------------------------------------------------------------------------
# Tokenizers
# ---------------------------------------------------------------------------------------------

_TEXT = """\
У лукоморья дуб зелёный; златая цепь на дубе том: и днём и ночью кот учёный всё ходит по цепи кругом.
Идёт направо — песнь заводит, налево — сказку говорит. Там чудеса: там леший бродит, русалка на ветвях сидит.
Мой дядя самых честных правил, когда не в шутку занемог, он уважать себя заставил и лучше выдумать не мог.
Мороз и солнце; день чудесный! Ещё ты дремлешь, друг прелестный — пора, красавица, проснись.
Буря мглою небо кроет, вихри снежные крутя; то, как зверь, она завоет, то заплачет, как дитя.
Белеет парус одинокий в тумане моря голубом! Что ищет он в стране далёкой? Что кинул он в краю родном?
Я помню чудное мгновенье: передо мной явилась ты, как мимолётное виденье, как гений чистой красоты.
Скажи-ка, дядя, ведь не даром Москва, спалённая пожаром, французу отдана? Ведь были ж схватки боевые.
Выхожу один я на дорогу; сквозь туман кремнистый путь блестит; ночь тиха, пустыня внемлет богу.
Люблю грозу в начале мая, когда весенний, первый гром, как бы резвяся и играя, грохочет в небе голубом.
Зима!.. Крестьянин, торжествуя, на дровнях обновляет путь; его лошадка, снег почуя, плетётся рысью.
Нас было 12 человек, и в 1837 году, 5 июля, мы проехали 340 вёрст; объём груза — 20 тонн, цена — 7 рублей.
Широкая электрическая щётка, объезд, подъём, съёмка, юбка, эхо, этаж, цапля, чаща, шея, щука, ёлка.
"""  # noqa: E501


@functools.lru_cache
def tokenizer_model(name: str, pieces: int) -> bytes:
    """A SentencePiece model like the published one: ``<unk>`` is 0; no bos, eos or padding.

    v1_rnnt works in lower case without punctuation; the e2e models write everything.
    """
    lines = _TEXT.splitlines()
    if name == "v1_rnnt":
        keep = set(" абвгдежзийклмнопрстуфхцчшщъыьэюя")
        lines = ["".join(c for c in s.lower().replace("ё", "е") if c in keep) for s in lines]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=pieces,
        model_type="unigram" if name == "v3_e2e_rnnt" else "bpe",
        character_coverage=1.0,
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


# ---------------------------------------------------------------------------------------------
# Files
# ---------------------------------------------------------------------------------------------


def build_published(
    name: str,
    directory: Path,
    *,
    seed: int = 0,
    edit: Edit | None = None,
    encoder_dtype: torch.dtype | None = None,
    **sizes: int,
) -> Path:
    """``<name>.ckpt`` as published, tiny unless ``sizes`` say otherwise; with its tokenizer file.

    Args:
        name: A published model.
        directory: Where the files go.
        seed: Of the random weights.
        edit: Changes the tensors in place before they are saved, to scale a head, say.
        encoder_dtype: What the encoder is stored in; float16 for v3, else float32.
        sizes: Replacements for entries of ``tiny_sizes``.
    """
    size = tiny_sizes(name) | sizes
    state = published_state_dict(name, seed=seed, encoder_dtype=encoder_dtype, **size)
    if edit is not None:
        edit(state)
    config = OmegaConf.create(published_config(name, **size))
    path = directory / f"{name}.ckpt"
    torch.save({"state_dict": state, "cfg": config}, path)
    if name in PIECE_NAMES:
        model = tokenizer_model(name, size["classes"] - 1)
        path.with_name(f"{name}_tokenizer.model").write_bytes(model)
    return path


def build_fine_tuned(
    name: str,
    directory: Path,
    *,
    model_name: str | None = None,
    store_config: bool = True,
    hyper_parameters: dict[str, Any] | None = None,
    seed: int = 0,
    edit: Edit | None = None,
    **sizes: int,
) -> Path:
    """``fine_tuned.ckpt``, a Lightning checkpoint of a fine-tuning, with all that stands in one.

    Args:
        name: The published model that was fine-tuned.
        directory: Where the file and, beside it, the tokenizer go.
        model_name: What its user had typed; ``name`` by default.
        store_config: Whether ``hyper_parameters`` holds ``model_cfg``.
        hyper_parameters: Further entries.
        seed: Of the random weights.
        edit: Changes the tensors in place before they are saved.
        sizes: Replacements for entries of ``tiny_sizes``.
    """
    size = tiny_sizes(name) | sizes
    state = published_state_dict(name, seed=seed, encoder_dtype=torch.float32, **size)
    if edit is not None:
        edit(state)
    state["loss_weights"] = torch.ones(3)
    state["teacher.encoder.scale"] = torch.ones(1)
    hyper = {"model_name": model_name or name, "lr": 1e-4, **(hyper_parameters or {})}
    if store_config:
        config = published_config(name, **size)
        config.pop("hashes", None)
        hyper["model_cfg"] = config
    checkpoint = {
        "epoch": 3,
        "global_step": 1200,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": state,
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 4}}}},
        "callbacks": {
            "ModelCheckpoint{'monitor': 'val_wer', 'mode': 'min'}": {
                "best_model_score": torch.tensor(0.1),
                "best_k_models": {"/runs/1/best.ckpt": torch.tensor(0.1)},
                "dirpath": "/runs/1",
            }
        },
        "optimizer_states": [
            {
                "state": {0: {"step": torch.tensor(7.0), "exp_avg": torch.zeros(2)}},
                "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.98), "fused": None, "params": [0]}],
            }
        ],
        "lr_schedulers": [{"T_max": 10, "last_epoch": 3, "base_lrs": [1e-4], "_last_lr": [1e-5]}],
        "hparams_name": "kwargs",
        "hyper_parameters": hyper,
    }
    path = directory / "fine_tuned.ckpt"
    torch.save(checkpoint, path)
    if name in PIECE_NAMES:
        model = tokenizer_model(name, size["classes"] - 1)
        path.with_name("fine_tuned_tokenizer.model").write_bytes(model)
    return path


def build_hugging_face(
    name: str,
    directory: Path,
    *,
    safetensors: bool = False,
    shards: int = 1,
    seed: int = 0,
    edit: Edit | None = None,
    encoder_dtype: torch.dtype | None = None,
    **sizes: int,
) -> Path:
    """A directory in the layout of the Hugging Face repositories.

    Args:
        name: A published model.
        directory: Created; gets config.json, the weights and, where needed, tokenizer.model.
        safetensors: model.safetensors instead of pytorch_model.bin.
        shards: More than 1 splits the weights and writes an index.
        seed: Of the random weights.
        edit: Changes the tensors in place before they are saved.
        encoder_dtype: What the encoder is stored in; float16 for v3, else float32.
        sizes: Replacements for entries of ``tiny_sizes``.
    """
    size = tiny_sizes(name) | sizes
    directory.mkdir(parents=True, exist_ok=True)
    state = published_state_dict(name, seed=seed, encoder_dtype=encoder_dtype, **size)
    if edit is not None:
        edit(state)
    config = published_config(name, **size)
    _retarget(config)
    if name in PIECE_NAMES:
        config["decoding"]["model_path"] = "tokenizer.model"
        model = tokenizer_model(name, size["classes"] - 1)
        (directory / "tokenizer.model").write_bytes(model)
    document = {
        "model_type": "gigaam",
        "architectures": ["GigaAMModel"],
        "auto_map": {
            "AutoConfig": "modeling_gigaam.GigaAMConfig",
            "AutoModel": "modeling_gigaam.GigaAMModel",
        },
        "cfg": {"model": {"cfg": config}},
    }
    text = json.dumps(document, ensure_ascii=False, indent=2)
    (directory / "config.json").write_text(text, encoding="utf-8")
    prefixed = OrderedDict((f"model.{key}", value) for key, value in state.items())
    _save_weights(prefixed, directory, safetensors, shards)
    return directory


def _retarget(config: dict[str, Any]) -> None:
    for part in config.values():
        if isinstance(part, dict) and str(part.get("_target_", "")).startswith("gigaam."):
            part["_target_"] = "modeling_gigaam." + part["_target_"].rpartition(".")[2]


def _save_weights(
    state: "OrderedDict[str, Tensor]", directory: Path, safetensors: bool, shards: int
) -> None:
    save = save_file if safetensors else torch.save
    stem, suffix = ("model", "safetensors") if safetensors else ("pytorch_model", "bin")
    if shards == 1:
        save(state, directory / f"{stem}.{suffix}")
        return
    weight_map = {}
    for index in range(shards):
        file = f"{stem}-{index + 1:05d}-of-{shards:05d}.{suffix}"
        names = [*state][index::shards]
        save({name: state[name] for name in names}, directory / file)
        weight_map |= dict.fromkeys(names, file)
    document = json.dumps({"metadata": {}, "weight_map": weight_map})
    (directory / f"{stem}.{suffix}.index.json").write_text(document)
