"""What the project's own documents promise: versions agree, names exist."""

import ast
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import gigaam
from gigaam.errors import MissingDependencyError
from gigaam.requirements import OLDEST, require
from gigaam.store import registry

ROOT = Path(__file__).parents[2]
READMES = ["README.md", "README_ru.md"]
DOCUMENTS = [*READMES, "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
TEXTS = {".py", ".md", ".toml", ".yaml", ".yml", ".sh", ".cfg", ".txt", ".ipynb", ""}
FOLDERS = [".ci", ".github", "benchmarks", "dev", "docs", "examples", "gigaam", "recipes"]
FOLDERS += ["scripts", "tests"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def ci_command(name: str) -> str:
    """The one command that .ci/run takes from the README under that name."""
    (block,) = re.findall(rf"^<!-- ci: {name} -->\n```bash\n(.*?)\n```", read("README.md"), re.M)
    assert "\n" not in block
    return block


def test_changelog_opens_with_this_version() -> None:
    first = re.search(r"^## \[(.+?)\]", read("CHANGELOG.md"), flags=re.MULTILINE)
    assert first is not None
    assert first[1] == gigaam.__version__


@pytest.mark.parametrize("readme", READMES)
def test_readme_opens_with_the_two_commands(readme: str) -> None:
    first, second, *_ = blocks(read(readme), "bash")
    assert [first.strip(), second.strip()] == [ci_command("install"), ci_command("test")]
    assert all(command.startswith("pip install ") for command in (first, second))
    assert first.count(" && ") == second.count(" && ") == 1


@pytest.mark.parametrize("readme", READMES)
def test_readme_has_the_command_without_torch(readme: str) -> None:
    command = ci_command("torch-free")
    assert command in [block.strip() for block in blocks(read(readme), "bash")]
    assert "-r requirements-onnx.txt " in command
    assert (ROOT / "requirements-onnx.txt").exists()


def dependencies() -> set[str]:
    """What pyproject.toml says that the package needs."""
    declared = re.search(r"^dependencies = \[\n(.*?)^\]", read("pyproject.toml"), re.M | re.S)
    assert declared is not None
    return set(re.findall(r'^    "(.+?)"', declared[1], re.M))


def test_requirements_without_torch_are_among_those_with_it() -> None:
    lines = read("requirements-onnx.txt").splitlines()
    wanted = {line for line in lines if not line.startswith("#")}
    assert wanted <= dependencies()
    assert len(wanted) >= 5


def test_requirements_of_the_server_are_those_of_its_extra() -> None:
    first, *lines = [
        line for line in read("requirements-server.txt").splitlines() if not line.startswith("#")
    ]
    extra = re.search(r"^server = \[\n(.*?)^\]", read("pyproject.toml"), re.M | re.S)
    assert extra is not None
    assert first == "-r requirements-onnx.txt"
    assert lines == re.findall(r'^    "(.+?)"', extra[1], re.M)


def test_every_dependency_has_a_lower_bound_and_av_an_upper_one() -> None:
    assert {line for line in dependencies() if not re.match(r"[\w.-]+>=\d", line)} == set()
    assert {re.split("[>=]", line)[0] for line in dependencies() if "<" in line} == {"av"}


def test_what_is_refused_as_too_old_is_what_the_project_declares() -> None:
    bounds = dict(line.split(",")[0].split(">=") for line in dependencies())
    assert {name: bounds[name] for name in OLDEST} == OLDEST


@pytest.mark.parametrize("name", OLDEST)
def test_old_packages_are_refused_by_name(name: str) -> None:
    package = types.ModuleType(name)
    for fit in (OLDEST[name], f"{OLDEST[name]}.1", f"{OLDEST[name]}.0+cpu", "99.0rc1"):
        package.__version__ = fit  # type: ignore[attr-defined]
        require(package)
    for unfit in ("0.9", "1.2.3+cpu", f"{OLDEST[name].split('.')[0]}.0a1"):
        package.__version__ = unfit  # type: ignore[attr-defined]
        if not OLDEST[name].startswith(unfit[:3]):
            with pytest.raises(MissingDependencyError, match=rf"{name} .* newer, but {unfit[:3]}"):
                require(package)


def test_import_against_an_old_package_says_which_is_needed(tmp_path: Path) -> None:
    (tmp_path / "av").mkdir()
    (tmp_path / "av" / "__init__.py").write_text('__version__ = "17.0.1"')
    code = "import sys; sys.path.insert(0, sys.argv[1]); import gigaam.audio"
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT
    )
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert last.endswith(
        "gigaam needs av 17.1 or newer, but 17.0.1 is installed: pip install 'av>=17.1'"
    )


@pytest.mark.parametrize("readme", READMES)
def test_models_of_the_readme_exist(readme: str) -> None:
    text = read(readme)
    names = set(re.findall(r"load_model\(\"(\w+)\"\)|--model (\w+)", text))
    mentioned = {name for pair in names for name in pair if name} - {"my_model", "onnx"}
    mentioned |= set(re.findall(r"`((?:v\d|multilingual)_\w+)`", text))
    assert len(mentioned) >= 3
    assert {name for name in mentioned if not registry.is_known(name)} == set()


def test_readme_names_every_model() -> None:
    assert {name for name in registry.names() if f"`{name}`" not in read("README.md")} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files(document: str) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", read(document))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_no_path_of_somebodys_machine() -> None:
    """Absolute paths of a developer's machine mean nothing anywhere else."""
    foreign = re.compile(r"(?<![\w.:/])/(?:home|root|Users|work|opt|mnt)/\w")
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()[:80]}"
        for path in files
        if path.suffix in TEXTS and "__pycache__" not in path.parts
        for line in path.read_text(encoding="utf-8", errors="ignore").splitlines()
        if foreign.search(line)
    ]
    assert found == []


def torchaudio_beside(cuda: str) -> list[str]:
    """What came of importing it beside a torch for that CUDA, and the CUDA it is for itself."""
    code = f"""
import torch
torch.version.cuda = {cuda}
from gigaam.requirements import import_torchaudio
try:
    print(import_torchaudio().__name__)
except Exception as error:
    print(type(error).__name__)
print(torch.version.cuda, torch.ops._torchaudio.cuda_version())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.split()


def test_torchaudio_beside_torch_for_another_cuda() -> None:
    imported, _, built_for = torchaudio_beside("None")
    assert imported == "torchaudio"
    if built_for == "None":
        pytest.skip("this torchaudio is for CPUs: it goes with every torch")
    major = int(built_for) // 1000
    newer, next_major = f"{major}.9", f"{major + 1}.0"
    assert torchaudio_beside(repr(newer)) == ["torchaudio", newer, built_for]
    refused = ["MissingDependencyError", next_major, built_for]
    assert torchaudio_beside(repr(next_major)) == refused


LONG_FILES = {"tests/parity/test_hostile_graphs.py", "tests/parity/test_published_programs.py"}
LONG_FILES |= {"tests/published.py"}
LONG_FILES |= {
    f"tests/unit/{room}/test_{name}.py"
    for room, name in (
        ("audio", "audio"),
        ("cli", "cli"),
        ("recognition", "longform"),
        ("store", "checkpoints"),
        ("store", "download"),
        ("store", "hostile_models"),
    )
}
"""Files that may have over 400 lines: each tests one thing or holds tables."""


def code_files() -> list[Path]:
    folders = ("benchmarks", "examples", "gigaam", "recipes", "scripts", "tests")
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_files_are_short() -> None:
    long = {path for path in code_files() if path.read_text().count("\n") > 400}
    assert {path.relative_to(ROOT).as_posix() for path in long} <= LONG_FILES


def test_functions_are_short() -> None:
    """Forty lines, signature and docstring apart."""
    long = []
    for path in code_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                documented = ast.get_docstring(node, clean=False) is not None
                first = node.body[1:2] if documented else node.body[:1]
                length = (node.end_lineno or 0) - first[0].lineno + 1 if first else 0
                if length > 40:
                    long.append(f"{path.relative_to(ROOT)}: {node.name}: {length}")
    assert long == []
