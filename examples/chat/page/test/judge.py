"""Reads frames with the generated models: all of them, and no broken one.

`python judge.py FOLDER` takes `chat.py`, `control.py` and `cases.ndjson` from the folder.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

from pydantic import TypeAdapter, ValidationError


def module(path: Path) -> ModuleType:
    """A generated module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def problem(case: dict, adapters: dict) -> str | None:
    """What is wrong with how one case was taken."""
    path = case.get("path")
    try:
        adapters[case["document"], case["by"]].validate_json(
            json.dumps(case["value"]), strict=True
        )
    except ValidationError as error:
        errors = error.errors()
        if path is None or len(errors) != 1:
            return f"{error}"
        # The union names the branch first; of its own tag it says that in words.
        place = list(errors[0]["loc"])[1:]
        if errors[0]["type"].startswith("union_tag"):
            place = ["type"]
        return None if place == path else f"at {place} instead of {path}: {error}"
    return None if path is None else "a broken frame was read"


def main(folder: Path) -> None:
    """Judges every case."""
    adapters = {}
    for document in ("chat", "control"):
        models = module(folder / f"{document}.py")
        adapters[document, "client"] = TypeAdapter(models.ClientMessage)
        adapters[document, "server"] = TypeAdapter(models.ServerMessage)
    cases = [json.loads(line) for line in (folder / "cases.ndjson").open(encoding="utf-8")]
    failed = [(case, found) for case in cases if (found := problem(case, adapters))]
    for case, found in failed[:20]:
        print(json.dumps(case), found, sep="\n", file=sys.stderr)
    if failed:
        sys.exit(f"{len(failed)} of {len(cases)} were taken wrongly")
    print(f"{len(cases)} judged")


main(Path(sys.argv[1]))
