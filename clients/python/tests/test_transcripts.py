"""Every block of docs/sessions whose client is not scripted, in both formats."""

from __future__ import annotations

from pathlib import Path

import pytest
from room import Block, blocks, run

FOLDER = Path(__file__).parents[3] / "docs" / "sessions"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "README.md")
BLOCKS = [block for page in PAGES for block in blocks(page.name, page.read_text("utf-8"))]
# A block whose client is the script is about a server, and so is one that has no client.
OURS = [block for block in BLOCKS if not block.has("peer C")]


@pytest.mark.parametrize("format", ["json", "msgpack"])
@pytest.mark.parametrize("block", OURS, ids=lambda block: block.name)
def test_transcript(block: Block, format: str) -> None:
    run(block, format)


def test_the_transcripts_were_found() -> None:
    assert len(OURS) > 80, f"{len(OURS)} of {len(BLOCKS)} blocks"
