"""What users write, with the types they get: checked by mypy and pyright, never run."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import assert_type

import gigaam
import gigaam.onnx

model = gigaam.load_model("tiny_ctc")
assert_type(model, gigaam.GigaAMASR)
print(model.transcribe("example.wav"))
assert_type(model.transcribe("example.wav"), gigaam.TranscriptionResult)
result = model.transcribe(Path("example.wav"), word_timestamps=True)
assert_type(result.words, list[gigaam.Word] | None)
assert_type(model.transcribe(["a.wav", "b.wav"]), list[gigaam.TranscriptionResult])
assert_type(
    model.transcribe(["a.wav"], on_error="return"), list[gigaam.TranscriptionResult | Exception]
)
samples: NDArray[np.float32] = np.zeros(16_000, np.float32)
assert_type(model.transcribe(samples, input_rate=16_000), gigaam.TranscriptionResult)
recordings: list[NDArray[np.float32]] = [samples]
assert_type(model.transcribe(recordings, input_rate=16_000), list[gigaam.TranscriptionResult])
for segment in model.transcribe_longform("long.wav", word_timestamps=True):
    assert_type(segment, gigaam.Segment)
    start, end = segment["boundaries"]
    print(f"[{gigaam.format_time(start)} - {gigaam.format_time(end)}]: {segment['transcription']}")
    confident = [word.text for word in segment.words or () if word.confidence > 0.5]
for segment in model.iter_longform("long.wav", vad="silero"):
    assert_type(segment.text, str)

assert_type(gigaam.load_model("v3_rnnt", device="cpu"), gigaam.GigaAMASR)
assert_type(gigaam.load_model("my_model"), gigaam.GigaAMASR)
assert_type(gigaam.load_model(Path("runs") / "best.ckpt"), gigaam.GigaAMASR)
name: str = "v3_ctc"
assert_type(gigaam.load_model(name, fp16_encoder=False), gigaam.GigaAMASR)

emotions = gigaam.load_model("emo")
assert_type(emotions, gigaam.GigaAMEmo)
assert_type(emotions.get_probs("example.wav"), dict[str, float])
encoder = gigaam.load_model("v3_ssl")
assert_type(encoder, gigaam.GigaAM)
embedding, length = encoder.embed_audio("example.wav")
assert_type(embedding, Tensor)

exported = gigaam.onnx.load("onnx")
assert_type(exported, gigaam.onnx.OnnxASR)
assert_type(exported.transcribe("example.wav"), gigaam.TranscriptionResult)
assert_type(gigaam.onnx.load("onnx", name="emo"), gigaam.onnx.OnnxEmo)
assert_type(gigaam.onnx.load("onnx", name="v3_ssl"), gigaam.onnx.OnnxEncoder)
assert_type(gigaam.onnx.load("onnx", name="v3_rnnt"), gigaam.onnx.OnnxASR)

for known, info in gigaam.available_models().items():
    assert_type(known, str)
    assert_type(info, gigaam.ModelInfo)

# As programs for the published package are written.
print(json.dumps(asdict(model.transcribe("example.wav"))), asdict(gigaam.Word("да", 0.0, 0.5)))
words = [gigaam.Word("да", 0.0, 0.5)]
whole = gigaam.LongformTranscriptionResult(segments=[gigaam.Segment("да", 0.0, 0.5, words)])
print(asdict(whole))
dataset = gigaam.utils.AudioDataset(["a.wav"])
assert_type(dataset.collate([gigaam.load_audio("a.wav")]), tuple[Tensor, Tensor])
gigaam._CACHE_DIR = "models"  # pyright: ignore[reportPrivateUsage]
model.to_onnx(dir_path="onnx")
assert_type(model.model, gigaam.GigaAMASR)
