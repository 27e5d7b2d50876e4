"""Writes a trained network as a model directory: ``python -m recipes.tiny.export RUN DIRECTORY``.

The encoder is stored in half precision; the front-end and the head stay float32, as in the v3
files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from gigaam.loading import build_model
from gigaam.training.starting_point import FINAL_NAME
from recipes.tiny.train import DEFAULT_CONFIG, read_config


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the run, with final.pt")
    parser.add_argument("directory", type=Path, help="where the model goes")
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, help="the one the run was started with"
    )
    arguments = parser.parse_args()
    model = build_model(read_config(arguments.config).model)
    model.load_state_dict(torch.load(arguments.run / FINAL_NAME, weights_only=True))
    model.save(arguments.directory, encoder_dtype="float16")
    size = sum(f.stat().st_size for f in arguments.directory.iterdir() if f.is_file())
    print(f"{arguments.directory}: {size} bytes")


if __name__ == "__main__":
    main()
