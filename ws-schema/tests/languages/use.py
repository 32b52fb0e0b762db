"""What a user of the models writes; lines that the checker has to refuse are marked."""

from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, assert_never

from pydantic import TypeAdapter, ValidationError

import protocol as p

R = TypeVar("R", covariant=True)
E = TypeVar("E", covariant=True)
P = TypeVar("P", contravariant=True)


class Asked(Protocol[R]):
    """What a client library matches, so that the answer has its type."""

    def _ws_call(self) -> tuple[R, Any]: ...


class Uploaded(Protocol[P, R]):
    """The same for parts."""

    def _ws_upload(self, part: P) -> tuple[R, Any]: ...


class Heard(Protocol[E, R]):
    """The same for what happens on a channel, and its snapshot."""

    def _ws_events(self) -> tuple[E, R]: ...


def call(request: Asked[R]) -> R:
    """Nobody calls this: the checker reads it."""
    raise NotImplementedError(request)


def upload(request: Uploaded[P, R], part: P) -> R:
    """Nor this."""
    raise NotImplementedError(request, part)


def first(channel: Heard[E, R]) -> tuple[E, R]:
    """Nor this."""
    raise NotImplementedError(channel)


def infers(shape: p.ShapesInput, watch: p.Watch) -> None:
    """Every request knows its answer, and nothing else is one."""
    answer: p.Shapes = call(shape)
    wrong: p.Watch = call(shape)  # type: ignore[assignment]
    call(watch)  # type: ignore[arg-type]
    choices: list[p.Choice] = upload(p.Import(class_="x"), "part")
    upload(p.Import(class_="x"), 7)  # type: ignore[misc]
    event, state = first(p.RoomChannel(name="x", number=1))
    entered: p.RoomEventEntered = event
    word: p.Words = state
    first(p.Late())  # type: ignore[arg-type]
    raise AssertionError((answer, wrong, choices, entered, word))


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
    assert p.FACTS == {"late": {"dedup": True, "since": 3}, "shape": {"idempotent": True}}
    assert p.SNAPSHOTS == {"room": p.Words} and p.RoomChannel("x", 7)._ws_kind == "room"
    message = TypeAdapter[p.ServerMessage](p.ServerMessage)
    try:
        message.validate_json('{"type": "nobody"}')
    except ValidationError as error:
        assert error.error_count() == 1, error


main()
