"""``gigaam live``: speech as it comes, from a microphone or the standard input."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from gigaam.cli.command_options import Device, Onnx, Quiet, Talk, Verbose, choices, refuse, talk
from gigaam.cli.completion import complete_models
from gigaam.cli.listening_options import ChannelMix, Track
from gigaam.cli.live_output import LiveFormat, LiveOutput, OutputFiles, WordTimes
from gigaam.cli.live_printing import EventLines, Transcript, partial_line
from gigaam.cli.live_run import LiveRun
from gigaam.cli.live_sources import (
    InputChannels,
    InputOptions,
    ListMicrophones,
    MicrophoneName,
    Rate,
    Raw,
    microphone_lines,
)
from gigaam.cli.named_models import DEFAULT_MODEL, RECOGNITION, NamedModel
from gigaam.cli.printing import check_stdout, complain, print_lines
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
from gigaam.live.options import LiveOptions

if TYPE_CHECKING:
    from gigaam.live import LiveSession
    from gigaam.live.sources import SoundFormat
from gigaam.vad import VadOptions

__all__ = ["live"]

_Detector: TypeAlias = Literal["silero", "none"]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Name (see 'gigaam models'), .ckpt file or directory of a model, also of an exported "
        f"one. [default: {DEFAULT_MODEL}]",
        autocompletion=complete_models,
    ),
]
LiveDetector = Annotated[
    _Detector,
    typer.Option(
        metavar=choices(_Detector),
        help="What finds the speech; without it, phrases end where they become too long.",
    ),
]
EndpointSilence = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=VadOptions.min_silence_s,  # less is no pause to the detector
        help="The silence that ends a phrase: 0.3 for commands, 1.2 for dictation.",
    ),
]
NoPartials = Annotated[
    bool,
    typer.Option("--no-partials", help="Tell nothing before a phrase has ended; saves computing."),
]


def live(
    context: typer.Context,
    microphone: MicrophoneName = None,
    list_microphones: ListMicrophones = False,
    raw: Raw = None,
    rate: Rate = None,
    input_channels: InputChannels = None,
    track: Track = None,
    model: Model = None,
    onnx: Onnx = None,
    format: LiveFormat = None,
    output: OutputFiles = None,
    word_timestamps: WordTimes = False,
    no_partials: NoPartials = False,
    endpoint_silence: EndpointSilence = LiveOptions.endpoint_silence_s,
    channels: ChannelMix = "mix",
    vad: LiveDetector = "silero",
    hotword: Hotword = None,
    hotwords: HotwordFile = None,
    hotword_weight: HotwordWeight = None,
    inflect: Inflect = False,
    lm: LM = None,
    lm_weight: LMWeight = None,
    word_bonus: WordBonus = None,
    beam_size: BeamSize = None,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn speech into text while it is spoken.

    Listens to the standard input if something is piped in, else to a microphone. On a terminal the
    phrase that is being spoken is shown below the others, and its words may still change. Ctrl-C
    ends the sound: the last phrase is still printed, and files are written.
    """
    if list_microphones:
        print_lines(microphone_lines())
        return
    how_much = talk(context, quiet, verbose)
    outputs = LiveOutput(format, output or [], word_timestamps)
    outputs.check()
    decoding = search_options(
        hotword, hotwords, hotword_weight, inflect, lm, lm_weight, word_bonus, beam_size
    )
    if model is not None and onnx is not None:
        refuse("--model", "does not go with --onnx, which names a model itself")
    name = model or DEFAULT_MODEL
    named = NamedModel(RECOGNITION, name, onnx, device, option="--model", how_much=how_much)
    named.check()
    options = LiveOptions(
        partials=not no_partials,
        endpoint_silence_s=endpoint_silence,
        word_timestamps=outputs.needs_words,
        channels=channels,
        vad=vad,
        decoding=decoding,
    )
    inputs = InputOptions(microphone, raw, rate, input_channels, channels == "split", track)
    if not _listen(inputs, named, outputs, options):
        raise typer.Exit(1)


def _listen(
    inputs: InputOptions, named: NamedModel, outputs: LiveOutput, options: LiveOptions
) -> bool:
    """Recognises speech until it ends; whether all went well."""
    reader, microphone = inputs.reader()
    outputs.prepare()
    check_stdout()
    if not microphone:
        reader.start()  # whoever writes into the pipe need not wait for the model
    recogniser = named.load_recogniser(options.decoding)
    is_quiet = named.how_much == Talk.QUIET
    if microphone:
        reader.start()
        if not is_quiet:
            complain(f"listening to {microphone}; Ctrl-C ends")
    with partial_line(hidden=is_quiet or not options.partials) as line:
        has_partials = options.partials and (line is not None or outputs.format == "jsonl")

        def session_for(sound: SoundFormat) -> LiveSession:
            return recogniser.live(
                sound.rate,
                sample_format=sound.sample_format,
                n_channels=sound.n_channels,
                options=replace(options, partials=has_partials),
            )

        lines = EventLines(outputs.format, outputs.word_timestamps)
        transcript = Transcript(outputs.printed_whole, outputs.files, outputs.needs_words)
        return LiveRun(reader, lines, transcript, line, named.how_much).work(session_for)
