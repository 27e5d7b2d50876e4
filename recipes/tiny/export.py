"""Writes a trained network as a model directory: ``python -m recipes.tiny.export RUN DIRECTORY``.

The encoder is stored in half precision; the front-end and the head stay float32, as in the v3
files. Given a transducer's run, ``--config recipes/tiny/tiny_rnnt.yaml`` writes the transducer;
without it, the CTC model made of its encoder and auxiliary head is written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from gigaam.assembly import build_model
from recipes.tiny.train import CTC_NAME, DEFAULT_CONFIG, read_config
from recipes.training.starting_point import FINAL_NAME


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the run, with final.pt")
    parser.add_argument("directory", type=Path, help="directory for the model")
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, help="config of the model to write"
    )
    arguments = parser.parse_args()
    config = read_config(arguments.config).model
    weights = arguments.run / FINAL_NAME
    if config["model_class"] == "ctc" and (arguments.run / CTC_NAME).exists():
        weights = arguments.run / CTC_NAME
    model = build_model(config)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.save(arguments.directory, encoder_dtype="float16")
    size = sum(f.stat().st_size for f in arguments.directory.iterdir() if f.is_file())
    print(f"{arguments.directory}: {size} bytes")


if __name__ == "__main__":
    main()
