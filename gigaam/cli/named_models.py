"""The models that a command line names, if they can do what the command is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

import gigaam
from gigaam.cli.command_options import Talk, refuse
from gigaam.cli.printing import complain
from gigaam.errors import ArgumentError, DownloadError, GigaAMError
from gigaam.loading import need_torch
from gigaam.quoting import said, some
from gigaam.store import registry
from gigaam.store.exports import Export, exported_beside, find_export
from gigaam.store.registry import RECOGNITION_TASKS, TASKS, ModelInfo
from gigaam.store.resolver import Place, find

if TYPE_CHECKING:
    from gigaam.decoding import DecodingOptions
    from gigaam.model import GigaAM
    from gigaam.recognition import SpeechRecognition

__all__ = ["DEFAULT_MODEL", "EVALUATION", "EXPORT", "RECOGNITION", "NamedModel"]

DEFAULT_MODEL = "v3_rnnt"
"""What recognises where no model is named."""


@dataclass(frozen=True)
class Ability:
    """What a command needs.

    Attributes:
        tasks: Of models that have it.
        refusal: What is said of those that do not.
        runs_exports: Whether exported models have it, too.
    """

    tasks: tuple[str, ...]
    refusal: str
    runs_exports: bool = True


RECOGNITION = Ability(RECOGNITION_TASKS, "does not recognise speech")
EVALUATION = Ability((*RECOGNITION_TASKS, "emo"), "neither recognises speech nor tells emotions")
EXPORT = Ability(TASKS, "cannot be exported", runs_exports=False)


@dataclass(frozen=True)
class NamedModel:
    """What a command line says of its model.

    Attributes:
        needs: What it is to do.
        name: A name or path, also of an exported model; unused if there is ``onnx``.
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
        self._place()

    def load(self) -> Any:
        """The model.

        Raises:
            BadParameter: It is none, or for another task.
            GigaAMError: It cannot be loaded.
        """
        place = self._place()
        loaded = self._exported(place) if isinstance(place, Export) else self._loaded(place)
        if self.how_much == Talk.VERBOSE:
            complain(f"{self.called} computes on {loaded.device}")
        return loaded

    def load_recogniser(self, decoding: DecodingOptions | None) -> SpeechRecognition:
        """The model; one that cannot be loaded, or search so, ends the command."""
        try:
            recogniser: SpeechRecognition = self.load()
            recogniser.recognizer(decoding)
        except (GigaAMError, OSError) as error:
            complain(said(error))
            raise typer.Exit(1) from error
        return recogniser

    def _place(self) -> Place:
        """Where the model is."""
        if self.onnx is not None:
            if (export := find_export(self.onnx)) is not None:
                return export
            there = some(exported_beside(self.onnx))
            told = f"there is no directory {self.onnx} and no exported model of that name"
            refuse("--onnx", f"{told}; there are: {there}" if there else told)
        try:
            place = find(self.name)
        except GigaAMError as error:
            refuse(self.option, str(error))
        if isinstance(place, ModelInfo) and place.task not in self.needs.tasks:
            self._refuse_unable()
        if isinstance(place, Export) and not self.needs.runs_exports:
            refuse(self.option, f"{place} is an exported model already")
        return place

    def _refuse_unable(self) -> NoReturn:
        able = [info.name for info in registry.MODELS.values() if info.task in self.needs.tasks]
        refuse(self.option, f"{self.name!r} {self.needs.refusal}; these do: {', '.join(able)}")

    def _loaded(self, place: ModelInfo | Path) -> GigaAM:
        need_torch()  # says if it is missing, before anything is fetched
        if isinstance(place, ModelInfo):
            self._fetch()
        loaded = gigaam.load_model(self.name, device=self.device)
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

    def _exported(self, export: Export) -> Any:
        from gigaam.onnx import load

        try:
            loaded = load(export.directory, name=export.name, device=self.device)
        except ArgumentError as error:
            if self.device is None:
                raise
            raise typer.BadParameter(str(error), param_hint="--device") from error
        if loaded.metadata.kind not in self.needs.tasks:
            option = self.option if self.onnx is None else "--onnx"
            refuse(option, f"the model in {export} {self.needs.refusal}")
        return loaded
