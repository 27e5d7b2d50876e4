"""Small models in the published form that say something, and what a registry knows of them."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

import gigaam
from gigaam.model import GigaAM, GigaAMASR
from gigaam.store import registry
from tests.nets import make_talkative
from tests.published import PIECE_NAMES, build_published

SEEDS = {"v1_rnnt": 4, "v2_rnnt": 4, "v3_rnnt": 4, "v3_e2e_rnnt": 6, "multilingual_ctc": 1}
"""Of random models that say too little or too much with the usual seed: thousands of tokens, each
about as likely as the next best, sooner or later hang on the last bit."""


def small_model(name: str, directory: Path, **sizes: int) -> GigaAM:
    """A published model of small size, loaded; a recogniser gives words for noise.

    Args:
        name: A published model.
        directory: For its files.
        sizes: Of the net, if not tiny; see `tests.published.full_sizes`. The predictor of an RNN-T
            model has the published width.
    """
    seed = SEEDS.get(name, 0)
    path = build_published(name, directory, seed=seed, **{"hidden": 320, **sizes})
    model = gigaam.load_model(path, device="cpu")
    if isinstance(model, GigaAMASR):
        make_talkative(model, space=None if name in PIECE_NAMES else 0)
    return model


def talkative_head(name: str, directory: Path) -> Callable[[dict[str, Tensor]], None]:
    """Replaces the random head's weights of a tiny published model by ones that give words."""
    directory.mkdir()
    model = gigaam.load_model(build_published(name, directory), device="cpu")
    assert isinstance(model, GigaAMASR)
    make_talkative(model, space=None if name in PIECE_NAMES else 0)
    weights = {f"head.{key}": value for key, value in model.head.state_dict().items()}
    return lambda state: state.update(weights)


def describe(path: Path) -> registry.RemoteFile:
    """What the registry would know of a published file."""
    content = path.read_bytes()
    return registry.RemoteFile(
        path=path.name, md5=hashlib.md5(content).hexdigest(), size_bytes=len(content)
    )
