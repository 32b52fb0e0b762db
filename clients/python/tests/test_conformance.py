"""The client passes the cases of the conformance runner (docs/conformance.md)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from house import ROOT

FORMATS = ["json", "msgpack"]


def judge(format: str) -> subprocess.Popen[str]:
    folder = ROOT / "clients" / "python"
    named = os.environ.get("WSP")
    wsp = [named] if named else ["cargo", "run", "--quiet", "--package", "wsp", "--"]
    how = ["conformance", "client", "--format", format, "--at-once", "4", "--"]
    testee = [sys.executable, str(folder / "conformance" / "testee.py")]
    # The testee's own folder is where Python looks first.
    here = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.Popen(
        [*wsp, *how, *testee],
        cwd=ROOT,
        env=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def judges() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Beside each other: the cases wait more than they work."""
    running = {format: judge(format) for format in FORMATS}
    yield running
    for it in running.values():
        it.kill()
        it.wait()


@pytest.mark.parametrize("format", FORMATS)
def test_the_client_passes_the_conformance_cases(
    judges: dict[str, subprocess.Popen[str]], format: str
) -> None:
    output, _ = judges[format].communicate(timeout=300)
    assert judges[format].returncode == 0, output
