"""``gigaam transcribe``: recordings of any length to text, subtitles or JSON."""

from __future__ import annotations

from typing import Annotated

import typer

from gigaam.cli.command_options import BatchSize, Device, Onnx, Quiet, Verbose, refuse, talk
from gigaam.cli.completion import complete_models
from gigaam.cli.listening_options import (
    ChannelMix,
    DecodeLoudGaps,
    Detector,
    MaxPause,
    Segmenting,
    Track,
    listening_arguments,
)
from gigaam.cli.named_models import DEFAULT_MODEL, RECOGNITION, NamedModel
from gigaam.cli.output_options import (
    AsJson,
    Formats,
    Output,
    OutputDir,
    OutputOptions,
    SkipExisting,
    WordTimestamps,
)
from gigaam.cli.search_options import (
    LM,
    BeamSize,
    Hotword,
    HotwordFile,
    HotwordWeight,
    Inflect,
    LMWeight,
    WordBonus,
    search_options,
)
from gigaam.cli.speaker_options import KnownSpeakers, Speakers, speaker_wishes
from gigaam.cli.transcription_run import TranscriptionRun
from gigaam.recognition.runner import BatchRunner

__all__ = ["transcribe"]

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="Recordings and videos in any format that FFmpeg reads, directories of them, "
        "patterns such as 'calls/**/*.mp3', or - for the standard input.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Name (see 'gigaam models'), .ckpt file or directory of a model, also of an exported "
        f"one. [default: {DEFAULT_MODEL}]",
        autocompletion=complete_models,
    ),
]


def transcribe(
    context: typer.Context,
    files: Files,
    model: Model = None,
    onnx: Onnx = None,
    formats: Formats = None,
    output: Output = None,
    output_dir: OutputDir = None,
    skip_existing: SkipExisting = False,
    word_timestamps: WordTimestamps = False,
    as_json: AsJson = False,
    vad: Detector = "auto",
    channels: ChannelMix = "mix",
    track: Track = None,
    segments: Segmenting = None,
    max_pause: MaxPause = None,
    decode_loud_gaps: DecodeLoudGaps = True,
    speakers: Speakers = None,
    known_speaker: KnownSpeakers = None,
    hotword: Hotword = None,
    hotwords: HotwordFile = None,
    hotword_weight: HotwordWeight = None,
    inflect: Inflect = False,
    lm: LM = None,
    lm_weight: LMWeight = None,
    word_bonus: WordBonus = None,
    beam_size: BeamSize = None,
    batch_size: BatchSize = 8,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn recordings of any length into text, subtitles or JSON.

    Without --output or --output-dir results are printed: the text of one recording stands alone,
    of several each after its path and a tab. A recording that fails does not stop the others; what
    failed and why is listed on stderr at the end.
    """
    listening = listening_arguments(vad, channels, track, segments, max_pause, decode_loud_gaps)
    wishes = speaker_wishes(speakers, known_speaker)
    listening["decoding"] = search_options(
        hotword, hotwords, hotword_weight, inflect, lm, lm_weight, word_bonus, beam_size
    )
    outputs = OutputOptions(formats, output, output_dir, as_json, word_timestamps, skip_existing)
    how_much = talk(context, quiet, verbose)
    if model is not None and onnx is not None:
        refuse("--model", "does not go with --onnx, which names a model itself")
    name = model or DEFAULT_MODEL
    named = NamedModel(RECOGNITION, name, onnx, device, option="--model", how_much=how_much)
    named.check()
    run = TranscriptionRun(outputs, outputs.jobs(files), how_much)
    if run.jobs:
        if wishes is not None:
            listening["speakers"] = wishes.diarizer()
        recogniser = named.load_recogniser(listening.get("decoding"))
        run.work(BatchRunner(recogniser, run.needs_times, batch_size, listening))
    run.tell()
    if run.n_failed:
        raise typer.Exit(1)
