"""What the strict checker infers of a client, and what it has to refuse."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE / "typed_uses.py"
_SAID = re.compile(r"typed_uses\.py:(\d+): (error|note): (.*)")

_ROUND_THE_EXAMPLE = """
def fresh_token() -> str:
    return ""
def show(text: str) -> None: ...
async def start_over() -> None: ...
async def example() -> None:
"""


def test_the_example_of_the_page_is_what_the_checker_takes(tmp_path: Path) -> None:
    page = (HERE.parent / "README.md").read_text("utf-8")
    found = re.search(r"```python\n(.*?)\n\n(.*?)```", page, re.DOTALL)
    assert found is not None
    script = tmp_path / "example.py"
    body = textwrap.indent(found[2], "    ")
    script.write_text(found[1] + "\n" + _ROUND_THE_EXAMPLE + body, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", str(script)]
    ran = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_every_answer_has_its_type_and_what_is_wrong_is_refused() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", str(SOURCE)]
    ran = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)
    said: dict[int, list[str]] = {}
    for number, kind, text in _SAID.findall(ran.stdout):
        if kind == "error" or text.startswith("Revealed"):
            said.setdefault(int(number), []).append(f"{kind}: {text}")
    expected = 0
    for number, line in enumerate(SOURCE.read_text("utf-8").split("\n"), 1):
        _, marked, mark = line.partition("  #! ")
        got = " ".join(said.pop(number, []))
        expected += bool(marked)
        assert bool(marked) == bool(got), f"{number}: {line}\n{got or ran.stdout}"
        assert mark in got, f"{number}: {line}\n{got}"
    assert not said, ran.stdout
    assert expected > 15
