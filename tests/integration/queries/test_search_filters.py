"""What the operators of a search find, for whom, and what they say of names that there are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from asgiref.sync import sync_to_async

from chat.actions import messages, moderation
from chat.actions.recorded_act import Options
from chat.models import Message, Reaction, Room, User
from chat.queries import found_messages, search
from chat.queries.search_operators import OPERATORS
from tests.support.chat_world import Answer, Api, by, make_user, store
from tests.support.rooms import new_key, new_room

pytestmark = pytest.mark.django_db(transaction=True)

DAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
WHY = Options(reason="It was time.")


async def ask(person: User, text: str, **more: Any) -> Answer:
    return await Api(person).get(f"search?{urlencode({'q': text, **more})}")


async def found(person: User, text: str, room: int | None = None, tz: str = "UTC") -> list[str]:
    """The bodies found, newest first; without the limits of REST."""
    result = await search.search(person.pk, text, room, 20, zone=tz)
    return [one.body for one in result.found]


async def room_of(owner: User, *members: User) -> Room:
    room = await new_room(owner, *members)
    await store(room.pk)
    return room


@sync_to_async
def put(room: Room, author: User | None, body: str, at: datetime = DAY, **more: Any) -> int:
    """A stored message; later ones are newer."""
    seq = 1_000 + Message.objects.filter(room=room).count()
    at += timedelta(milliseconds=Message.objects.count())
    Message.objects.create(room=room, seq=seq, n=seq, author=author, at=at, body=body, **more)
    return seq


async def test_from_finds_a_person_by_user_name_by_name_and_oneself() -> None:
    anna = await make_user("anna", display_name="Анна Каренина")
    boris = await make_user("boris", display_name="Anna", is_active=False)
    room = await room_of(anna, boris)
    await put(room, anna, "lunch of anna")
    await put(room, boris, "lunch of boris")
    await put(room, None, "lunch of nobody")

    of_anna = ["lunch of anna"]
    for text in ("from:anna", "from:@ANNA", "from:me", 'from:"анна каренина"', "from:Каренина"):
        assert await found(anna, f"lunch {text}") == of_anna, text
        assert await found(anna, text) == of_anna, text
    assert await found(boris, "from:me") == ["lunch of boris"]
    assert await found(anna, "from:anna from:boris") == ["lunch of boris", "lunch of anna"]
    assert await found(anna, "-from:anna") == ["lunch of nobody", "lunch of boris"]
    assert await found(anna, "lunch from:anna -from:me") == []


async def test_in_finds_a_room_by_address_and_name_and_with_a_conversation() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    eva = await make_user("eva")
    plans, other = await room_of(anna, boris), await room_of(anna)
    await Room.objects.filter(pk=plans.pk).aupdate(name="Великие планы", slug="plans")
    direct = await Api(anna).post("direct", {"user": boris.pk})
    talk = await Room.objects.aget(pk=direct.body["id"])
    await put(plans, anna, "word in plans")
    await put(other, anna, "word elsewhere")
    await put(talk, boris, "word between us")

    for text in ("in:plans", "in:#PLANS", 'in:"великие планы"'):
        assert await found(anna, text) == ["word in plans"], text
    for text in ("with:boris", "with:@boris", "in:@boris"):
        assert await found(anna, f"word {text}") == ["word between us"], text
    assert await found(anna, "with:eva") == []
    assert await found(anna, "word -in:plans -with:boris") == ["word elsewhere"]
    assert await found(anna, "word in:plans with:boris") == ["word between us", "word in plans"]
    assert await found(anna, "word in:plans", room=other.pk) == []
    assert await found(anna, "word in:plans", room=plans.pk) == ["word in plans"]
    assert await found(eva, "with:anna") == []


async def test_days_are_those_of_the_readers_clock() -> None:
    anna = await make_user("anna")
    room, other = await room_of(anna), await room_of(anna)
    await put(room, anna, "evening", datetime(2026, 11, 19, 20, tzinfo=UTC))
    await put(room, anna, "night", datetime(2026, 11, 19, 22, tzinfo=UTC))
    await put(other, anna, "noon", datetime(2026, 11, 20, 12, tzinfo=UTC))
    moscow = "Europe/Moscow"

    assert await found(anna, "on:2026-11-20") == ["noon"]
    assert await found(anna, "on:2026-11-20", tz=moscow) == ["noon", "night"]
    assert await found(anna, "on:20.11.2026", room=room.pk, tz=moscow) == ["night"]
    assert await found(anna, "before:2026-11-20", tz=moscow) == ["evening"]
    assert await found(anna, "before:2026-11-20", room=room.pk) == ["night", "evening"]
    assert await found(anna, "after:2026-11-19") == ["noon"]
    assert await found(anna, "after:2026-11-19T21:00Z noon") == ["noon"]
    assert await found(anna, "after:2026-11-19T21:00Z", room=room.pk) == ["night"]
    assert await found(anna, "after:2026-11-20 before:2026-11-20") == []
    assert await found(anna, "on:today") == []


async def test_has_and_is_tell_what_is_in_a_message_and_happened_to_it() -> None:
    anna = await make_user("anna")
    room = await room_of(anna)
    bodies = {
        "link": ["see https://example.com", "HTTP://EXAMPLE.COM", "on www.example.com"],
        "code": ["run `ls`", "```\nls\n```", "so:\n```sql"],
        None: ["https is a scheme", "a ` alone", "example.com"],
    }
    for kind in bodies.values():
        for body in kind:
            await put(room, anna, body)
    seq = await put(room, anna, "liked")
    await Reaction.objects.acreate(room=room, target=seq, user=anna, emoji="👍")
    await put(room, anna, "changed", edited_at=DAY)

    assert await found(anna, "has:link") == bodies["link"][::-1]
    assert await found(anna, "has:code") == bodies["code"][::-1]
    assert await found(anna, "HAS:Reaction") == ["liked"]
    assert await found(anna, "is:edited") == ["changed"]
    assert await found(anna, "has:link has:code") == []
    assert await found(anna, "example -has:link") == ["example.com"]
    assert "liked" not in await found(anna, "-has:reaction")


async def test_each_listed_value_finds_something_or_nothing_but_is_known() -> None:
    anna = await make_user("anna")
    await room_of(anna)

    for name, values in OPERATORS.items():
        for value in values or ():
            assert await found(anna, f"{name}:{value}") == []


@pytest.mark.parametrize(
    ("text", "reason", "about"),
    [
        ("from:nobody", "search_person", "from:nobody"),
        ("lunch from:@ann", "search_person", "from:@ann"),
        ("-with:nobody", "search_person", "-with:nobody"),
        ('in:"no such room"', "search_room", 'in:"no such room"'),
        ("in:hidden", "search_room", "in:hidden"),
        ("on:click", "search_date", "on:click"),
        ("after:2026-02-30", "search_date", "after:2026-02-30"),
        ("on:2026-11-20T12:00Z", "search_date", "on:2026-11-20T12:00Z"),
        ("has:cheese", "search_value", "has:cheese"),
        (" ".join(["from:me"] * 21), "search_operators", None),
    ],
)
async def test_operator_that_names_nothing_says_so(
    text: str, reason: str, about: str | None
) -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    hidden = await room_of(boris)
    await Room.objects.filter(pk=hidden.pk).aupdate(slug="hidden")

    answer = await ask(anna, text)

    assert (answer.status, answer.body["code"]) == (400, "bad_request")
    assert answer.body["reason"] == reason
    assert answer.body.get("about") == about
    assert answer.body["rule"] == "search_operators"


async def test_text_in_quotes_is_looked_for_whatever_it_looks_like() -> None:
    anna = await make_user("anna")
    room = await room_of(anna)
    await put(room, anna, "button on:click is broken")

    assert await found(anna, '"on:click"') == ["button on:click is broken"]


async def test_too_many_people_of_a_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from chat.queries import search_filters

    monkeypatch.setattr(search_filters, "MAX_PEOPLE", 2)
    anna = await make_user("anna")
    await room_of(anna)
    for number in range(3):
        await make_user(f"twin{number}", display_name="Twin")

    assert (await ask(anna, "from:twin")).body["reason"] == "search_people"
    assert await found(anna, "from:twin1") == []


async def test_operators_open_no_room_that_one_is_not_in() -> None:
    anna, boris, eva = [await make_user(name) for name in ("anna", "boris", "eva")]
    room = await room_of(anna, boris)
    await Room.objects.filter(pk=room.pk).aupdate(slug="plans", name="Plans")
    seq = await put(room, anna, "see https://example.com `x`", edited_at=DAY)
    await Reaction.objects.acreate(room=room, target=seq, user=anna, emoji="👍")
    direct = await Api(anna).post("direct", {"user": boris.pk})
    await put(await Room.objects.aget(pk=direct.body["id"]), anna, "between us")
    everything = ["from:anna", "has:link", "has:code", "has:reaction", "is:edited", "-from:eva"]
    everything += ["on:2026-11-20", "after:2000-01-01", "with:anna", "with:boris", "-with:eva"]

    for text in everything:
        assert await found(eva, text) == [], text
    assert (await ask(eva, "in:plans")).status == 400
    assert (await ask(eva, "from:anna", room=room.pk)).status == 404
    assert await found(boris, "from:anna in:plans") != []
    await moderation.remove_member(by(anna), room.pk, boris.pk, WHY)
    assert await found(boris, "from:anna") == ["between us"]
    assert (await ask(boris, "in:plans")).body["reason"] == "search_room"


async def test_deleted_message_is_found_by_no_operator_even_before_it_is_stored() -> None:
    anna = await make_user("anna")
    room = await room_of(anna)
    posted = await messages.post_message(anna.pk, room.pk, new_key(), "see https://example.com")
    await store(room.pk)
    assert await found(anna, "from:me has:link") == ["see https://example.com"]

    await messages.delete_message(anna.pk, room.pk, new_key(), posted.event.seq)

    assert await found(anna, "from:me has:link") == []
    await store(room.pk)
    assert await found(anna, "from:me has:link") == []


async def test_unknown_time_zone_is_refused() -> None:
    answer = await ask(await make_user("anna"), "on:today", tz="Nowhere")

    assert (answer.status, answer.body["rule"]) == (400, "known_time_zone")


@pytest.mark.parametrize(
    "text",
    [
        "from:me " * 20,
        '(.*)+$ [a-z]{1000} from:"(.*)"',
        "-in:a" * 90,
        'from:"%_\\"',
        "in:'\"--;",
        "with:" + "я" * 490,
        ":::: from:: :from in:::",
        "'||' has:link & | ! <->",
    ],
)
async def test_odd_texts_are_answered(text: str) -> None:
    assert (await ask(await make_user("anna"), text[:500])).status in {200, 400}


async def test_filters_reach_beyond_what_is_looked_at_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(found_messages, "NEWEST_OF_ALL", 4)
    monkeypatch.setattr(found_messages, "NEWEST", 3)
    monkeypatch.setattr(found_messages, "MORE_OF_ALL", 8)
    anna, boris = await make_user("anna"), await make_user("boris")
    room, other = await room_of(anna, boris), await room_of(anna)
    for number in range(30):
        body = f"word {number} https://example.com" if number % 10 == 0 else f"word {number}"
        at = DAY + timedelta(days=number)
        await put(room if number % 2 else other, boris if number % 7 == 0 else anna, body, at)

    assert await found(anna, "word from:boris") == [f"word {n}" for n in (28, 21, 14, 7)] + [
        "word 0 https://example.com"
    ]
    assert [body.split()[1] for body in await found(anna, "has:link")] == ["20", "10", "0"]
    assert [body.split()[1] for body in await found(anna, "word 7", room=room.pk)] == ["7"]
    old = "word before:2026-11-23"
    assert [body.split()[1] for body in await found(anna, old)] == ["2", "1", "0"]
    assert [body.split()[1] for body in await found(anna, old, room=other.pk)] == ["2", "0"]
    assert await found(anna, "after:2026-11-22 before:2026-11-24") == ["word 3"]
