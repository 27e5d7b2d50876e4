"""A fine-tuning run's configuration: YAML files and ``key=value``, put together by Hydra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from gigaam.errors import ArgumentError
from gigaam.training.options import RunOptions

__all__ = ["configurations", "read_options", "typed"]

_FOLDER = Path(__file__).with_name("configs")

T = TypeVar("T")


def configurations() -> list[str]:
    """Names of the configurations in the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def read_options(config: str, overrides: Sequence[str] = ()) -> RunOptions:
    """The options of a run.

    Args:
        config: A configuration of the package (see `configurations`) or a YAML file, whose
            ``defaults`` may name one of the package.
        overrides: Such as ``optimizer.peak_lr=1e-4``, in Hydra's grammar.

    Raises:
        ArgumentError: There is no such configuration, or an option is none or of a wrong type; the
            message says which.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    path = _FOLDER / f"{config}.yaml" if config in configurations() else Path(config)
    if not path.is_file():
        raise ArgumentError(
            f"there is no configuration {config!r}: it is a YAML file or one of "
            f"{', '.join(configurations())}"
        )
    store = ConfigStore.instance()
    store.store("gigaam_options", RunOptions)
    store.store(
        "gigaam_run",
        {
            "defaults": ["gigaam_options", path.stem, "_self_"],
            "hydra": {"searchpath": [f"file://{_FOLDER}"]},
        },
    )
    if GlobalHydra.instance().is_initialized():
        GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(path.parent.absolute()), version_base="1.3"):
            composed = compose("gigaam_run", list(overrides))
        options = OmegaConf.to_object(composed)
    except (HydraException, OmegaConfBaseException) as error:
        raise ArgumentError(f"{config}: {_chain(error)}") from error
    assert isinstance(options, RunOptions)
    return options


def typed(kind: type[T], section: str, values: dict[str, Any]) -> T:
    """A section of free form as the dataclass that says what may be in it.

    Args:
        kind: The dataclass.
        section: What the section is called.
        values: Its content; lists stand for tuples.

    Raises:
        ArgumentError: It holds an option that there is not.
    """
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if unknown := sorted(values.keys() - set(known)):
        raise ArgumentError(
            f"{section} has no option {', '.join(unknown)}; there are: {', '.join(known)}"
        )
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def _chain(error: BaseException) -> str:
    """An error's message and those of its causes: Hydra tells the place, OmegaConf the fault."""
    messages: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        message = str(cause).split("\n")[0]
        if message not in messages:
            messages.append(message)
        cause = cause.__cause__
    return ": ".join(messages)
