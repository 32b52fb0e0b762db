"""The client passes the cases of the conformance runner (docs/conformance.md)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from house import ROOT


@pytest.mark.parametrize("format", ["json", "msgpack"])
def test_the_client_passes_the_conformance_cases(format: str) -> None:
    folder = ROOT / "clients" / "python"
    named = os.environ.get("WSP")
    wsp = [named] if named else ["cargo", "run", "--quiet", "--package", "wsp", "--"]
    how = ["conformance", "client", "--format", format, "--at-once", "4", "--"]
    testee = [sys.executable, str(folder / "conformance" / "testee.py")]
    # The testee's own folder is where Python looks first.
    here = {**os.environ, "PYTHONPATH": str(folder / "src")}
    ran = subprocess.run(
        [*wsp, *how, *testee],
        check=False,
        cwd=ROOT,
        env=here,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
