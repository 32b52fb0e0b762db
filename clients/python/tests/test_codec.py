"""Envelopes in both formats: what is written, and what is refused."""

from __future__ import annotations

import json
import typing
import uuid

import msgpack  # type: ignore[import-untyped, unused-ignore]
import pytest

from ws_proto.codec import Json, MessagePack, named
from ws_proto.wire import Envelope, Fault, Head, Hole, Outgoing, address, advice

ID = "0199c82c-c000-7000-8000-000000000001"
JOIN = Head("join", ID, 1_760_000_000_000, seq=1, ttl=5000)
# The examples of docs/protocol.md, section 2.
JOIN_JSON = (
    '{"type":"join","id":"0199c82c-c000-7000-8000-000000000001","ts":1760000000000,'
    '"seq":1,"ttl":5000,"payload":{"room":"lobby"}}'
)
JOIN_HEX = (
    "95 a46a6f696e c4100199c82cc00070008000000000000001 cf00000199c82cc000 "
    "82a373657101a374746ccd1388 81a4726f6f6da56c6f626279"
)


def test_json_is_written_as_the_page_shows_it() -> None:
    codec = Json()
    written = codec.encode(Outgoing(JOIN, codec.payload({"room": "lobby"})))
    assert written.decode() == JOIN_JSON


def test_message_pack_is_written_as_the_page_shows_it() -> None:
    codec = MessagePack()
    written = codec.encode(Outgoing(JOIN, codec.payload({"room": "lobby"})))
    assert written == bytes.fromhex(JOIN_HEX)


@pytest.mark.parametrize("format", ["json", "msgpack"])
def test_what_is_written_is_read(format: str) -> None:
    codec = named(format)
    head = Head("x", ID, 7, ID, 1, 2, "room/lobby", 3, 2, "key", 9, "trace")
    payload = {"a": [1, -1, 2**53 - 1, 1.5, "é", None, True], "b": {}}
    data = codec.encode(Outgoing(head, codec.payload(payload)))
    fields = {name: getattr(head, name) for name in Head.__dataclass_fields__}
    assert codec.decode(data) == Envelope(**fields, payload=payload, size=len(data))


@pytest.mark.parametrize("format", ["json", "msgpack"])
def test_upper_case_is_read_and_lower_case_given(format: str) -> None:
    codec = named(format)
    head = Head("x", ID.upper(), 7, ID.upper())
    envelope = codec.decode(codec.encode(Outgoing(head, codec.payload(None))))
    assert envelope is not None
    assert (envelope.id, envelope.re) == (ID, ID)


def _with(**fields: typing.Any) -> str:
    return json.dumps({"type": "x", "id": ID, "ts": 1} | fields | {"payload": None})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        _with() + " 1",
        _with().replace('"ts": 1', '"ts": 1, "ts": 1'),
        _with().replace('"payload": null', '"payload": {"a": 1, "a": 1}'),
        _with().replace(', "payload": null', ""),
        _with().replace('"ts": 1, ', ""),
        _with().replace('"ts": 1', '"ts": 1e3'),
        _with().replace("null", "NaN"),
        _with().replace("null", "1" * 5000),
        _with().replace("null", "[" * 64 + "]" * 64),
        _with().replace("null", "[" * 30_000 + "]" * 30_000),
        _with(ts=-1),
        _with(ts=True),
        _with(ts=2**53),
        _with(seq=None),
        _with(seq=1.0),
        _with(ack="1"),
        _with(ch=7),
        _with(re="0"),
        _with(re=7),
        _with(id="0"),
        _with(id=ID + "0"),
        _with(type=""),
        _with(type="x" * 129),
        _with(key="é" * 65),
        _with(ch="\ud800"),
        _with().replace("null", '"\\udfff"'),
        _with(type="$close").replace("null", '{"code":1000,"reason":"","retry_after_ms":[1]}'),
        _with(type="$ping"),
        _with(type="$welcome"),
        _with(type="$close"),
    ],
)
def test_what_is_no_envelope_is_refused(text: str) -> None:
    assert Json().decode(text) is None
    assert Json().decode(text.encode()) is None


@pytest.mark.parametrize(
    "text",
    [
        _with(),
        _with(unknown={"a": 1}),
        _with(key="é" * 64),
        _with(type="$unknown"),
        _with().replace("null", "[" * 63 + "]" * 63),
        " \n" + _with() + " ",
    ],
)
def test_what_is_an_envelope_is_taken(text: str) -> None:
    assert Json().decode(text) is not None


def test_text_that_is_no_utf_8_is_refused() -> None:
    assert Json().decode(_with().encode().replace(b"null", b'"\xff"')) is None


def _packed(*values: typing.Any) -> bytes:
    packed: bytes = msgpack.packb(list(values))
    return packed


ID_BYTES = uuid.UUID(ID).bytes


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        _packed(),
        _packed("x", ID_BYTES, 1, None),
        _packed("x", ID_BYTES, 1, None, None, None),
        _packed("x", ID_BYTES, 1, None, None) + b"\xc0",
        _packed("x", ID_BYTES, 1, None, None)[:-1],
        _packed("x", ID, 1, None, None),
        _packed("x", ID_BYTES[:15], 1, None, None),
        _packed("x", ID_BYTES, 1, [], None),
        _packed("x", ID_BYTES, 1, {"re": ID}, None),
        _packed("x", ID_BYTES, 1, {"type": "y"}, None),
        _packed("x", ID_BYTES, 1, {"seq": 1.0}, None),
        _packed("x", ID_BYTES, 1, None, {1: 2}),
        _packed("x", ID_BYTES, 1, None, msgpack.ExtType(7, b"x")),
        _packed("x", ID_BYTES, 1, None, msgpack.Timestamp(1)),
        _packed("x", ID_BYTES, 1, None)[:-1] + b"\xc0" + b"\x82\xa1a\x01\xa1a\x01",
        b"\x95\xa1x\xc4\x10" + ID_BYTES + b"\x01\xc0" + b"\x91" * 32 + b"\xc0",
        b"\x95\xa1x\xc4\x10" + ID_BYTES + b"\x01\xc0" + b"\x91" * 60_000 + b"\xc0",
        b"\xdd\xff\xff\xff\xff",
        b"\x95\xa1x\xc6\xff\xff\xff\xff",
    ],
)
def test_what_is_no_packed_envelope_is_refused(data: bytes) -> None:
    assert MessagePack().decode(data) is None


def test_the_deepest_packed_envelope_is_taken() -> None:
    data = b"\x95\xa1x\xc4\x10" + ID_BYTES + b"\x01\xc0" + b"\x91" * 31 + b"\xc0"
    assert MessagePack().decode(data) is not None


def test_numbers_that_are_not_finite_are_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Json().payload(float("nan"))


def test_words_that_are_not_known_count_as_those_that_the_page_names() -> None:
    fault = Fault.read({"code": "tired", "message": "m", "retry": "soon", "details": 3})
    assert fault == Fault("internal", "m", "unknown")
    assert Hole.read({"reason": "tired"}) == Hole("slow")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("lobby",), "lobby"),
        (("room", ""), "room/"),
        (("seat", "a/b c", -7, True), "seat/a%2Fb%20c/-7/true"),
        (("room", "café"), "room/caf%C3%A9"),
        (("room", ".."), "room/.."),
        (("room", "a+b~_-"), "room/a%2Bb~_-"),
    ],
)
def test_an_address_has_its_one_spelling(fields: tuple[str, ...], expected: str) -> None:
    assert address(*fields) == expected


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((1001, 1005, 1006, 1011, 1012, 1013, 4000, 4099), "resume"),
        ((4100, 4199), "fresh_session"),
        ((4200, 4299), "new_credentials"),
        ((4300, 4399, 4400, 4499), "delay"),
        ((0, 1000, 1002, 1008, 1015, 3999, 4500, 4600, 4700, 4800, 4900, 4999, 5000), "stop"),
    ],
)
def test_the_range_of_a_code_is_its_advice(codes: tuple[int, ...], expected: str) -> None:
    assert {advice(code) for code in codes} == {expected}
