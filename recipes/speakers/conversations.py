"""Makes the conversations: recordings, who speaks when in them, and a table of them.

    python -m recipes.speakers.conversations OUT [--sets dev test] [--seed 0] [--hours H]
                                                 [--kinds two three …]

`OUT/dev` and `OUT/test` get `NAME.wav`, `NAME.rttm`, `NAME.words.json` and `manifest.jsonl`.
What is in the manifest is finished and kept, so that a run that was broken off can be repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.speakers import Turn
from recipes.speakers import effects, packages
from recipes.speakers.catalogue import KINDS, Plan, plans
from recipes.speakers.mixing import Conversation, converse, single
from recipes.speakers.references import write_rttm, write_words
from recipes.speakers.speech import RATE
from recipes.speakers.voices import VOICES, Utterance, Voice

MANIFEST = "manifest.jsonl"
Say = Callable[[Voice], list[Utterance]]


class Cast:
    """What voices say, each read or synthesised once."""

    def __init__(self, folder: Path) -> None:
        self._packages = folder
        self._said: dict[str, list[Utterance]] = {}

    def __call__(self, voice: Voice) -> list[Utterance]:
        """The voice's utterances."""
        if voice.name not in self._said:
            self._said[voice.name] = voice.utterances(self._packages)
        return self._said[voice.name]


def make(plan: Plan, say: Say, seed: int) -> Conversation:
    """A conversation with its noise, as planned; the same plan and seed give the same samples."""
    rng = plan.rng(seed)
    if not plan.voices:
        n = round(plan.duration_s * RATE)
        sound = effects.tones(rng, n) if plan.kind == "music" else np.zeros(n, np.float32)
        spoken = Conversation(sound[None], [], [], 0, 0)
    elif plan.kind == "second":
        (voice,) = plan.voices
        spoken = single(voice.name, _of_length(say(voice), plan.duration_s), rng)
    else:
        speakers = {voice.name: say(voice) for voice in plan.voices}
        spoken = converse(speakers, plan.duration_s, rng, stereo=plan.kind == "call")
    digital_silence = plan.kind == "silence" and plan.variant == "clean"
    if not digital_silence:
        for channel in spoken.sound:
            channel[:] = _worsen(channel, plan.variant, rng)
    return spoken


def _of_length(utterances: Sequence[Utterance], duration_s: float) -> Utterance:
    return min(utterances, key=lambda u: abs(len(u.samples) - duration_s * RATE))


def _worsen(sound: effects.Signal, variant: str, rng: np.random.Generator) -> effects.Signal:
    heard = sound + effects.room(rng, len(sound))
    if variant.startswith("noise"):
        return effects.noisy(heard, float(variant.removeprefix("noise")), rng)
    return effects.telephone(heard) if variant == "phone" else heard


def write(folder: Path, plan: Plan, conversation: Conversation, seed: int) -> dict[str, Any]:
    """Writes the three files of a conversation; gives its line of the manifest."""
    write_rttm(folder / f"{plan.name}.rttm", conversation.turns)
    write_words(folder / f"{plan.name}.words.json", conversation.words)
    pcm = np.clip(np.rint(conversation.sound), -32768, 32767).astype("<i2").T
    _write_wav(folder / f"{plan.name}.wav", pcm)
    speech_s, overlap_s = speech_and_overlap(conversation.turns)
    return {
        "name": plan.name,
        "kind": plan.kind,
        "variant": plan.variant,
        "casting": plan.casting,
        "n_speakers": len(plan.voices),
        "sexes": "".join(sorted(voice.sex for voice in plan.voices)),
        "speakers": [_describe(voice) for voice in plan.voices],
        "channels": pcm.shape[1],
        "duration": round(len(pcm) / RATE, 4),
        "speech": round(speech_s, 4),
        "overlap": round(overlap_s, 4),
        "changes": conversation.changes,
        "overlapped_changes": conversation.overlaps,
        "seed": seed,
    }


def _describe(voice: Voice) -> dict[str, Any]:
    names = ("name", "person", "sex", "source", "language", "band_hz")
    return {name: getattr(voice, name) for name in names}


def _write_wav(path: Path, pcm: NDArray[np.int16]) -> None:
    unfinished = path.with_name(path.name + ".part")
    with wave.open(str(unfinished), "wb") as file:
        file.setparams((pcm.shape[1], 2, RATE, 0, "NONE", ""))
        file.writeframes(np.ascontiguousarray(pcm).tobytes())
    os.replace(unfinished, path)


def speech_and_overlap(turns: Sequence[Turn]) -> tuple[float, float]:
    """How many seconds somebody speaks, and how many two or more do."""
    edges = sorted([(t.start, 1) for t in turns] + [(t.end, -1) for t in turns])
    speech = overlap = last = 0.0
    active = 0
    for time, step in edges:
        speech += (time - last) * (active > 0)
        overlap += (time - last) * (active > 1)
        active, last = active + step, time
    return speech, overlap


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The lines of a set's manifest by the conversations' names; none if there is no manifest."""
    path = folder / MANIFEST
    if not path.exists():
        return {}
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {line["name"]: line for line in lines}


def _write_manifest(folder: Path, made: dict[str, dict[str, Any]]) -> None:
    unfinished = folder / f"{MANIFEST}.part"
    lines = (json.dumps(made[name], ensure_ascii=False) + "\n" for name in sorted(made))
    unfinished.write_text("".join(lines), encoding="utf-8")
    os.replace(unfinished, folder / MANIFEST)


def write_set(folder: Path, wanted: Sequence[Plan], say: Say, seed: int) -> None:
    """Makes the conversations that the folder's manifest lacks.

    Raises:
        ValueError: What is there was made with another seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = read_manifest(folder)
    seeds = {line["seed"] for line in made.values()} - {seed}
    if seeds:
        raise ValueError(
            f"{folder} was made with --seed {seeds.pop()}, not {seed}: choose another folder"
        )
    for plan in wanted:
        if plan.name not in made:
            made[plan.name] = write(folder, plan, make(plan, say, seed), seed)
            _write_manifest(folder, made)
            print(f"{plan.name}: {made[plan.name]['duration']:.1f} s", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="folder for the sets and the unpacked packages")
    parser.add_argument("--sets", nargs="+", choices=VOICES, default=list(VOICES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hours", type=float, help="of each set (default: 44 conversations)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    options = parser.parse_args(arguments)
    folder = options.out / "packages"
    packages.unpack(folder)
    for name in options.sets:
        wanted = [p for p in plans(name, options.seed, options.hours) if p.kind in options.kinds]
        write_set(options.out / name, wanted, Cast(folder), options.seed)


if __name__ == "__main__":
    main()
