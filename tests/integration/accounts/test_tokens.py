"""Tokens of programs: what they may do, how long, and everything that ends them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from chat.accounts import tokens
from chat.actions import people, rooms
from chat.api.routes import api as ninja_api
from chat.audit.permissions import Act
from chat.events import RoomKind
from chat.models import ApiToken, User
from chat.protocol import scopes
from chat.protocol.scopes import Scope
from localstack.web_process import WebProcess
from tests.support.account_world import confirm_password, give_factor, left_alone
from tests.support.admin_world import at_admin, recorded, staff, without_second_factor
from tests.support.chat_world import Api, by, make_user
from tests.support.moderation_world import WHY, make_world
from tests.support.rooms import new_key
from tests.support.web_process import ChatClient, web_process

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "tall-Oak-42-river"


async def token_of(user: User, *granted: Scope, days: int | None = 90) -> tuple[int, str]:
    chosen = granted or tuple(Scope)
    row, text = await sync_to_async(tokens.issue)(user.pk, "bot", chosen, days)
    return row.pk, text


def with_password(name: str = "anna") -> User:
    return User.objects.create_user(name, email=f"{name}@example.org", password=PASSWORD)


def signed_in(user: User, password: str = PASSWORD) -> Client:
    browser = Client()
    answer = browser.post("/accounts/login/", {"login": user.username, "password": password})
    assert answer.status_code == 302
    return browser


def is_in_force(text: str) -> bool:
    return tokens.verify(text) is not None


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WebProcess]:
    log = tmp_path_factory.mktemp("web") / "server.log"
    with django_db_blocker.unblock(), web_process(log, ASGI_SERVER=request.param) as process:
        yield process


# Scopes

MODERATING = re.compile(
    r"""analytics/ | /bans$ | /audit$ | /archive$ | ^patch\ rooms/1$ | /(ban|mute|role)$
    | /(delete|restore)$ | ^delete\ rooms/1/members/1$ | reports/waiting$ | rooms/1/reports""",
    re.VERBOSE,
)


def needed_for(method: str, path: str) -> Scope:
    """The rule, written down a second time: what members see, what they do, and the rest."""
    if MODERATING.search(f"{method} {path}"):
        return Scope.MODERATE
    return Scope.READ if method == "get" or path == "tickets" else Scope.WRITE


async def test_every_operation_asks_for_the_scope_that_the_document_names() -> None:
    anna = await make_user("anna")
    with_one = {scope: (await token_of(anna, scope))[1] for scope in Scope}
    paths: dict[str, dict[str, Any]] = ninja_api.get_openapi_schema(path_prefix="")["paths"]
    seen = set()
    for path, operations in paths.items():
        for method, operation in operations.items():
            # One of these tokens may be the first that was ever made: none is revoked here.
            asked = re.sub(r"\{\w+\}", "1", path.replace("{token_id}", "0")).removeprefix("/v1/")
            needed = needed_for(method, asked)
            seen.add(needed)
            assert operation["description"].endswith(f"scope `{needed}`."), (method, asked)
            for scope, text in with_one.items():
                answer = await Api(token=text).ask(method, asked, {})
                refused = answer.status == 403 and "lacks the scope" in answer.body["detail"]
                assert refused == (scope is not needed), (method, asked, scope, answer)

    assert seen == set(Scope)


async def test_token_that_may_only_write_posts_and_reads_nothing() -> None:
    anna = await make_user("anna")
    room = await rooms.create_room(anna.pk, "Builds", RoomKind.PRIVATE)
    program = Api(token=(await token_of(anna, Scope.WRITE))[1])

    posted = await program.post(f"rooms/{room.pk}/messages", {"body": "green"}, new_key())

    assert posted.status == 201
    assert (await program.get(f"rooms/{room.pk}/messages")).status == 403
    assert (await program.post("tickets")).status == 403


async def test_token_from_before_there_were_scopes_may_do_everything_and_does_not_expire() -> None:
    anna = await make_user("anna")
    text = f"veche_{'a' * 43}"
    # As the version before wrote it.
    await ApiToken.objects.acreate(
        user=anna, name="old", prefix=text[:12], digest=tokens.digest_of(text)
    )

    [row] = (await Api(token=text).get("tokens")).body

    assert (row["scopes"], row["expires_at"]) == (["read", "write", "moderate"], None)


async def test_asking_for_nothing_special_gives_everything_for_ninety_days() -> None:
    anna = await make_user("anna")

    made = await Api(anna).post("tokens", {"name": "v1 client"})

    row = await ApiToken.objects.aget()
    assert made.body["scopes"] == ["read", "write", "moderate"]
    assert row.expires_at is not None
    assert timedelta(days=89, hours=23) < row.expires_at - row.created_at <= timedelta(days=90)


@pytest.mark.parametrize(
    "fields",
    [
        {"scopes": []},
        {"scopes": ["admin"]},
        {"scopes": "read"},
        {"scopes": ["read"] * 11},
        {"expires_in_days": 0},
        {"expires_in_days": 367},
        {"expires_in_days": None},
        {"expires_in_days": "90"},
        {"expires_in_days": 10**30},
    ],
)
async def test_scopes_and_days_that_there_are_not_are_refused(fields: dict[str, Any]) -> None:
    anna = await make_user("anna")

    answer = await Api(anna).post("tokens", {"name": "bot", **fields})

    assert (answer.status, answer.body["code"]) == (400, "bad_request")
    assert await ApiToken.objects.acount() == 0


async def open_with(server: WebProcess, text: str) -> ChatClient:
    ticket = (await Api(token=text).post("tickets")).body["ticket"]
    offer = ("veche.v1", f"ticket.{ticket}")
    return await ChatClient.hello(server, None, origin=None, subprotocols=offer)


async def test_socket_of_a_reading_token_reads_and_changes_nothing(server: WebProcess) -> None:
    world = await make_world()
    room = world.room.pk
    place = await Api(world.boris).post(f"rooms/{room}/messages", {"body": "hello"}, new_key())
    seq = place.body["seq"]
    _, text = await token_of(world.boris, Scope.READ)
    changes: list[dict[str, Any]] = [
        {"t": "send", "body": "x"},
        {"t": "edit", "target": seq, "body": "x"},
        {"t": "delete", "target": seq},
        {"t": "react", "target": seq, "emoji": "👍", "on": True},
    ]

    async with await open_with(server, text) as program:
        page = await program.ask(t="history", room=room, before=seq + 1, limit=5)
        batch = await program.ask(t="sync", room=room, after=0, limit=5)
        refused = [await program.ask(room=room, key=new_key(), **one) for one in changes]
        for kind in ({"t": "read", "seq": seq}, {"t": "typing"}):
            await program.send(room=room, **kind)
            refused.append(await program.receive("error", id=None))
        await program.pong()

    assert (page["t"], batch["t"]) == ("page", "batch")
    assert {answer["code"] for answer in refused} == {"forbidden"}


async def test_socket_of_a_token_without_moderation_deletes_its_owners_messages_only(
    server: WebProcess,
) -> None:
    world = await make_world()
    room = world.room.pk
    places = [
        await Api(user).post(f"rooms/{room}/messages", {"body": "hello"}, new_key())
        for user in (world.mod, world.boris)
    ]
    own, other = (place.body["seq"] for place in places)
    _, text = await token_of(world.mod, Scope.READ, Scope.WRITE)
    _, may_moderate = await token_of(world.mod)
    _, stranger = await token_of(world.vera, Scope.READ, Scope.WRITE)

    async with await open_with(server, text) as program:
        refused = await program.ask(t="delete", room=room, key=new_key(), target=other)
        deleted = await program.ask(t="delete", room=room, key=new_key(), target=own)
    async with await open_with(server, may_moderate) as program:
        moderated = await program.ask(t="delete", room=room, key=new_key(), target=other)
    async with await open_with(server, stranger) as program:
        unseen = await program.ask(t="delete", room=room, key=new_key(), target=other)

    assert (refused["code"], deleted["t"], moderated["t"]) == ("forbidden", "ok", "ok")
    assert unseen["code"] == "not_found"


# The end of a token


async def test_expired_token_opens_nothing_and_its_socket_closes(server: WebProcess) -> None:
    anna = await make_user("anna")
    token_id, text = await token_of(anna, days=1)
    ticket = (await Api(token=text).post("tickets")).body["ticket"]
    await ApiToken.objects.filter(pk=token_id).aupdate(expires_at=timezone.now())

    offer = ("veche.v1", f"ticket.{ticket}")
    async with await ChatClient.open(server, origin=None, subprotocols=offer) as late:
        code = await late.close_code()

    assert (await Api(token=text).get("me")).status == 401
    assert code == 4401


async def test_expired_tokens_leave_room_for_new_ones() -> None:
    anna = await make_user("anna")
    for _ in range(tokens.MAX_TOKENS_PER_PERSON):
        await token_of(anna)
    await ApiToken.objects.aupdate(expires_at=timezone.now())

    assert (await Api(anna).post("tokens", {"name": "one more"})).status == 201


async def test_revoked_token_closes_its_socket_within_five_seconds_and_no_other(
    server: WebProcess, record_property: Any
) -> None:
    anna = await make_user("anna")
    token_id, text = await token_of(anna)
    _, other_text = await token_of(anna)
    async with (
        await open_with(server, text) as program,
        await open_with(server, other_text) as other,
    ):
        began = timezone.now()
        await Api(anna).delete(f"tokens/{token_id}")
        code = await program.close_code()
        seconds = (timezone.now() - began).total_seconds()
        record_property("seconds", seconds)
        await other.pong()

    assert code == 4403
    assert seconds < 5


def test_password_change_revokes_tokens() -> None:
    anna = with_password()
    _, text = tokens.issue(anna.pk, "bot")
    entered = {"password1": "green-Door-17-stone", "password2": "green-Door-17-stone"}

    signed_in(anna).post("/accounts/password/change/", {"oldpassword": PASSWORD, **entered})

    assert not is_in_force(text)


def test_password_reset_revokes_tokens(mailoutbox: list[Any]) -> None:
    anna = with_password()
    _, text = tokens.issue(anna.pk, "bot")
    browser = Client()
    browser.post("/accounts/password/reset/", {"email": anna.email})
    [path] = re.findall(r"https?://[^/]+(/accounts/password/reset/key/\S+)", mailoutbox[0].body)
    form = browser.get(path, follow=True).redirect_chain[-1][0]
    entered = {"password1": "green-Door-17-stone", "password2": "green-Door-17-stone"}

    browser.post(form, entered)

    anna.refresh_from_db()
    assert anna.check_password("green-Door-17-stone")
    assert not is_in_force(text)


def test_new_second_factor_revokes_tokens() -> None:
    anna = with_password()
    _, text = tokens.issue(anna.pk, "bot")

    give_factor(anna)

    assert not is_in_force(text)


def test_password_set_by_an_administrator_or_the_command_revokes_tokens(settings: Settings) -> None:
    without_second_factor(settings)
    anna, boris = with_password(), with_password("boris")
    texts = [tokens.issue(user.pk, "bot")[1] for user in (anna, boris)]
    entered = {"password1": "green-Door-17-stone", "password2": "green-Door-17-stone"}

    browser = at_admin(staff("boss", "administrator"))
    browser.post(f"/admin/chat/user/{anna.pk}/password/", {**entered, "usable_password": "true"})
    boris.set_unusable_password()
    boris.save(update_fields=["password"])

    assert [is_in_force(text) for text in texts] == [False, False]


def test_password_that_is_only_hashed_anew_at_sign_in_leaves_tokens_alone(
    settings: Settings,
) -> None:
    anna = with_password()
    _, text = tokens.issue(anna.pk, "bot")
    before = anna.password
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        *django_settings.PASSWORD_HASHERS,
    ]

    signed_in(anna)

    anna.refresh_from_db()
    assert anna.password != before
    assert is_in_force(text)


async def test_deactivation_by_any_door_revokes_tokens_for_good() -> None:
    world = await make_world()
    _, one = await token_of(world.boris)
    _, other = await token_of(world.vera)

    await people.deactivate_person(by(world.staff, staff=True), world.boris.pk, WHY)
    await people.reactivate_person(by(world.staff, staff=True), world.boris.pk, WHY)
    world.vera.is_active = False
    await world.vera.asave()
    world.vera.is_active = True
    await world.vera.asave()

    for text in (one, other):
        assert (await Api(token=text).get("me")).status == 401


def test_ending_ones_other_sessions_revokes_tokens() -> None:
    anna = with_password()
    _, text = tokens.issue(anna.pk, "bot")
    elsewhere, here = signed_in(anna), signed_in(anna)

    page = here.get("/accounts/sessions/")
    here.post("/accounts/sessions/")

    assert b"API tokens" in page.content
    assert not is_in_force(text)
    assert elsewhere.get("/api/v1/me").status_code == 401
    assert here.get("/api/v1/me").status_code == 200


def test_administrator_sees_and_revokes_tokens_on_record(settings: Settings) -> None:
    without_second_factor(settings)
    anna = with_password()
    (first, one), (_, two) = (tokens.issue(anna.pk, name) for name in ("<b>bot</b>", "other"))
    browser = at_admin(staff("boss", "administrator"))
    url = f"/admin/people/{anna.pk}"

    listed = browser.get("/admin/chat/apitoken/?state=in_force")
    page = browser.get(f"{url}/sessions/").content.decode()
    browser.post(f"{url}/tokens/revoke/", {"tokens": first.pk, "why": " "})
    still = is_in_force(one)
    browser.post(f"{url}/tokens/revoke/", {"tokens": [first.pk, "x", "9" * 30], "why": "it leaked"})
    after_one = (is_in_force(one), is_in_force(two))
    browser.post(f"{url}/tokens/revoke/", {"all": "1", "why": "it leaked"})

    assert first.prefix in listed.content.decode()
    assert (
        f"/admin/people/{anna.pk}/sessions/"
        in browser.get(f"/admin/chat/apitoken/{first.pk}/change/").content.decode()
    )
    assert "&lt;b&gt;bot" in page
    assert one not in page
    assert (still, after_one, is_in_force(two)) == (True, (False, True), False)
    entries = recorded(action=Act.TOKEN_REVOKE)
    assert [entry.before for entry in entries] == [
        {"tokens": [first.pk]},
        {"tokens": [first.pk + 1]},
    ]
    assert {(entry.reason, entry.user_id) for entry in entries} == {("it leaked", anna.pk)}


def test_ending_all_sessions_in_the_admin_ends_tokens_of_who_is_signed_in_nowhere(
    settings: Settings,
) -> None:
    without_second_factor(settings)
    anna = with_password()
    _, text = tokens.issue(anna.pk, "bot")
    signed_in(anna)

    at_admin(staff("boss", "administrator")).post(
        f"/admin/people/{anna.pk}/sessions/end/", {"all": "1", "why": "a lost phone"}
    )

    assert not is_in_force(text)


def test_moderators_and_strangers_revoke_nobodys_tokens(settings: Settings) -> None:
    without_second_factor(settings)
    anna = with_password()
    boss = staff("boss", "administrator", is_superuser=True)
    row, text = tokens.issue(anna.pk, "bot")
    _, above = tokens.issue(boss.pk, "bot")
    form = {"all": "1", "why": "because"}

    by_moderator = at_admin(staff("mara", "moderator")).post(
        f"/admin/people/{anna.pk}/tokens/revoke/", form
    )
    from_below = at_admin(staff("vice", "administrator")).post(
        f"/admin/people/{boss.pk}/tokens/revoke/", form
    )
    by_stranger = signed_in(with_password("eve")).post(f"/accounts/tokens/{row.pk}/revoke/")

    assert (by_moderator.status_code, from_below.status_code) == (403, 403)
    assert by_stranger.status_code == 302
    assert is_in_force(text)
    assert is_in_force(above)


def run(*command: str) -> str:
    output = io.StringIO()
    call_command(*command, stdout=output, stderr=io.StringIO())
    return output.getvalue()


def test_command_revokes_by_person_by_id_by_beginning_by_text_and_all() -> None:
    anna, boris = with_password(), with_password("boris")
    issued = [tokens.issue(anna.pk, str(number)) for number in range(5)]
    _, of_boris = tokens.issue(boris.pk, "bot")

    run("revoke_tokens", "--token", str(issued[0][0].pk), "--why", "found in a log")
    run("revoke_tokens", "--token", issued[1][0].prefix, "--token", issued[2][1])
    some = [is_in_force(text) for _, text in issued]
    run("revoke_tokens", "anna")
    all_of_anna = [is_in_force(text) for _, text in issued]
    still = is_in_force(of_boris)
    said = run("revoke_tokens", "--everybody")

    assert some == [False, False, False, True, True]
    assert not any(all_of_anna)
    assert (still, is_in_force(of_boris), said) == (True, False, "Revoked: 1.\n")
    entries = recorded(action=Act.TOKEN_REVOKE)
    assert [entry.door for entry in entries] == ["command"] * 4
    assert entries[0].reason == "found in a log"


@pytest.mark.parametrize(
    "arguments",
    [(), ("nobody",), ("anna", "--everybody"), ("--token", "x"), ("--token", "veche_")],
    ids=str,
)
def test_command_that_does_not_say_whose_tokens_revokes_none(arguments: tuple[str, ...]) -> None:
    _, text = tokens.issue(with_password().pk, "bot")

    with pytest.raises(CommandError):
        run("revoke_tokens", *arguments)

    assert is_in_force(text)


def test_command_issues_with_scopes_and_days() -> None:
    anna = with_password()

    run("issue_token", "anna", "--scope", "read", "--days", "7")
    run("issue_token", "anna", "--days", "0")

    for_ever, weekly = tokens.live_tokens(anna.pk)
    assert (for_ever.expires_at, for_ever.scopes) == (None, "read write moderate")
    assert weekly.scopes == "read"
    assert weekly.expires_at is not None
    with pytest.raises(CommandError):
        run("issue_token", "anna", "--days", "-1")


# The page


def confirmed(user: User) -> Client:
    """A browser whose person has just been asked again who they are."""
    browser = signed_in(user)
    confirm_password(browser)
    return browser


def new_token(browser: Client, **fields: Any) -> Any:
    form = {"name": "build bot", "scopes": ["read", "write"], "days": "30", **fields}
    return browser.post("/accounts/tokens/", form)


def test_page_makes_a_token_that_is_shown_once() -> None:
    browser = confirmed(with_password())

    answer = new_token(browser)
    again = browser.get("/accounts/tokens/").content.decode()

    [text] = re.findall(r'value="(veche_[\w-]{43})"', answer.content.decode())
    verified = tokens.verify(text)
    assert verified is not None
    assert verified.scopes == {Scope.READ, Scope.WRITE}
    assert "no-store" in answer.headers["Cache-Control"]
    assert text not in again
    assert text[:12] in again
    assert "build bot" in again


def test_page_shows_nobody_elses_tokens_and_says_which_have_expired() -> None:
    anna, boris = with_password(), with_password("boris")
    tokens.issue(boris.pk, "of boris")
    row, _ = tokens.issue(anna.pk, "of anna")
    ApiToken.objects.filter(pk=row.pk).update(expires_at=timezone.now())

    page = signed_in(anna).get("/accounts/tokens/").content.decode()

    assert "of boris" not in page
    assert "of anna" in page
    assert "expired" in page


@pytest.mark.parametrize(
    "fields",
    [{"name": " "}, {"name": "a\u202eb"}, {"name": "x" * 81}, {"scopes": []}, {"scopes": ["root"]},
     {"days": "0"}, {"days": "9999"}, {"days": ""}],
    ids=str,
)  # fmt: skip
def test_page_refuses_what_no_token_may_be(fields: dict[str, Any]) -> None:
    answer = new_token(confirmed(with_password()), **fields)

    assert answer.status_code == 200
    assert ApiToken.objects.count() == 0


def test_session_that_was_found_open_gets_no_token_without_the_password() -> None:
    anna = with_password()
    found_open = Client()
    found_open.force_login(anna)

    left_alone(found_open)

    by_page = new_token(found_open)
    by_api = found_open.post("/api/v1/tokens", {"name": "bot"}, content_type="application/json")
    before = ApiToken.objects.count()
    answer = found_open.post(by_page["Location"], {"password": PASSWORD})

    assert by_page["Location"].startswith("/accounts/reauthenticate/")
    assert (by_api.status_code, before) == (403, 0)
    assert b'value="veche_' in answer.content
    assert ApiToken.objects.get().name == "build bot"


def test_own_tokens_are_revoked_one_by_one_or_all_and_not_by_a_link() -> None:
    anna = with_password()
    rows = [tokens.issue(anna.pk, str(number)) for number in range(3)]
    browser = signed_in(anna)
    url = f"/accounts/tokens/{rows[0][0].pk}/revoke/"

    by_link = browser.get(url).status_code
    browser.post(url)
    one = [is_in_force(text) for _, text in rows]
    browser.post("/accounts/tokens/revoke/")

    assert (by_link, one) == (405, [False, True, True])
    assert not any(is_in_force(text) for _, text in rows)


def test_scopes_are_kept_in_one_order_and_unknown_ones_give_nothing() -> None:
    assert scopes.to_text([Scope.MODERATE, Scope.READ]) == "read moderate"
    assert scopes.from_text("write of-a-later-version") == {Scope.WRITE}
