"""The Dockerfiles of examples/, as far as they can be followed without a Docker engine.

The images themselves are not built. The files that they copy are collected as a builder would, the
wheel is built from them, and their own commands run with this installation and the one without
torch.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from difflib import SequenceMatcher
from fnmatch import fnmatch
from pathlib import Path

import pytest
import requests

import gigaam

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "examples" / "container"
SERVER = ROOT / "examples" / "server"
TORCH_FREE = os.environ.get("GIGAAM_TORCH_FREE_PYTHON", "")


def stages(folder: Path) -> list[list[tuple[str, str]]]:
    """The instructions of each stage, with their arguments."""
    lines = (folder / "Dockerfile").read_text(encoding="utf-8").splitlines()
    found: list[list[tuple[str, str]]] = []
    for line in lines:
        if line and not line.startswith("#"):
            assert not line.endswith("\\")
            instruction, arguments = line.split(maxsplit=1)
            if instruction == "FROM":
                found.append([])
            found[-1].append((instruction, arguments))
    return found


def given(stage: list[tuple[str, str]], instruction: str) -> list[str]:
    """The arguments of a stage's instructions of one kind."""
    return [arguments for name, arguments in stage if name == instruction]


def is_sent(container: Path, path: str) -> bool:
    """Whether a path of the root is sent to the builder; the last rule that fits it decides."""
    sent = True
    for rule in (container / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines():
        if rule and not rule.startswith("#") and fnmatch(path, rule.lstrip("!")):
            sent = rule.startswith("!")
    return sent


def copy_into(folder: Path, container: Path, stage: list[tuple[str, str]]) -> None:
    """What COPY does with files of the repository."""
    for arguments in given(stage, "COPY"):
        if arguments.startswith("--from="):
            continue
        *sources, target = arguments.split()
        for source in sources:
            assert is_sent(container, source), source
            if (ROOT / source).is_dir():
                shutil.copytree(
                    ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(ROOT / source, folder / target)


@pytest.mark.parametrize("container", [CONTAINER, SERVER])
@pytest.mark.parametrize("number", [0, 1])
def test_the_copied_files_suffice_for_the_wheel(
    container: Path, number: int, tmp_path: Path
) -> None:
    stage = stages(container)[number]
    copy_into(tmp_path, container, stage)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
        assert "gigaam = gigaam.cli:main" in archive.read(entry_points).decode()
    assert "gigaam/assets/tiny_ctc/model.safetensors" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    for requirements in re.findall(r"-r (\S+)", " ".join(given(stage, "RUN"))):
        for included in re.findall(r"^-r (\S+)", (tmp_path / requirements).read_text(), re.M):
            assert (tmp_path / included).is_file()


def test_the_installation_is_the_one_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    recipe = re.search(r"<!-- ci: torch-free -->\n```bash\n(.*)\n```", readme)
    assert recipe is not None
    *installation, transcription = recipe[1].split(" && ")
    _, last = stages(CONTAINER)
    assert given(last, "RUN") == [" && ".join(installation)]
    (entry_point,) = given(last, "ENTRYPOINT")
    program, task, option, directory = json.loads(entry_point)
    assert transcription.startswith(f"{program} {task} {option} onnx ")
    assert given(last, "COPY")[-1] == f"--from=export {directory} {directory}"


@pytest.mark.slow
def test_the_export_and_the_command_of_the_image(
    example: Path, packaged_model: gigaam.GigaAMASR, tmp_path: Path
) -> None:
    first, last = stages(CONTAINER)
    exported = tmp_path / "onnx"
    arguments = dict(argument.split("=") for argument in given(first, "ARG"))
    export = re.sub(r"\$(\w+)", lambda name: arguments[name[1]], given(first, "RUN")[-1])
    parts = shlex.split(export)
    assert (parts[0], parts.count("/onnx")) == ("gigaam", 1)
    places = [str(exported) if part == "/onnx" else part for part in parts[1:]]
    subprocess.run(
        [sys.executable, "-m", "gigaam", *places], cwd=ROOT, check=True, capture_output=True
    )

    (entry_point,) = given(last, "ENTRYPOINT")
    places = [str(exported) if part == "/onnx" else part for part in json.loads(entry_point)[1:]]
    home = tmp_path / "home"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(home)}
    environment |= dict(setting.split("=") for setting in given(last, "ENV"))
    environment.pop("CI", None)  # which keeps ONNX Runtime from telemetry, too
    environment.pop("XDG_CACHE_HOME", None)
    if TORCH_FREE:
        del environment["PYTHONPATH"]
    done = subprocess.run(
        [TORCH_FREE or sys.executable, "-m", "gigaam", *places, str(example)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not home.exists()  # the user nobody has none
    expected = packaged_model.transcribe(example)
    assert SequenceMatcher(None, done.stdout.strip(), expected, autojunk=False).ratio() > 0.95


@pytest.mark.slow
def test_the_server_of_the_image(example: Path, tmp_path: Path) -> None:
    _, last = stages(SERVER)
    gigaam.load_model("tiny_ctc").to_onnx(tmp_path / "onnx", dtype="int8")
    places = {"/onnx": str(tmp_path / "onnx"), "/jobs": str(tmp_path / "jobs")}
    settings = [pair.split("=") for line in given(last, "ENV") for pair in line.split()]
    environment = {name: places.get(value, value) for name, value in settings}
    environment |= {"GIGAAM_SERVE_HOST": "127.0.0.1", "GIGAAM_SERVE_PORT": "0"}
    (entry_point,) = given(last, "ENTRYPOINT")
    python = os.environ.get("GIGAAM_TORCH_FREE_PYTHON", sys.executable)
    command = [python, "-m", *json.loads(entry_point)]
    log = tmp_path / "log"
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stderr=file, env=os.environ | environment, cwd="/")
    try:
        while '"ready"' not in (told := log.read_text()):
            assert process.poll() is None, told
            time.sleep(0.05)
        (url,) = re.findall(r"listening on (http://[\d.:]+)", told)
        (health,) = given(last, "HEALTHCHECK")
        check = json.loads(health.partition("CMD ")[2])[2].replace("http://127.0.0.1:8000", url)
        subprocess.run([sys.executable, "-c", check], check=True)
        with open(example, "rb") as recording:
            answer = requests.post(
                f"{url}/v1/audio/transcriptions", files={"file": recording}, timeout=60
            )
    finally:
        process.kill()
        process.wait()
    assert answer.json()["text"] == gigaam.load_model(places["/onnx"]).transcribe(example)
