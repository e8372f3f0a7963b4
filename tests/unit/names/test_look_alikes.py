"""Which names look alike, and which say that their bearer runs the place."""

from __future__ import annotations

import re

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import ClientError
from chat.names.display_names import check_display_name
from chat.names.labels import check_room_name, may_be_address
from chat.names.look_alikes import MAX_SKELETON_CHARACTERS, is_reserved, mixes_alphabets, skeletons
from chat.names.usernames import check_username
from chatsite.env import BASE_DIR
from tests.unit.names.look_alike_table import table


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna", "ANNA"),
        ("Модератор", "МОДЕРАТОР"),
        ("Anna P.", "anna  p"),
        ("Alice", "AIice"),  # a capital i
        ("Alice", "A1ice"),
        ("modern", "rnodern"),
        ("BBC", "ВВС"),  # Cyrillic capitals
        ("coco", "сосо"),  # Cyrillic
        ("paypal", "раураl"),
        ("Zoe", "Ζoe"),  # a Greek capital
        ("Zoë", "Zoe"),
        ("Anna", "𝐀𝐧𝐧𝐚"),
        ("Anna", "Ａｎｎａ"),
        ("Anna", "Anna\u200b"),
        ("Anna", "Anna\u3164"),
        ("Anna", "🌟 Anna 🌟"),
        ("admin", "ᴀᴅᴍɪɴ"),
    ],
)
def test_names_that_look_alike_have_one_skeleton(one: str, other: str) -> None:
    assert skeletons(one) & skeletons(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Anna", "Hanna"), ("Анна", "Инна"), ("Роман", "Рома"), ("🔥", "🌟"), ("李", "王")],
)
def test_other_names_have_other_skeletons(one: str, other: str) -> None:
    assert not skeletons(one) & skeletons(other)


@given(st.text(min_size=1, max_size=90))
def test_any_text_has_a_short_skeleton_that_is_not_empty(text: str) -> None:
    for found in skeletons(text):
        assert 1 <= len(found) <= MAX_SKELETON_CHARACTERS
    is_reserved(text)
    mixes_alphabets(text)


ORDINARY = [
    "Роман", "Ася", "Анна Петровна", "Анна (Anna)", "Anna П.", "Иван3D", "Elihu Root",

    "María-José", "O'Connor", "Søren Ærø", "Łukasz", "Ѓорѓи", "Ελένη", "李小龙", "山田 エミ",
    "김민수", "محمد", "דוד", "R2-D2", "🔥", "Owen", "Alla", "Все свои", "Марк Твен", "Ян", "x",
    "Ali", "ALI", "ALİ", "Alî", "Ali 2", "A. Li", "Al L.", "Али", "Ilia", "Lia",
]  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_pass(name: str) -> None:
    assert check_display_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "Administrator", "ADMIN", "admin", "аdmin", "Adm\u0456n", "A d m i n", "A.d.m.i.n", "adm1n",
        "Admin 2", "Admin1", "★Admin★", "Ad\u200bmin", "Admin\u3164", "𝐀𝐝𝐦𝐢𝐧", "ᴀᴅᴍɪɴ", "Veche",
        "Veche Support", "System", "root", "Moderator", "Админ", "АДМИНИСТРАТОР", "Администратор 1",
        "Модератор", "Поддержка", "Служба поддержки", "Система", "Вече", "Everyone", "все",
        "all", "All", "AIl", "A1l", "Все",
    ],
)  # fmt: skip
def test_names_of_those_who_run_the_place_are_refused_except_of_staff(name: str) -> None:
    with pytest.raises(ValidationError):
        check_display_name(name)

    if not mixes_alphabets(name):
        assert check_display_name(name, may_be_reserved=True)


@pytest.mark.parametrize("name", ["Bоris", "Bоris Petrov", "Иvan", "Ζoe", "pаypal 24"])
def test_word_in_two_alphabets_is_refused_for_everybody_and_for_rooms(name: str) -> None:
    for may_be_reserved in (False, True):
        with pytest.raises(ValidationError):
            check_display_name(name, may_be_reserved=may_be_reserved)
    with pytest.raises(ClientError):
        check_room_name(name)


@pytest.mark.parametrize("slug", ["сосо", "general", "рор-2", "сосо-abc", "οο"])
def test_address_that_looks_like_another_one_gets_an_end(slug: str) -> None:
    assert not may_be_address(slug)


@pytest.mark.parametrize("slug", ["coco", "планы", "zoë", "ёлка-2", "о-погоде", "计划", "2"])
def test_other_addresses_are_what_the_name_gives(slug: str) -> None:
    assert may_be_address(slug)


def test_ui_compares_names_of_rooms_by_the_same_table() -> None:
    """If it fails: write `LETTERS` again from `look_alike_table.table`."""
    source = (BASE_DIR / "chat/ui/src/lib/look-alikes.ts").read_text()
    letters = source[source.index("const LETTERS") : source.index("};")]

    assert dict(re.findall(r'^\t(\w): "([^"]*)",$', letters, re.MULTILINE)) == table()


@pytest.mark.parametrize("name", ["Anna @boris", "@boris", "Anna (@boris)", "Anna ＠boris"])
def test_name_cannot_hold_what_looks_like_the_user_name_beside_it(name: str) -> None:
    with pytest.raises(ValidationError):
        check_display_name(name)


def test_first_names_are_user_names_though_they_look_like_a_reserved_word() -> None:
    check_username("ali")
    check_username("ali.2")


@pytest.mark.parametrize("name", ["admin1", "adm1n", "veche-support", "админ2", "root.1"])
def test_user_names_that_look_reserved_are_refused_too(name: str) -> None:
    with pytest.raises(ValidationError):
        check_username(name)
