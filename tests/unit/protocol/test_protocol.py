"""The rules of the wire protocol that need no socket, clock or database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chat import protocol
from chat.errors import ClientError
from chat.protocol import ErrorCode, KeyAge, RefusedFrame, check_body, check_emoji, check_key

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = "019b0a5d-ac96-774b-bcce-b302099a8057"


def send(body: str = "hi", **fields: str) -> str:
    """Text of a `send` frame; `body` and `fields` go in as they are, escapes and all."""
    rest = "".join(f',"{name}":{value}' for name, value in fields.items())
    return f'{{"t":"send","id":"c1","room":5,"key":"{KEY}","body":"{body}"{rest}}}'


def key_made_at(moment: datetime) -> str:
    """A UUIDv7 of that time."""
    digits = f"{int(moment.timestamp() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-774b-bcce-b302099a8057"


def refusal(data: str | bytes) -> RefusedFrame:
    with pytest.raises(RefusedFrame) as caught:
        protocol.parse_frame(data)
    return caught.value


def test_frame_becomes_its_type() -> None:
    frame = protocol.parse_frame(send("hi", reply_to="7"))

    assert frame == protocol.Send(id="c1", room=5, key=KEY, body="hi", reply_to=7)


@pytest.mark.parametrize(
    "text", ['  {"t":"ping"}\n', send(r"\ud83d\ude00"), send(r"\\u0000"), send("x" * 8_000)]
)
def test_unusual_but_legal_text_is_read(text: str) -> None:
    assert protocol.parse_frame(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "hello",
        '{"t":"ping",}',
        '{"t":"ping"}{"t":"ping"}',
        '\ufeff{"t":"ping"}',
        "null",
        "7",
        '"ping"',
        "[]",
        '[{"t":"ping"}]',
        "{}",
        '{"t":5}',
        '{"t":["ping"]}',
        '{"t":null}',
        '{"t":"ping","t":"ping"}',
        '{"t":"typing","room":1,"room":2}',
        '{"t":"hello","rooms":{"5":{"epoch":1,"seq":1},"5":{"epoch":1,"seq":2}}}',
        '{"t":"hello","rooms":{"5":{"epoch":1,"seq":1,"seq":2}}}',
        '{"t":"typing","room":1,"extra":1}',
        '{"t":"typing","room":NaN}',
        '{"t":"typing","room":Infinity}',
        '{"t":"typing","room":1e400}',
        '{"t":"typing","room":1.0}',
        '{"t":"typing","room":' + "9" * 5_000 + "}",
        '{"t":"typing","room":' + "[" * 10_000 + "}",
        "[" * 10_000,
        '{"t":"typing","room":0}',
        '{"t":"typing","room":-1}',
        '{"t":"typing","room":9007199254740992}',
        '{"t":"typing","room":9223372036854775808}',
        '{"t":"typing","room":"1 OR 1"}',
        '{"t":"typing","room":true}',
        '{"t":"typing","room":[1]}',
        '{"t":"seen","f":-1}',
        '{"t":"hello","rooms":{"5":{"epoch":1,"seq":-1}}}',
        '{"t":"hello","rooms":{"05":{"epoch":1,"seq":1}}}',
        '{"t":"hello","rooms":{"9007199254740992":{"epoch":1,"seq":1}}}',
        '{"t":"hello","rooms":{"1 OR 1":{"epoch":1,"seq":1}}}',
        send(r"\ud800"),
        send(r"\udc00\ud800 and more"),
        send("\ud800"),
        send(r"a\u0000b"),
        send("a\x00b"),
        send(sender="1"),
        send(seq="1"),
        send(at='"2026-11-22T12:00:00Z"'),
        b'{"t":"ping"}',
        b"\x00\xff\x80",
    ],
    ids=lambda text: ascii(text)[:48],
)
def test_frame_that_is_not_quite_right_is_a_bad_request(text: str | bytes) -> None:
    refused = refusal(text)

    assert refused.code is ErrorCode.BAD_REQUEST
    assert len(refused.message) <= 200
    assert refused.message.isprintable()


def test_unknown_type_says_so() -> None:
    assert refusal('{"t":"nope","id":"x"}').code is ErrorCode.UNKNOWN_TYPE


def test_frame_at_the_limit_is_read_and_one_byte_more_is_too_large() -> None:
    padding = protocol.MAX_FRAME_BYTES - len(send(""))

    assert protocol.parse_frame(send("x" * padding))
    for body in ("x" * (padding + 1), "я" * (padding // 2 + 1)):
        refused = refusal(send(body))
        assert (refused.code, refused.id) == (ErrorCode.TOO_LARGE, "c1")


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ('{"t":"nope","id":"c9"}', "c9"),
        ('{"t":"send","id":"c9"}', "c9"),
        ('{"t":"typing","id":"c9","room":' + "9" * 5_000 + "}", "c9"),
        (send(r"\u0000"), "c1"),
        (send(r"\ud800"), "c1"),
        ('{"t":"send","id":9}', None),
        ('{"t":"send","id":""}', None),
        ('{"t":"send","id":"' + "x" * 65 + '"}', None),
        (r'{"t":"send","id":"\u0000"}', None),
        (r'{"t":"send","id":"\ud800"}', None),
        ("[" * 10_000, None),
        ("not json", None),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_refusal_carries_the_frames_id_where_it_can_be_read(text: str, id: str | None) -> None:
    assert refusal(text).id == id


@pytest.mark.parametrize(
    "body",
    [
        "a",
        "x" * 8_000,
        "\N{GRINNING FACE}" * 8_000,
        "\u202eright to left",
        "a\r\nFLUSHALL\r\n",
        "z" + "\u0301" * 100,
        "\x1b[31mred",
        "<script>alert(1)</script>",
        "{{ settings.SECRET_KEY }}",
        "\N{CHEESE WEDGE}\ufe0f",
        "\U0001fae8",
        "—",
    ],
    ids=lambda body: ascii(body)[:30],
)
def test_text_that_one_can_read_is_a_message(body: str) -> None:
    check_body(body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", ErrorCode.EMPTY),
        (" \t\r\n\u00a0\u2003\u3000", ErrorCode.EMPTY),
        ("\u200b\u200c\u200d\u2060\ufeff", ErrorCode.EMPTY),
        ("\u3164\u115f\u1160\uffa0\u2800", ErrorCode.EMPTY),
        ("\ufe0f\u034f", ErrorCode.EMPTY),
        ("\x01\x02", ErrorCode.EMPTY),
        ("x" * 8_001, ErrorCode.TOO_LARGE),
        ("\N{GRINNING FACE}" * 8_001, ErrorCode.TOO_LARGE),
        ("a\x00b", ErrorCode.BAD_REQUEST),
        ("a\ud800b", ErrorCode.BAD_REQUEST),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_text_that_nobody_can_read_or_store_is_refused(body: str, code: ErrorCode) -> None:
    with pytest.raises(ClientError) as caught:
        check_body(body)

    assert caught.value.code == code


@pytest.mark.parametrize(
    "emoji",
    ["👍", "❤️", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇷🇺", "1️⃣", "ℹ️", "‼️", "👍🏽", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "\U0001fae8"],
)
def test_emoji_is_a_reaction(emoji: str) -> None:
    assert check_emoji(emoji) == emoji


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "ok",
        "+1",
        "1",
        " ",
        "\x00",
        "👍 ",
        "👍a",
        "\ud83d",
        "<b>",
        "\u200d",
        "👍" * 2,
        "🇷🇺🇷🇺",
        "1️⃣2️⃣",
        "^",
    ],
)
def test_anything_else_is_not_a_reaction(text: str) -> None:
    with pytest.raises(ClientError) as caught:
        check_emoji(text)

    assert caught.value.code == ErrorCode.BAD_REQUEST


@pytest.mark.parametrize(
    ("age", "who_decides"),
    [
        (timedelta(minutes=-5), KeyAge.FRESH),
        (timedelta(0), KeyAge.FRESH),
        (timedelta(hours=5), KeyAge.FRESH),
        (timedelta(hours=5, seconds=1), KeyAge.OLD),
        (timedelta(days=3_000), KeyAge.OLD),
    ],
)
def test_key_is_decided_by_the_log_for_five_hours(age: timedelta, who_decides: KeyAge) -> None:
    assert check_key(key_made_at(NOW - age), NOW) is who_decides


def test_key_from_the_future_is_refused_with_the_servers_time() -> None:
    with pytest.raises(ClientError) as caught:
        check_key(key_made_at(NOW + timedelta(minutes=5, seconds=1)), NOW)

    assert caught.value.code == ErrorCode.BAD_REQUEST
    assert NOW.isoformat() in caught.value.message


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x" * 36,
        "019b0a5d-ac96-474b-bcce-b302099a8057",
        "019b0a5d-ac96-774b-0cce-b302099a8057",
        KEY.upper(),
        KEY.replace("-", ""),
        "{" + KEY[1:-1] + "}",
        KEY + "\n",
        KEY[:-1] + "٣",
    ],
)
def test_key_that_is_no_canonical_uuid7_is_refused(key: str) -> None:
    with pytest.raises(ClientError) as caught:
        check_key(key, NOW)

    assert caught.value.code == ErrorCode.BAD_REQUEST
