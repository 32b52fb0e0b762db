"""What a user of the models writes; lines that the checker has to refuse are marked."""

from pathlib import Path
from typing import Literal, assert_never

from pydantic import TypeAdapter, ValidationError

import protocol as p


def area(choice: p.Choice) -> float:
    """Every variant has its branch, so nothing is left."""
    if choice.kind == "circle":
        return 3.0 * choice.radius * choice.radius
    if choice.kind == "square":
        return choice.side * choice.side
    if choice.kind == "nothing":
        return 0.0
    assert_never(choice)


def forgets(choice: p.Choice) -> float:
    """A branch is missing."""
    if choice.kind == "circle":
        return 1.0
    assert_never(choice)  # type: ignore[arg-type]


def until(failed: p.Failed) -> int:
    """A keyed variant is a word or an object."""
    return 0 if failed == "full" else failed.banned.until


def is_first(word: p.Words) -> bool:
    """Words are literals."""
    first: Literal["one"] = "one"
    return word == first


def main() -> None:
    """Reads what a server wrote, and writes what a client sends."""
    text = Path("shapes.json").read_text(encoding="utf-8")
    shapes = p.Shapes.model_validate_json(text)
    assert area(shapes.tagged) == 6.75 and until(shapes.keyed) == 1
    assert shapes.with_hyphen and shapes.nullable is None and shapes.next is not None
    assert shapes.pair == [1, 2] and shapes.mixed == (1, "a")

    wrong = text.replace('"circle"', '"triangle"', 1)
    try:
        p.Shapes.model_validate_json(wrong)
    except ValidationError as error:
        assert error.error_count() == 1, error
    else:
        raise AssertionError("a variant that does not exist was read")

    sent = p.ShapesInput(
        nullable=None,
        list=["one", None],
        pair=[1, 2],
        mixed=(1, "a"),
        map={"a": [1]},
        any=None,
        tagged=p.ChoiceNothing(kind="nothing"),
        keyed=p.FailedBanned(banned=p.FailedBannedBanned(until=7)),
        free="text",
        with_hyphen=False,
        next=None,
    )
    assert p.Import(class_="x").model_dump(by_alias=True) == {"class": "x"}
    try:
        p.Import(name="x")  # type: ignore[call-arg]
    except ValidationError:
        pass
    Path("written.json").write_text(
        sent.model_dump_json(by_alias=True, exclude_unset=True), encoding="utf-8"
    )
    message = TypeAdapter[p.ServerMessage](p.ServerMessage)
    try:
        message.validate_json('{"type": "nobody"}')
    except ValidationError as error:
        assert error.error_count() == 1, error


main()
