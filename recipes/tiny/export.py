"""Writes a trained network as a model directory: ``python -m recipes.tiny.export RUN DIRECTORY``.

The encoder is stored in half precision; the front-end and the head stay float32, as in the v3
files.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from gigaam.checkpoints import write_directory
from recipes.tiny.train import DEFAULT_CONFIG, read_config


def half_precision_encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights, those of the encoder as float16."""
    return {
        name: tensor.half() if name.startswith("encoder.") else tensor.float()
        for name, tensor in state.items()
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the run, with final.pt")
    parser.add_argument("directory", type=Path, help="where the model goes")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG)
    arguments = parser.parse_args()
    state = torch.load(arguments.run / "final.pt", weights_only=True)
    model = read_config(arguments.config).model
    write_directory(arguments.directory, model, half_precision_encoder(state))
    size = sum(f.stat().st_size for f in arguments.directory.iterdir() if f.is_file())
    print(f"{arguments.directory}: {sum(t.numel() for t in state.values())} values, {size} bytes")


if __name__ == "__main__":
    main()
