"""Bulk runs on a Ray that is started for them: it does not outlive them."""

import signal
from pathlib import Path

import pytest

from tests.ray.conftest import processes_begun_for, program_of, row_files, wait_until

pytestmark = pytest.mark.ray


@pytest.fixture(autouse=True)
def _without_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


def test_an_interrupted_program_leaves_no_process_and_goes_on_later(
    recordings: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    with program_of(recordings, tmp_path) as program:
        wait_until(lambda: len(row_files(tmp_path)) >= 2)
        assert len(processes_begun_for(tmp_path)) > 3
        program.send_signal(signal.SIGINT)
    wait_until(lambda: not processes_begun_for(tmp_path))
    assert len(row_files(tmp_path)) < len(undisturbed)

    with program_of(recordings, tmp_path) as program:
        assert program.wait() == 0
    assert row_files(tmp_path) == undisturbed
