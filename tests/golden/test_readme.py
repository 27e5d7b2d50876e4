"""The Python of the READMEs runs as it stands, with the packaged model."""

import re
import shutil
from pathlib import Path

import pytest

from gigaam import registry

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("readme", ["README.md", "README_ru.md"])
def test_snippets_run(
    readme: str, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after another, as a reader would type them; those that download are only compiled."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    shutil.copy(example, tmp_path / "example.wav")
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
