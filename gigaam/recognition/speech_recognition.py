"""What every speech recogniser offers, whatever runs its nets."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Generator, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import AudioSource
from gigaam.decoding import DecodingOptions, Hypothesis
from gigaam.decoding.hotwords import HotwordSource
from gigaam.decoding.log_probs import LogProbs
from gigaam.decoding.nets import Transducer
from gigaam.decoding.options import LanguageModelSource, with_words
from gigaam.decoding.searches import ModelDecoding, build_search
from gigaam.errors import ModelError
from gigaam.recognition.batcher import Batcher
from gigaam.recognition.chunking import ChunkingOptions
from gigaam.recognition.longform import Channels, Progress
from gigaam.recognition.longform_call import transcriber_of
from gigaam.recognition.phrases import Segments
from gigaam.recognition.progress_bar import as_callback
from gigaam.recognition.recognizer import Recognizer
from gigaam.recognition.scheduler import Priority
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from gigaam.live import LiveArguments, LiveOptions, LiveSession
    from gigaam.speakers import Speakers
    from gigaam.vad import Vad, VadOptions

__all__ = ["SpeechRecognition"]


class SpeechRecognition(ABC):
    """Recognition of recordings short and long; classes that run the nets derive from it.

    They are the `gigaam.recognition.recognizer.Backend` of their own recognition. Threads share it.
    """

    decoding: ModelDecoding
    """The model's tokenizer and its own, greedy search."""

    @property
    @abstractmethod
    def device(self) -> Any:
        """Where the nets run; its str is a name that torch knows."""

    @abstractmethod
    def encode(self, waveforms: Sequence[NDArray[np.float32]]) -> Any:
        """The encoder's output for one batch of recordings, each float32 [n], mono, 16 kHz."""

    def emissions(self, encodings: Any) -> LogProbs:
        """Log-probabilities [B, T, V] of a batch.

        Raises:
            ModelError: The model has no CTC head.
        """
        raise ModelError("a search for CTC does not go with this model's head")

    def transducer(self, encodings: Any) -> Transducer[Any]:
        """A batch as an RNN-T search sees it.

        Raises:
            ModelError: The model has no RNN-T head.
        """
        raise ModelError("a search for RNN-T does not go with this model's head")

    def search(self, encodings: Any) -> list[Hypothesis]:
        """The most probable tokens of each recording of a batch, by the model's own search."""
        return self.decoding.find(self, encodings)

    def recognizer(
        self,
        decoding: DecodingOptions | None = None,
        *,
        batcher: Batcher | None = None,
        caller: Hashable = None,
        priority: Priority | None = None,
    ) -> Recognizer:
        """Recognition with the search that options describe; by default the model's own.

        Args:
            decoding: How tokens are searched for.
            batcher: Takes turns with other recognition; by default it is on its own.
            caller: Who is to get a fair share there; by default each batch by itself.
            priority: Whether that of others goes first; by default INTERACTIVE.
        """
        search, spelling = build_search(self.decoding, decoding), self.decoding.tokenizer
        return Recognizer(self, spelling, search, batcher=batcher, caller=caller, priority=priority)

    @overload
    def transcribe(  # type: ignore[overload-overlap]  # a str is itself an iterable of str
        self,
        wav_file: AudioSource,
        word_timestamps: bool = ...,
        batch_size: int = ...,
        on_error: Literal["raise"] = ...,
        input_rate: int | None = ...,
        track: int | None = ...,
        progress: Progress | bool | None = ...,
        decoding: DecodingOptions | None = ...,
        hotwords: HotwordSource | None = ...,
        lm: LanguageModelSource | None = ...,
    ) -> TranscriptionResult: ...

    @overload
    def transcribe(
        self,
        wav_file: Iterable[AudioSource],
        word_timestamps: bool = ...,
        batch_size: int = ...,
        on_error: Literal["raise"] = ...,
        input_rate: int | None = ...,
        track: int | None = ...,
        progress: Progress | bool | None = ...,
        decoding: DecodingOptions | None = ...,
        hotwords: HotwordSource | None = ...,
        lm: LanguageModelSource | None = ...,
    ) -> list[TranscriptionResult]: ...

    @overload
    def transcribe(
        self,
        wav_file: Iterable[AudioSource],
        word_timestamps: bool = ...,
        batch_size: int = ...,
        on_error: Literal["raise", "return"] = ...,
        input_rate: int | None = ...,
        track: int | None = ...,
        progress: Progress | bool | None = ...,
        decoding: DecodingOptions | None = ...,
        hotwords: HotwordSource | None = ...,
        lm: LanguageModelSource | None = ...,
    ) -> list[TranscriptionResult | Exception]: ...

    def transcribe(
        self,
        wav_file: Any,
        word_timestamps: bool = False,
        batch_size: int = 8,
        on_error: Literal["raise", "return"] = "raise",
        input_rate: int | None = None,
        track: int | None = None,
        progress: Progress | bool | None = None,
        decoding: DecodingOptions | None = None,
        hotwords: HotwordSource | None = None,
        lm: LanguageModelSource | None = None,
    ) -> Any:
        """The text of a recording of up to 30 seconds, or the texts of many.

        Args:
            wav_file: A path, the bytes of a file, an open binary file, an array or a tensor; or a
                list of them, which is recognised in batches and gives a list in its order.
            word_timestamps: Whether the results' ``words`` hold times and confidences.
            batch_size: Recordings per pass of the encoder.
            on_error: In a list, "raise" stops at the first recording that fails; "return" puts
                its exception in its place and goes on.
            input_rate: Rate of arrays and tensors, Hz.
            track: Which audio track of files, from 0; by default the one that ``ffmpeg`` takes.
            progress: True for a bar; or called with the recordings done and those in all, or None.
            decoding: How tokens are searched for.
            hotwords: Words and phrases to expect, such as names and terms: a list, a mapping to
                weights, or a file with a phrase per line.
            lm: A language model: "packaged", the file of one such as ``gigaam lm`` makes, or an
                opened one. It and hotwords go together with other options in ``decoding``.

        Returns:
            `TranscriptionResult`, a str with ``.words`` and ``.confidence``, or a list of them.

        Raises:
            AudioTooLongError: A recording is over 30 seconds.
            AudioError: A recording cannot be decoded or used.
        """
        return self.recognizer(with_words(decoding, hotwords, lm)).transcribe(
            wav_file,
            word_timestamps=word_timestamps,
            batch_size=batch_size,
            on_error=on_error,
            input_rate=input_rate,
            track=track,
            progress=as_callback(progress, "recordings"),
        )

    def transcribe_longform(
        self,
        wav_file: AudioSource,
        word_timestamps: bool = False,
        batch_size: int = 8,
        *,
        channels: Channels = "mix",
        segments: Segments | None = None,
        max_pause: float | None = None,
        vad: Vad = "auto",
        vad_options: VadOptions | None = None,
        pyannote_model: str | os.PathLike[str] | None = None,
        chunking: ChunkingOptions | None = None,
        max_duration: float | None = None,
        min_duration: float | None = None,
        strict_limit_duration: float | None = None,
        new_chunk_threshold: float | None = None,
        fr_batch_size: int | None = None,
        fr_num_workers: int = 0,
        input_rate: int | None = None,
        track: int | None = None,
        progress: Progress | bool | None = None,
        decoding: DecodingOptions | None = None,
        hotwords: HotwordSource | None = None,
        lm: LanguageModelSource | None = None,
        speakers: Speakers | None = None,
        known_speakers: Mapping[str, AudioSource] | None = None,
    ) -> LongformTranscriptionResult:
        """The segments of a recording of any length, in order; a sequence, with ``.text``.

        Args:
            wav_file: A path, the bytes of a file, an open binary file, an array or a tensor.
            word_timestamps: Whether segments hold their words, timed in the recording.
            batch_size: Sound per pass of the encoder, in chunks of 30 seconds.
            channels: "mix" recognises all channels as one; "split" each by itself, as for a call
                with a speaker on each, and sets ``channel`` in the segments.
            segments: "chunks", as the recording is cut, or "phrases", which end at pauses; by
                default phrases if channels are split, to read as a dialogue, else chunks.
            max_pause: The pause that ends a phrase, seconds; by default 1.
            vad: What finds speech: "auto", "silero", "pyannote", "none" or a detector.
            vad_options: What counts as speech.
            pyannote_model: A repository or a file in place of pyannote's segmentation model.
            chunking: How the recording is cut; the four limits replace what it says.
            max_duration: Regions of speech are packed into chunks up to this length, seconds.
            min_duration: From this length on, a chunk ends at the next pause, seconds.
            strict_limit_duration: What is longer is cut within speech, seconds, at most 30.
            new_chunk_threshold: The shortest pause that ends a chunk, seconds.
            fr_batch_size: The published name of ``batch_size``.
            fr_num_workers: Published; decoding has its own thread, whatever this is.
            input_rate: Rate of arrays and tensors, Hz.
            track: Which audio track of a file, from 0; by default the one that ``ffmpeg`` takes.
            progress: True for a bar on a terminal or in a notebook; or called with the seconds done
                and the seconds in all, or None if unknown.
            decoding: How tokens are searched for.
            hotwords: Words and phrases to expect: a list, a mapping to weights, or a file with a
                phrase per line.
            lm: A language model: "packaged", its file, or an opened one.
            speakers: Who speaks: "auto", how many people, the least and the most of them, or what
                tells them apart, alone or with one of these, as ``(diarizer, 2)``; see
                `gigaam.speakers`. A stereo call needs no more than ``channels="split"``.
            known_speakers: Name → a recording in which that person alone speaks for some seconds;
                their segments bear the name. Without ``speakers`` these are "auto".

        Raises:
            AudioError: The recording cannot be decoded or used.
            ArgumentError: An argument makes no sense, or not together with another.
        """
        transcriber, call = transcriber_of(
            self,
            batch_size,
            decoding=with_words(decoding, hotwords, lm),
            channels=channels,
            segments=segments,
            max_pause=max_pause,
            vad=vad,
            vad_options=vad_options,
            pyannote_model=pyannote_model,
            chunking=chunking,
            max_duration=max_duration,
            min_duration=min_duration,
            strict_limit_duration=strict_limit_duration,
            new_chunk_threshold=new_chunk_threshold,
            fr_batch_size=fr_batch_size,
            fr_num_workers=fr_num_workers,
            input_rate=input_rate,
            track=track,
            progress=as_callback(progress, "seconds of sound"),
            speakers=speakers,
            known_speakers=known_speakers,
        )
        return transcriber.transcribe(wav_file, word_timestamps=word_timestamps, **call)

    def iter_longform(
        self,
        wav_file: AudioSource,
        word_timestamps: bool = False,
        batch_size: int = 8,
        *,
        channels: Channels = "mix",
        segments: Segments | None = None,
        max_pause: float | None = None,
        vad: Vad = "auto",
        vad_options: VadOptions | None = None,
        pyannote_model: str | os.PathLike[str] | None = None,
        chunking: ChunkingOptions | None = None,
        max_duration: float | None = None,
        min_duration: float | None = None,
        strict_limit_duration: float | None = None,
        new_chunk_threshold: float | None = None,
        fr_batch_size: int | None = None,
        fr_num_workers: int = 0,
        input_rate: int | None = None,
        track: int | None = None,
        progress: Progress | bool | None = None,
        decoding: DecodingOptions | None = None,
        hotwords: HotwordSource | None = None,
        lm: LanguageModelSource | None = None,
        speakers: Speakers | None = None,
        known_speakers: Mapping[str, AudioSource] | None = None,
    ) -> Generator[Segment, None, None]:
        """The segments of `transcribe_longform`, each as soon as it is recognised.

        An error in the middle of a recording comes after the segments before it; closing the
        generator stops all work. With ``speakers`` all of it is heard before the first one. The
        arguments are those of `transcribe_longform`.
        """
        transcriber, call = transcriber_of(
            self,
            batch_size,
            decoding=with_words(decoding, hotwords, lm),
            channels=channels,
            segments=segments,
            max_pause=max_pause,
            vad=vad,
            vad_options=vad_options,
            pyannote_model=pyannote_model,
            chunking=chunking,
            max_duration=max_duration,
            min_duration=min_duration,
            strict_limit_duration=strict_limit_duration,
            new_chunk_threshold=new_chunk_threshold,
            fr_batch_size=fr_batch_size,
            fr_num_workers=fr_num_workers,
            input_rate=input_rate,
            track=track,
            progress=as_callback(progress, "seconds of sound"),
            speakers=speakers,
            known_speakers=known_speakers,
        )
        return transcriber.iter_segments(wav_file, word_timestamps=word_timestamps, **call)

    def live(
        self,
        input_rate: int | None = None,
        *,
        sample_format: str = "s16le",
        n_channels: int = 1,
        options: LiveOptions | None = None,
        **changes: Unpack[LiveArguments],
    ) -> LiveSession:
        """A session that takes sound while it is recorded, and tells its text.

        Finals are what `transcribe_longform` gives for the same sound. `gigaam.live.LiveRecognizer`
        makes sessions for several threads.

        Args:
            input_rate: Rate of the sound, Hz; not needed for pairs of samples and their rate.
            sample_format: Of sound that is bytes: s16le, mulaw and other PCM by FFmpeg's names.
            n_channels: Channels of the sound.
            options: How it listens.
            changes: Fields of the options, in place of what they say.

        Raises:
            AudioError: There is no such rate, format or number of channels.
            ArgumentError: An option makes no sense, or not together with another.
        """
        from gigaam.live import LiveRecognizer

        return LiveRecognizer(self).session(
            input_rate,
            sample_format=sample_format,
            n_channels=n_channels,
            options=options,
            **changes,
        )
