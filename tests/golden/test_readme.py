"""The Python of the READMEs runs as it stands, with the packaged model."""

import re
import shutil
import wave
from pathlib import Path

import pytest

from gigaam import registry

ROOT = Path(__file__).parents[2]


def write_call(path: Path) -> None:
    """A second of a stereo call in which nobody speaks."""
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 8_000, 0, "NONE", ""))
        file.writeframes(bytes(32_000))


@pytest.mark.parametrize("readme", ["README.md", "README_ru.md"])
def test_snippets_run(
    readme: str, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after another, as a reader would type them; those that download are only compiled."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    for name in ("example.wav", "lecture.mp3"):  # a file is what it holds, not what it is called
        shutil.copy(example, tmp_path / name)
    write_call(tmp_path / "call.wav")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    ran = 0
    for number, snippet in enumerate(snippets, 1):
        code = compile(snippet, f"{readme} snippet {number}", "exec")
        names = re.findall(r"load_model\(\"(\w+)\"\)", snippet)
        known = [registry.resolve(name) for name in names if registry.is_known(name)]
        if all(info.is_packaged for info in known):
            exec(code, namespace)
            ran += 1
    assert ran == len(snippets) - 1  # the emotions
