"""Error rates of a model on a manifest: ``python -m recipes.tiny.evaluate MODEL MANIFEST…``.

Goes through the public API, so the numbers are those a user gets. The test manifests are for the
end: development sets choose and stop.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gigaam.audio import SAMPLE_RATE
from gigaam.loading import load_model
from gigaam.model import GigaAMASR
from gigaam.training.data import SpeechFiles, read_manifest
from gigaam.training.evaluate import error_rates


def evaluate(model_name: str, manifest: Path, show: int) -> dict[str, float | str | int]:
    """Error rates of a model (a name or a directory) on one manifest, printed and as a row."""
    utterances = read_manifest(manifest)
    files = SpeechFiles()
    model = load_model(model_name)
    if not isinstance(model, GigaAMASR):
        raise SystemExit(f"{model_name} does not recognise speech")
    texts = model.transcribe(
        [files.read(u) for u in utterances], batch_size=8, input_rate=SAMPLE_RATE
    )
    for utterance, text in list(zip(utterances, texts, strict=True))[:show]:
        print(f"  spoken: {utterance.text}\n  heard:  {text}")
    rates = error_rates([u.text for u in utterances], [str(text) for text in texts])
    print(f"{manifest.stem:16} {rates.utterances:5} CER {rates.cer:6.2%} WER {rates.wer:6.2%}")
    return {"set": manifest.stem, "cer": rates.cer, "wer": rates.wer, "n": rates.utterances}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model's name or directory")
    parser.add_argument("manifests", type=Path, nargs="+")
    parser.add_argument("--show", type=int, default=0, help="print so many texts of each set")
    arguments = parser.parse_args()
    rows = [evaluate(arguments.model, path, arguments.show) for path in arguments.manifests]
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
