"""A fine-tuning run's configuration: YAML files and ``key=value``, composed by Hydra."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml  # type: ignore[import-untyped]

from gigaam.errors import ArgumentError
from gigaam.training.options import RunOptions

__all__ = ["configurations", "read_options", "typed"]

_FOLDER = Path(__file__).with_name("configs")

_MANIFESTS = ("data.train", "data.dev", "data.test")
_TEXTS = {
    *_MANIFESTS,
    *("out", "model.init", "model.architecture", "model.vocabulary", "model.name"),
}
"""Options whose values, mostly paths, are taken literally, whatever Hydra's grammar says."""

T = TypeVar("T")


def configurations() -> list[str]:
    """Names of the packaged configurations."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def read_options(config: str, overrides: Sequence[str] = ()) -> RunOptions:
    """The options of a run.

    Args:
        config: A packaged configuration (see `configurations`) or a YAML file, whose ``defaults``
            may name a packaged one.
        overrides: ``key=value`` pairs such as ``optimizer.peak_lr=1e-4``, in Hydra's grammar; paths
            need no quotes, and a single manifest needs no brackets.

    Raises:
        ArgumentError: There is no such configuration, or an option is unknown or of the wrong type;
            the message says which.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    path = _FOLDER / f"{config}.yaml" if config in configurations() else Path(config)
    if not path.is_file():
        raise ArgumentError(
            f"there is no configuration {config!r}: give a YAML file or one of "
            f"{', '.join(configurations())}"
        )
    if path.suffix != ".yaml":
        raise ArgumentError(f"{config}: the name of a configuration file must end in .yaml")
    _check_file(path)
    given = [_in_hydra_grammar(override) for override in overrides]
    try:
        return _composed(path, given)
    except (HydraException, OmegaConfBaseException) as error:
        raise ArgumentError(f"{config}: {_chain(error)}") from error


def _composed(path: Path, overrides: list[str]) -> RunOptions:
    """The options in a file with the overrides applied, composed by Hydra."""
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

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
    with initialize_config_dir(str(path.parent.absolute()), version_base="1.3"):
        options = OmegaConf.to_object(compose("gigaam_run", overrides))
    assert isinstance(options, RunOptions)
    return options


def typed(kind: type[T], section: str, values: dict[str, Any]) -> T:
    """A free-form section as an instance of the dataclass that describes it.

    Args:
        kind: The dataclass.
        section: Name of the section.
        values: Content of the section; lists stand for tuples.

    Raises:
        ArgumentError: It contains an unknown option, or a value of the wrong type.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if unknown := sorted(values.keys() - set(known)):
        raise ArgumentError(
            f"{section} has no option {', '.join(unknown)}; there are: {', '.join(known)}"
        )
    try:
        checked: Any = OmegaConf.to_container(OmegaConf.merge(OmegaConf.structured(kind), values))
    except OmegaConfBaseException as error:
        raise ArgumentError(f"{section}.{error.full_key}: {_chain(error)}") from error
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in checked.items()})


def _in_hydra_grammar(override: str) -> str:
    """A ``key=value`` from the command line in Hydra's grammar; its key must be known."""
    key, separator, value = override.partition("=")
    name = key.strip().lstrip("+~")
    if not separator or not name:
        raise ArgumentError(f"{override!r} is not an option: write KEY=VALUE, as in out=my_model")
    _check_name(name)
    if name not in _TEXTS or value in ("", "null"):
        return override
    if value.startswith("["):
        return f"{key}={_quoted_list(value)}"
    if name in _MANIFESTS and "," in value and not Path(value).exists():
        raise ArgumentError(f"to give several manifests, write '{name}=[{value}]'")
    return f"{key}={_quoted(value)}"


def _check_file(path: Path) -> None:
    """Checks that a file is YAML and that its options are known."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ArgumentError(f"{path} holds no options: write lines KEY: VALUE, as in out: my_model")
    known = _names(asdict(RunOptions()))
    for name in _names({key: content[key] for key in content if key != "defaults"}):
        if name not in known:
            raise ArgumentError(f"{path}: there is no option {name!r}{_suggestion(name, known)}")


def _check_name(name: str) -> None:
    """Checks that an option, or a section of options, is known."""
    known = _names(asdict(RunOptions()))
    if name not in known and not any(each.startswith(f"{name}.") for each in known):
        raise ArgumentError(f"there is no option {name!r}{_suggestion(name, known)}")


def _names(section: dict[str, Any], prefix: str = "") -> list[str]:
    """The names of all options, as given on the command line."""
    names: list[str] = []
    for key, value in section.items():
        name = f"{prefix}{key}"
        names += _names(value, f"{name}.") if isinstance(value, dict) else [name]
    return names


def _suggestion(name: str, known: Sequence[str]) -> str:
    """The names that may have been meant."""
    if parts := [each for each in known if each.startswith(f"{name}.")]:
        return f"; there are: {', '.join(parts)}"
    last = {each.rpartition(".")[2]: each for each in known}
    near = [last[each] for each in get_close_matches(name.rpartition(".")[2], last, 2, 0.75)]
    near = list(dict.fromkeys([*get_close_matches(name, known, 2, 0.75), *near]))
    if near:
        return f": did you mean {' or '.join(near)}?"
    section = name.partition(".")[0]
    siblings = [each for each in known if each.startswith(f"{section}.")] or known
    return f"; there are: {', '.join(siblings)}"


def _quoted(value: str) -> str:
    """A value quoted so that it is taken literally, unless it is quoted already."""
    if value[0] in "'\"":
        return value
    # Backslashes are literal except before a quote, which they escape.
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", re.sub(r"(\\+)$", r"\1\1", value))
    return f"'{escaped}'"


def _quoted_list(value: str) -> str:
    """A list whose elements are taken literally, unless any is quoted."""
    inner = value.strip()[1:-1]
    if not value.strip().endswith("]") or "'" in inner or '"' in inner:
        return value
    return f"[{','.join(_quoted(each.strip()) for each in inner.split(',') if each.strip())}]"


def _chain(error: BaseException) -> str:
    """An error's message and those of its causes: Hydra names the place, OmegaConf the fault."""
    messages: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        for line in map(str.strip, str(cause).splitlines()):
            if line.startswith("Config search path"):
                break
            if line and line not in messages and not line.startswith("object_type="):
                messages.append(line)
        cause = cause.__cause__
    return "; ".join(messages)
