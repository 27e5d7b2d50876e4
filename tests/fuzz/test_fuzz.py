"""A few cases of each kind by default, thousands in the slow tier."""

import json

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.cases import KINDS, make_case
from tests.fuzz.watching import Watched


def figures(capsys, *arguments: str) -> dict:
    status = main(["--seed", "1", *arguments])
    printed = capsys.readouterr().out
    print(printed)
    assert status == 0, printed
    return json.loads(printed.splitlines()[-1])


def test_nothing_is_found_in_a_few_cases(capsys):
    told = figures(capsys, "--cases", "6", "--seconds", "240")  # also to start, on a busy machine
    assert told["cases"] == dict.fromkeys(KINDS, 6)
    assert told["findings"] == 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_found_in_many_cases(kind, capsys):
    told = figures(capsys, "--cases", "2000", "--seconds", "3000", "--kinds", kind)
    assert told["cases"] == {kind: 2000}
    assert told["slowest_s"] < 20
    assert told["growth_mb"] < 1024


@pytest.mark.parametrize("kind", KINDS)
def test_cases_follow_from_their_numbers(kind, tmp_path):
    def described(index: int, name: str) -> str:
        folder = tmp_path / name
        folder.mkdir()
        return make_case(kind, 7, index, folder).description

    assert described(3, "a") == described(3, "b")
    assert described(4, "c") != described(3, "d")


ENDINGS = {
    "fine": False,
    "AudioError": False,
    "broken promise": True,
    "raised KeyError": True,
    "wrote to stdout": True,
    "let the engine print": True,
    "crashed": True,
    "took memory": True,
    "took memory and time": True,
    "hung": True,
}


def test_the_watch_tells_how_cases_end_and_outlives_them(tmp_path):
    with Watched(["endings"], longest_s=1.0, growth_bytes=100 << 20) as watched:
        for ending, is_finding in ENDINGS.items():
            answer = watched.run("endings", 1, 0, tmp_path / ending)
            assert answer["outcome"] == ending.removesuffix(" and time")
            assert bool(answer["finding"]) == is_finding
            assert answer["description"] == f"to end: {ending}"
        assert watched.run("endings", 1, 0, tmp_path / "fine")["outcome"] == "fine"
