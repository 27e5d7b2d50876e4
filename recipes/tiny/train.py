"""Trains a tiny model: ``python -m recipes.tiny.train --data DATA --out RUN --budget-minutes 100``.

Started again with the same ``--out``, it resumes from the last checkpoint.
"""

from __future__ import annotations

import argparse
import logging
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml  # type: ignore[import-untyped]
from numpy.typing import NDArray

from gigaam.assembly import build_model
from gigaam.dataset.manifests import Utterance, read_manifest
from gigaam.decoder import CTCHead
from gigaam.evaluation.scoring import ErrorRates, error_rates
from gigaam.model import GigaAMASR
from gigaam.store.resolver import checkpoint_path
from gigaam.training.augment import AugmentOptions
from gigaam.training.data import SpeechFiles
from gigaam.training.dropout import add_dropout
from gigaam.training.first_layer import (
    band_statistics,
    plain_state_dict,
    standardize_first_layer,
)
from gigaam.training.hearing import transcribe_utterances
from gigaam.training.initial_model import round_front_end
from gigaam.training.loader import Batch, BatchMaker
from gigaam.training.objective import LossOptions
from gigaam.training.optimizer import OptimizerOptions
from gigaam.training.tasks.recognition import RecognitionObjective
from recipes.training.loop import CsvLog, Trainer, save_atomically
from recipes.training.passes import BatchLimits, PassPlan, Source, plan_pass
from recipes.training.prefetch import prefetch
from recipes.training.starting_point import FINAL_NAME, read_weights, start_from

logger = logging.getLogger("tiny")

CTC_NAME = "final_ctc.pt"
"""The file of a finished transducer run with the weights of its auxiliary CTC model."""

DEFAULT_CONFIG = Path(__file__).with_name("tiny_ctc.yaml")
LOG_EVERY_STEPS = 20


@dataclass(frozen=True)
class Run:
    """The content of a configuration file."""

    model: dict[str, Any]
    seed: int
    sources: dict[str, Source]
    development: tuple[str, ...]
    limits: BatchLimits
    augmentation: AugmentOptions
    optimizer: OptimizerOptions
    loss: LossOptions
    dropout: float


def without(run: Run, tables: Sequence[str]) -> Run:
    """The run without some of its training tables, so that their speakers stay unknown."""
    unknown = set(tables) - set(run.sources)
    if unknown:
        raise ValueError(f"no tables to leave out: {', '.join(sorted(unknown))}")
    sources = {name: source for name, source in run.sources.items() if name not in tables}
    return replace(run, sources=sources)


def read_config(path: Path) -> Run:
    """The run described by a YAML file."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Run(
        model=content["model"],
        seed=content["seed"],
        sources={name: _source(options) for name, options in content["sources"].items()},
        development=tuple(content["development"]),
        limits=BatchLimits(**content["batches"]),
        augmentation=AugmentOptions(**content["augmentation"]),
        optimizer=OptimizerOptions(**content["optimizer"]),
        loss=LossOptions(**content.get("loss", {})),
        dropout=content.get("dropout", 0.0),
    )


def _source(options: dict[str, Any]) -> Source:
    pairs: dict[str, Any] = {k: tuple(v) for k, v in options.items() if isinstance(v, list)}
    return Source(**(options | pairs))


def read_manifests(data: Path, names: Sequence[str]) -> dict[str, list[Utterance]]:
    """The manifests that exist."""
    return {n: read_manifest(data / f"{n}.tsv") for n in names if (data / f"{n}.tsv").exists()}


def batches(run: Run, trainer: Trainer, data: Path, files: SpeechFiles) -> Iterator[Batch]:
    """Endless batches, pass after pass, from the trainer's position on."""
    position = trainer.position
    tokenizer = trainer.objective.model.decoding.tokenizer
    while True:
        manifests = read_manifests(data, list(run.sources))
        if not position.pass_plan:
            sizes = {name: len(utterances) for name, utterances in manifests.items()}
            position.pass_plan = asdict(PassPlan(run.seed, 0, trainer.progress, sizes))
        plan = PassPlan(**position.pass_plan)
        planned = plan_pass(plan, manifests, run.sources, run.limits)
        hours = sum(d.duration_s for batch in planned for d in batch) / 3600
        logger.info("pass %d: %.1f h in %d batches, %s", plan.number, hours, len(planned), plan)
        maker = BatchMaker(
            files=files,
            encode=tokenizer.encode,
            options=run.augmentation.at(plan.progress),
            n_bins=run.model["preprocessor"]["features"],
            seed=run.seed,
            pass_number=plan.number,
            babblers=[u for name in sorted(plan.sizes) for u in manifests[name]],
        )
        yield from prefetch(maker.make(draws) for draws in planned[position.batch :])
        sizes = {n: len(u) for n, u in read_manifests(data, list(run.sources)).items()}
        following = PassPlan(run.seed, plan.number + 1, trainer.progress, sizes)
        position.pass_plan, position.batch = asdict(following), 0


def build_objective(
    run: Run, recordings: Sequence[NDArray[np.float32]], init: Path | None
) -> RecognitionObjective:
    """A model with v3-like front-end, its first layer standardized on recordings, and its loss.

    Args:
        run: Describes the model.
        recordings: Some of the training data, float32 [n] each.
        init: A model directory or a finished run to initialise encoder and heads from.
    """
    torch.manual_seed(run.seed)
    model = build_model(run.model)
    assert isinstance(model, GigaAMASR)
    round_front_end(model.preprocessor)
    standardize_first_layer(model, *band_statistics(model.preprocessor, recordings))
    add_dropout(model.encoder, run.dropout)
    objective = RecognitionObjective(model, run.loss)
    if init is not None:
        start_from(objective, read_weights(init))
        if (init / CTC_NAME).exists():
            start_from(objective, torch.load(init / CTC_NAME, weights_only=True))
    return objective


def some_recordings(run: Run, data: Path, files: SpeechFiles) -> list[NDArray[np.float32]]:
    """Every thirtieth of the first utterances of all manifests."""
    manifests = read_manifests(data, list(run.sources))
    return [files.read(u) for name in sorted(manifests) for u in manifests[name][:600:30]]


def evaluate(
    objective: RecognitionObjective, run: Run, data: Path, files: SpeechFiles
) -> dict[str, ErrorRates]:
    """Error rates on each development set."""
    rates = {}
    for name, utterances in read_manifests(data, run.development).items():
        texts = transcribe_utterances(objective.model, utterances, files)
        rates[name] = error_rates([u.text for u in utterances], texts)
        logger.info("%s: %s", name, texts[0])
    return rates


def log_rates(trainer: Trainer, log: CsvLog, kind: str, rates: dict[str, ErrorRates]) -> float:
    """Logs error rates and returns the mean character error rate of the sets."""
    for name, rate in rates.items():
        logger.info("%s weights, %s: CER %.4f WER %.4f", kind, name, rate.cer, rate.wer)
        position = trainer.position
        log.write(
            {
                "step": position.step,
                "elapsed_s": round(position.elapsed_s),
                "weights": kind,
                "set": name,
                "cer": round(rate.cer, 5),
                "wer": round(rate.wer, 5),
            }
        )
    return sum(rate.cer for rate in rates.values()) / max(1, len(rates))


def stop_on_signal() -> threading.Event:
    """An event that SIGTERM and SIGINT set, so that a run stops between steps and is saved."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def train(
    run: Run,
    data: Path,
    out: Path,
    *,
    budget_minutes: float,
    dev_minutes: float,
    init: Path | None,
    bfloat16: bool = False,
) -> None:
    """Trains until the budget is spent and writes ``final.pt`` into `out`."""
    files = SpeechFiles()
    objective = build_objective(run, some_recordings(run, data, files), init)
    trainer = Trainer(
        objective, run.optimizer, budget_s=budget_minutes * 60, directory=out, bfloat16=bfloat16
    )
    resumed = trainer.resume()
    size = sum(p.numel() for p in objective.model.parameters())
    logger.info("%d parameters; %s at %s", size, "resumed" if resumed else "new", trainer.position)
    steps, errors = CsvLog(out / "steps.csv"), CsvLog(out / "dev.csv")
    next_dev_s = trainer.position.elapsed_s + dev_minutes * 60
    window_audio_s, window_s = trainer.position.audio_s, trainer.position.elapsed_s
    window_loss = 0.0
    stopping = stop_on_signal()
    for batch in batches(run, trainer, data, files):
        row = trainer.step(batch)
        steps.write(row)
        window_loss += row["loss"]
        position = trainer.position
        if position.step % LOG_EVERY_STEPS == 0:
            rtfx = (position.audio_s - window_audio_s) / (position.elapsed_s - window_s)
            logger.info(
                "step %d, %.1f %%: loss %.4f, gradient %.2f, lr %.2e, %.0f x real time",
                position.step, 100 * trainer.progress, window_loss / LOG_EVERY_STEPS,
                row["grad_norm"], row["lr"], rtfx,
            )  # fmt: skip
            window_audio_s, window_s, window_loss = position.audio_s, position.elapsed_s, 0.0
        if stopping.is_set():
            trainer.save()
            logger.info("stopped at step %d", position.step)
            return
        if trainer.progress >= 1:
            break
        if position.elapsed_s >= next_dev_s:
            trainer.save()
            trainer.swap_average()
            log_rates(trainer, errors, "average", evaluate(objective, run, data, files))
            trainer.swap_average()
            trainer.tick()
            next_dev_s = position.elapsed_s + dev_minutes * 60
    finish(trainer, errors, run, data, files)


def finish(trainer: Trainer, errors: CsvLog, run: Run, data: Path, files: SpeechFiles) -> None:
    """Writes the last or the averaged weights, whichever do better on the development sets."""
    trainer.save()
    objective = trainer.objective
    last = log_rates(trainer, errors, "last", evaluate(objective, run, data, files))
    trainer.swap_average()
    average = log_rates(trainer, errors, "average", evaluate(objective, run, data, files))
    if last < average:
        trainer.swap_average()
    state = plain_state_dict(objective.model)
    save_atomically(state, trainer.directory / FINAL_NAME)
    if objective.auxiliary is not None:
        save_atomically(with_head(state, objective.auxiliary), trainer.directory / CTC_NAME)
    logger.info("done: %s weights", "last" if last < average else "average")


def with_head(state: Mapping[str, torch.Tensor], head: CTCHead) -> dict[str, torch.Tensor]:
    """The weights of the CTC model made of a transducer's encoder and its auxiliary head."""
    trunk = {name: tensor for name, tensor in state.items() if not name.startswith("head.")}
    return trunk | {f"head.{name}": tensor for name, tensor in head.state_dict().items()}


def parse_arguments() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of manifests")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--budget-minutes", type=float, required=True, help="training time in total"
    )
    parser.add_argument("--dev-minutes", type=float, default=8, help="time between checkpoints")
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, help="describes model and training"
    )
    parser.add_argument(
        "--init",
        help="name or directory of a model, or folder of a run, to initialise from",
    )
    parser.add_argument(
        "--bfloat16",
        action="store_true",
        help="compute products in bfloat16: faster on processors that have it, on others slower",
    )
    parser.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="TABLE",
        help="training tables to leave out, to see how well a speaker is heard whom nobody knows",
    )
    return parser.parse_args()


def main() -> None:
    """Command line."""
    arguments = parse_arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)  # the trainer's workers share the cores instead
    if arguments.bfloat16:  # the gradient of fused attention takes five times as long in it
        torch.backends.cuda.enable_flash_sdp(False)
    train(
        without(read_config(arguments.config), arguments.without),
        arguments.data,
        arguments.out,
        budget_minutes=arguments.budget_minutes,
        dev_minutes=arguments.dev_minutes,
        init=arguments.init and checkpoint_path(arguments.init),
        bfloat16=arguments.bfloat16,
    )


if __name__ == "__main__":
    main()
