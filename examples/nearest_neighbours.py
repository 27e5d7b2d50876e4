"""The recordings of a folder that sound most like another one: search by embeddings.

The mean of a recording's embeddings is one vector; recordings are compared by the cosine between
their vectors, after the mean of the folder is taken away, which all have in common. Only the first
30 seconds of each are used.

Needs:  pip install .
Run:    python examples/nearest_neighbours.py calls query.wav --top 5
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

import gigaam
from gigaam.audio import iter_audio
from gigaam.jobs import MEDIA_SUFFIXES

RATE = 16_000


def embedding(model: gigaam.GigaAM, recording: Path) -> NDArray[np.float32]:
    """The mean embedding of the first 30 seconds of a recording, float32 [D]."""
    beginning = next(iter_audio(recording, sample_rate=RATE, block_s=30.0))
    encoded, length = model.embed_audio(beginning, input_rate=RATE)
    mean: NDArray[np.float32] = encoded[0, :, : int(length)].mean(dim=-1).cpu().numpy()
    return mean


def embeddings(model: gigaam.GigaAM, folder: Path) -> Iterator[tuple[Path, NDArray[np.float32]]]:
    """The recordings below a folder that can be read, with their embeddings."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in MEDIA_SUFFIXES and path.is_file():
            try:
                yield path, embedding(model, path)
            except gigaam.AudioError as error:
                print(f"left out: {error}", file=sys.stderr)


def cosines(vectors: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines between vectors [N, D] and a query [D], around the mean of the vectors."""
    centred, wanted = vectors - vectors.mean(axis=0), query - vectors.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1) * np.linalg.norm(wanted)
    result: NDArray[np.float32] = centred @ wanted / np.maximum(lengths, 1e-12)
    return result


def main(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
    query: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    top: Annotated[int, typer.Option(min=1, help="How many to print.")] = 5,
    model: Annotated[str, typer.Option(help="For real work v3_ssl.")] = "tiny_ctc",
) -> None:
    """Print the recordings below FOLDER that are nearest to QUERY, the nearest first."""
    encoder = gigaam.load_model(model)
    found = dict(embeddings(encoder, folder))
    if not found:
        raise typer.BadParameter(f"no recordings in {folder}", param_hint="FOLDER")
    similarity = cosines(np.stack(list(found.values())), embedding(encoder, query))
    for cosine, path in sorted(zip(similarity, found, strict=True), reverse=True)[:top]:
        print(f"{cosine:+.3f}  {path}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except gigaam.GigaAMError as error:
        sys.exit(f"{error}")
