"""The short form of docs/sessions/README.md: words, and a JSON value at the end."""

from __future__ import annotations

import json
import re
import typing

Json = typing.Any
ABSENT: typing.Final = object()
_START = re.compile(r"(?:^|\s)(?:[{\[\"]|null$)")
_WORD = {
    "$welcome": "version",
    "$reject": "close",
    "$close": "code",
    "$credit": "n",
    "$err": "code",
    "$unsubbed": "code",
    "$gap": "reason",
}
_UNITS = {"ms": 1, "s": 1000, "min": 60_000}


class Short:
    """Words, some of them `name=value`, and perhaps a JSON value."""

    def __init__(self, words: list[str], json: Json = ABSENT) -> None:
        self.words = words
        self.json = json

    @staticmethod
    def parse(text: str) -> Short:
        """Reads a line."""
        start = _START.search(text)
        head = text[: start.start()] if start else text
        return Short(head.split(), json.loads(text[start.start() :]) if start else ABSENT)

    @property
    def first(self) -> str:
        """The first word."""
        return self.words[0] if self.words else ""

    @property
    def type(self) -> str:
        """The type of a frame, without the name of the message."""
        return self.first.split("#")[0]

    @property
    def label(self) -> str | None:
        """The name of the message."""
        return self.first.split("#")[1] if "#" in self.first else None

    @property
    def re(self) -> str | None:
        """The name of the message that this one is about."""
        return next((word[3:] for word in self.words if word.startswith("re#")), None)

    def at(self, place: int) -> str:
        """A plain word by its place; empty where there is none."""
        plain = [word for word in self.words if "=" not in word]
        return plain[place] if place < len(plain) else ""

    def field(self, name: str) -> str | None:
        """The value of `name=value`."""
        found = (word for word in self.words if word.startswith(f"{name}="))
        return next((word[len(name) + 1 :] for word in found), None)

    def number(self, name: str) -> int | None:
        """The same as a number; `-` is none."""
        text = self.field(name)
        return None if text in (None, "-") else int(text)

    @property
    def value(self) -> Json:
        """The JSON value, `None` where there is none."""
        return None if self.json is ABSENT else self.json

    def __str__(self) -> str:
        more = [] if self.json is ABSENT else [json.dumps(self.json)]
        return " ".join(self.words + more)


def said(short: Short) -> Json:
    """What the words of a control frame stand for; `ABSENT` where they say nothing."""
    word = next((it for it in short.words[1:] if "=" not in it and "#" not in it), None)
    if word is None:
        return short.json
    more = short.value or {}
    if short.type == "$hello":
        low, high = short.at(2).split("..")
        return {"protocol": word, "version": [int(low), int(high)]} | more
    return {_WORD[short.type]: int(word) if word.isdigit() else word} | more


def duration(text: str) -> int:
    """Milliseconds of `250ms`, `1s`, `1min`."""
    match = re.fullmatch(r"(\d+)(ms|s|min)", text)
    assert match, f"`{text}` is no time"
    return int(match[1]) * _UNITS[match[2]]


def position(text: str | None) -> tuple[str, int] | None:
    """The position `epoch:off`."""
    if text is None:
        return None
    epoch, off = text.split(":")
    return epoch, int(off)


def is_within(expected: Json, got: Json) -> bool:
    """Whether everything that is expected is there; `null` says that a field is absent."""
    if not isinstance(expected, dict):
        return bool(expected == got)
    return isinstance(got, dict) and all(
        is_within(value, got[name]) if name in got else value is None
        for name, value in expected.items()
    )


def merge(whole: Json, more: Json) -> Json:
    """`more` on top of `whole`, field by field; `null` says that a field is absent."""
    if more is ABSENT:
        return whole
    if not isinstance(more, dict) or not isinstance(whole, dict):
        return more
    merged = dict(whole)
    for name, value in more.items():
        merged[name] = merge(merged[name], value) if name in merged else value
        if value is None:
            del merged[name]
    return merged
