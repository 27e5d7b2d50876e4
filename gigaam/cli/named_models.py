"""The models that a command line names, if they can do what the command is for."""

from __future__ import annotations

from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

import gigaam
from gigaam.cli.command_options import Talk, refuse
from gigaam.cli.printing import complain
from gigaam.errors import ArgumentError, DownloadError
from gigaam.store import registry

if TYPE_CHECKING:
    from gigaam.model import GigaAM

__all__ = ["DEFAULT_MODEL", "EVALUATION", "EXPORT", "RECOGNITION", "NamedModel"]

DEFAULT_MODEL = "v3_rnnt"
"""What recognises where no model is named."""


@dataclass(frozen=True)
class Ability:
    """What a command needs.

    Attributes:
        tasks: Of models that have it.
        lack: What is said of those that do not.
    """

    tasks: tuple[str, ...]
    lack: str


RECOGNITION = Ability(("ctc", "rnnt"), "does not recognise speech")
EVALUATION = Ability(("ctc", "rnnt", "emo"), "neither recognises speech nor tells emotions")
EXPORT = Ability(("ctc", "rnnt", "emo", "ssl"), "cannot be exported")


@dataclass(frozen=True)
class NamedModel:
    """What a command line says of its model.

    Attributes:
        needs: What it is to do.
        name: A name or path; unused if there is an exported one.
        onnx: Directory of an exported model, or DIRECTORY/NAME.
        device: Where to compute.
        option: What of the command line names the model.
        how_much: Is said of loading it.
    """

    needs: Ability
    name: str
    onnx: Path | None = None
    device: str | None = None
    option: str = "MODEL"
    how_much: Talk = Talk.NORMAL

    @property
    def called(self) -> str:
        """What it is called in reports."""
        return self.name if self.onnx is None else str(self.onnx)

    def check(self) -> None:
        """Refuses what is no such model, as far as that is known before it is loaded."""
        if self.onnx is not None:
            if not (
                self.onnx.is_dir() or list(self.onnx.parent.glob(f"{escape(self.onnx.name)}*.onnx"))
            ):
                refuse("--onnx", f"there is no directory {self.onnx}, nor such an exported model")
        elif registry.is_known(self.name):
            if registry.resolve(self.name).task not in self.needs.tasks:
                self._refuse_unable()
        elif not Path(self.name).expanduser().exists():
            refuse(self.option, str(registry.unknown_model(self.name)))

    def load(self) -> Any:
        """The model.

        Raises:
            BadParameter: It is none, or for another task.
            GigaAMError: It cannot be loaded.
        """
        self.check()
        loaded = self._load_named() if self.onnx is None else self._load_exported(self.onnx)
        if self.how_much == Talk.VERBOSE:
            complain(f"{self.called} computes on {loaded.device}")
        return loaded

    def _refuse_unable(self) -> NoReturn:
        able = [info.name for info in registry.MODELS.values() if info.task in self.needs.tasks]
        refuse(self.option, f"{self.name!r} {self.needs.lack}; these do: {', '.join(able)}")

    def _load_named(self) -> GigaAM:
        load_model = gigaam.load_model  # says if torch is missing, before anything is fetched
        if registry.is_known(self.name):
            self._fetch()
        loaded = load_model(self.name, device=self.device)
        if loaded.cfg.model_class not in self.needs.tasks:  # a file has to be opened to know
            self._refuse_unable()
        return loaded

    def _fetch(self) -> None:
        from gigaam.store import download  # its lock takes 30 ms to import: not for exported models

        try:
            download.fetch(self.name, progress=False if self.how_much == Talk.QUIET else None)
        except DownloadError as error:
            packaged = [info.name for info in registry.MODELS.values() if info.is_packaged]
            hint = f"To try things out, {' and '.join(packaged)} need no download."
            raise type(error)(f"{error} {hint}") from error

    def _load_exported(self, path: Path) -> Any:
        from gigaam.onnx import load

        # Of several models in one directory one is named as if it were a file.
        directory, name = (path, None) if path.is_dir() else (path.parent, path.name)
        try:
            loaded = load(directory, name=name, device=self.device)
        except ArgumentError as error:
            if self.device is None:
                raise
            raise typer.BadParameter(str(error), param_hint="--device") from error
        if loaded.metadata.kind not in self.needs.tasks:
            refuse("--onnx", f"the model in {path} {self.needs.lack}")
        return loaded
