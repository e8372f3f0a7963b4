"""Reports from the person who makes one to the answer they get, over REST and through actions."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.utils import timezone

from chat.accounts import tokens
from chat.actions import messages, moderation, reports, rooms
from chat.actions.recorded_act import Options, Outcome
from chat.audit.permissions import Act
from chat.errors import Unavailable
from chat.events import EventType, Role, RoomKind
from chat.models import AuditEntry, Report, User
from chat.queries import reports as queue
from chat.servers.postgres import in_database
from tests.support.chat_world import Api, by, code_of, log_of, make_user, store
from tests.support.moderation_world import WHY, World, make_staff, make_world
from tests.support.rooms import new_key

pytestmark = pytest.mark.django_db(transaction=True)


async def post(world: World, user: User, body: str = "hello") -> int:
    return (await messages.post_message(user.pk, world.room.pk, new_key(), body)).event.seq


def a_report(world: World, seq: int, **more: Any) -> dict[str, Any]:
    return {"room": world.room.pk, "seq": seq, "category": "spam", "note": "Buy now", **more}


async def test_report_goes_through_the_queue_of_its_room_and_is_answered() -> None:
    world = await make_world()
    reporter = await make_user("reporter")
    await rooms.invite(world.anna.pk, world.room.pk, reporter.pk)
    seq = await post(world, world.boris)
    room, mine = f"rooms/{world.room.pk}", Api(reporter)
    moderator = Api(world.mod)
    await store(world.room.pk)

    made = await mine.post("reports", a_report(world, seq))
    again = await mine.post("reports", a_report(world, seq, note="Again"))
    waiting = await moderator.get("reports/waiting")
    listed = await moderator.get(f"{room}/reports")
    taken = await moderator.post(f"{room}/reports/{made.body['id']}/assign")
    resolved = await moderator.post(
        f"{room}/reports/{made.body['id']}/resolve",
        {"action": "message.delete", "reason": "Spam", "answer": "Thank you"},
        key=new_key(),
    )
    answered = await mine.get("reports/mine")
    await mine.post("reports/mine/seen", {"ids": [made.body["id"]]})
    seen = await mine.get("reports/mine")
    closed = await moderator.get(f"{room}/reports?state=closed")
    after = await moderator.get("reports/waiting")

    assert (made.status, made.body["state"], made.body["note"]) == (201, "open", "Buy now")
    assert again.body == made.body
    assert waiting.body == {str(world.room.pk): 1}
    [shown] = listed.body["reports"]
    assert listed.body["waiting"] == 1
    assert (shown["author"], shown["reporter"]) == (world.boris.pk, None)
    assert (taken.body["state"], taken.body["assignee"]) == ("assigned", world.mod.pk)
    assert resolved.status == 204
    [mine_now] = answered.body["reports"]
    assert (
        mine_now["state"],
        mine_now["resolution"],
        mine_now["answer"],
        mine_now["closed_by"],
    ) == (
        "resolved",
        "message.delete",
        "Thank you",
        None,
    )
    assert (mine_now["seen_at"], seen.body["reports"][0]["seen_at"] is None) == (None, False)
    assert [one["id"] for one in closed.body["reports"]] == [made.body["id"]]
    assert after.body == {}
    last = (await log_of(world.room.pk))[-1]
    assert (last.type, last.actor) == (EventType.MESSAGE_DELETED, world.mod.pk)
    acts = [
        (entry.action, entry.report_id, entry.outcome.result, entry.reason)
        async for entry in AuditEntry.objects.filter(report__isnull=False)
        .select_related("outcome")
        .order_by("id")
    ]
    assert acts == [
        ("report.assign", made.body["id"], "done", ""),
        ("message.delete", made.body["id"], "done", "Spam"),
        ("report.resolve", made.body["id"], "done", "Spam"),
    ]


async def test_only_who_can_read_a_message_may_report_it() -> None:
    world = await make_world()
    seq = await post(world, world.boris)
    member, outsider = Api(world.anna), Api(world.vera)

    there = await outsider.post("reports", a_report(world, seq))
    nowhere = await outsider.post("reports", a_report(world, seq, room=world.room.pk + 1_000))
    no_message = await member.post("reports", a_report(world, 1))
    beyond = await member.post("reports", a_report(world, 10**6))
    own = await Api(world.boris).post("reports", a_report(world, seq))

    assert (there.status, there.body) == (nowhere.status, nowhere.body) == (404, there.body)
    assert (no_message.status, beyond.status) == (404, 404)
    assert own.body["code"] == "bad_request"
    assert not await Report.objects.aexists()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"category": "boring"}, 400),
        ({"category": None}, 400),
        ({"seq": 0}, 400),
        ({"seq": "6"}, 400),
        ({"room": 2**63}, 400),
        ({"note": "x" * 1_001}, 413),
        ({"note": "bell \x07"}, 400),
        ({"note": "half \ud800"}, 400),
        ({"note": 5}, 400),
        ({"state": "resolved"}, 400),
        ({"reporter": 1}, 400),
    ],
)
async def test_bad_reports_are_refused(change: dict[str, Any], status: int) -> None:
    world = await make_world()
    seq = await post(world, world.boris)

    answer = await Api(world.anna).post("reports", {**a_report(world, seq), **change})

    assert answer.status == status
    assert answer.content_type == "application/problem+json"
    assert not await Report.objects.aexists()


async def test_reports_of_one_person_are_bounded_by_the_day() -> None:
    world = await make_world()
    seqs = [await post(world, world.boris) for _ in range(3)]
    now = timezone.now()
    await Report.objects.abulk_create(
        Report(
            room=world.room,
            seq=1_000 + number,
            reporter=world.anna,
            category="spam",
            created_at=now - timedelta(hours=20),
        )
        for number in range(reports.REPORTS_PER_DAY - 1)
    )

    await reports.report_message(world.anna.pk, world.room.pk, seqs[0], "spam")
    refused = await Api(world.anna).post("reports", a_report(world, seqs[1]))
    other = await Api(world.mod).post("reports", a_report(world, seqs[1]))

    assert (refused.status, refused.body["code"]) == (429, "rate_limited")
    assert 3 * 3600 < refused.body["retry_after"] <= 4 * 3600
    assert other.status == 201


async def test_same_report_sent_many_times_at_once_is_one() -> None:
    world = await make_world()
    seq = await post(world, world.boris)

    made = await asyncio.gather(
        *(reports.report_message(world.anna.pk, world.room.pk, seq, "spam") for _ in range(8))
    )

    assert len({report.pk for report in made}) == 1


async def test_moderator_works_on_no_report_about_themselves() -> None:
    world = await make_world()
    seq = await post(world, world.mod)
    made = await reports.report_message(world.boris.pk, world.room.pk, seq, "harassment")
    path = f"rooms/{world.room.pk}/reports"
    await store(world.room.pk)

    of_mod = await Api(world.mod).get(path)
    waiting = await Api(world.mod).get("reports/waiting")
    dismissed = await Api(world.mod).post(f"{path}/{made.pk}/dismiss", {"reason": "Nothing"})
    of_owner = await Api(world.anna).get(path)

    assert (of_mod.body["reports"], of_mod.body["waiting"], waiting.body) == ([], 0, {})
    assert dismissed.status == 404
    assert [one["id"] for one in of_owner.body["reports"]] == [made.pk]


async def test_record_of_a_room_leaves_out_reports_about_its_reader() -> None:
    world = await make_world()
    room, mods, boris = world.room.pk, await post(world, world.mod), await post(world, world.boris)
    of_mod = await reports.report_message(world.boris.pk, room, mods, "harassment", "He shouts")
    of_boris = await reports.report_message(world.anna.pk, room, boris, "spam")
    of_nobody = await Report.objects.acreate(
        room=world.room, seq=1, reporter=world.boris, category="spam", created_at=timezone.now()
    )
    for report in (of_mod, of_boris, of_nobody):
        await reports.assign(by(world.anna), report.pk, world.anna.pk, "Boris complains")
        await reports.dismiss(by(world.anna), report.pk, "Boris is touchy")
    await moderation.set_slow_mode(by(world.mod), room, 5)

    seen = {
        user.username: [
            (entry["action"], entry["subject"])
            for entry in (await Api(user).get(f"rooms/{room}/audit")).body["entries"]
        ]
        for user in (world.mod, world.anna)
    }

    others = [
        ("room.slow_mode", None),
        ("report.dismiss", None),
        ("report.assign", None),
        ("report.dismiss", world.boris.pk),
        ("report.assign", world.boris.pk),
    ]
    about_mod = [("report.dismiss", world.mod.pk), ("report.assign", world.mod.pk)]
    made = [("member.role", world.mod.pk)]
    assert seen == {"mod": others + made, "anna": others + about_mod + made}


async def test_members_and_outsiders_learn_nothing_of_the_queue() -> None:
    world = await make_world()
    seq = await post(world, world.boris)
    made = await reports.report_message(world.anna.pk, world.room.pk, seq, "spam")
    path = f"rooms/{world.room.pk}"
    asked = [
        ("get", f"{path}/reports", None),
        ("get", f"{path}/audit", None),
        ("get", f"{path}/bans", None),
        ("post", f"{path}/reports/{made.pk}/assign", None),
        ("post", f"{path}/reports/{made.pk}/dismiss", {}),
        ("post", f"{path}/reports/{made.pk}/resolve", {"action": "member.ban", "reason": "Spam"}),
    ]

    of_member = [(await Api(world.boris).ask(*one)).status for one in asked]
    of_outsider = [(await Api(world.vera).ask(*one)).status for one in asked]

    assert of_member == [403, 403, 403, 404, 404, 404]
    assert set(of_outsider) == {404}
    assert (await Report.objects.aget()).state == "open"


async def test_report_under_another_room_is_not_there() -> None:
    world = await make_world()
    seq = await post(world, world.boris)
    made = await reports.report_message(world.mod.pk, world.room.pk, seq, "spam")
    other = await rooms.create_room(world.anna.pk, "Other", RoomKind.PRIVATE)

    answer = await Api(world.anna).post(f"rooms/{other.pk}/reports/{made.pk}/dismiss", {})

    assert answer.status == 404
    assert (await Report.objects.aget()).state == "open"


async def test_closing_one_report_closes_those_of_others_about_the_same_message() -> None:
    world = await make_world()
    first, other = await post(world, world.boris), await post(world, world.boris)
    for user in (world.anna, world.mod):
        await reports.report_message(user.pk, world.room.pk, first, "spam")
    apart = await reports.report_message(world.anna.pk, world.room.pk, other, "spam")
    staff = by(world.staff, staff=True)
    one = await Report.objects.filter(seq=first).afirst()
    assert one is not None

    closed = await reports.dismiss(staff, one.pk, "No rule is broken", "It stays")
    late = await code_of(reports.dismiss(staff, one.pk, "Again"))

    assert {(report.seq, report.state) for report in closed} == {(first, "dismissed")}
    assert len(closed) == 2
    assert late == "key_conflict"
    await apart.arefresh_from_db()
    assert apart.state == "open"
    assert await AuditEntry.objects.filter(action="report.dismiss").acount() == 2


async def test_staff_assign_to_those_who_may_work_on_reports_and_to_nobody_else() -> None:
    world = await make_world()
    seq = await post(world, world.boris)
    made = await reports.report_message(world.anna.pk, world.room.pk, seq, "spam")
    auditor = await make_staff("auditor", "auditor")
    staff = by(world.staff, staff=True)

    refused = [
        await code_of(reports.assign(staff, made.pk, auditor.pk, "You")),
        await code_of(reports.assign(staff, made.pk, world.anna.pk, "You")),
        await code_of(reports.assign(by(world.mod), made.pk, world.anna.pk)),
    ]
    taken = await reports.assign(staff, made.pk, world.staff.pk, "Mine")
    given_back = await reports.assign(staff, made.pk, None, "Holiday")

    assert refused == ["bad_request", "bad_request", "forbidden"]
    assert (taken.state, taken.assignee_id) == ("assigned", world.staff.pk)
    assert (given_back.state, given_back.assignee_id) == ("open", None)


async def test_report_is_not_closed_when_its_act_is_refused() -> None:
    world = await make_world()
    seq = await post(world, world.anna)
    made = await reports.report_message(world.boris.pk, world.room.pk, seq, "spam")
    staff = by(world.staff, staff=True)
    await moderation.set_role(by(world.anna), world.room.pk, world.mod.pk, Role.OWNER)

    refused = [
        # Owners are of one rank.
        await code_of(reports.resolve(by(world.mod), made.pk, Act.MEMBER_BAN, options=WHY)),
        await code_of(reports.resolve(staff, made.pk, Act.MEMBER_MUTE, options=WHY)),
        await code_of(reports.resolve(staff, made.pk, Act.ROOM_ARCHIVE, options=WHY)),
        await code_of(reports.resolve(by(world.mod), made.pk, Act.PERSON_DEACTIVATE, options=WHY)),
    ]

    assert refused == ["forbidden", "bad_request", "bad_request", "forbidden"]
    await made.arefresh_from_db()
    assert made.state == "open"


async def test_resolving_that_broke_off_after_the_act_goes_on_with_the_same_key() -> None:
    world = await make_world()
    seq = await post(world, world.boris)
    made = await reports.report_message(world.anna.pk, world.room.pk, seq, "spam")
    options = Options(reason="Spam", key=new_key(), report=made.pk)
    staff = by(world.staff, staff=True)
    await moderation.mute_member(staff, world.room.pk, world.boris.pk, 600, options)

    closed, outcome = await reports.resolve(
        staff, made.pk, Act.MEMBER_MUTE, seconds=600, options=options
    )

    assert [report.state for report in closed] == ["resolved"]
    mutes = [one for one in await log_of(world.room.pk) if one.type is EventType.MEMBER_MUTED]
    assert [event.seq for event in mutes] == [outcome.seq]


# Two at once


async def two_reports(world: World) -> tuple[Report, Report]:
    """Of one message, by two people."""
    seq = await post(world, world.boris)
    first = await reports.report_message(world.anna.pk, world.room.pk, seq, "spam")
    return first, await reports.report_message(world.mod.pk, world.room.pk, seq, "hate")


@pytest.mark.parametrize("same_report", [True, False], ids=["one report", "two of one message"])
async def test_of_two_people_who_close_a_report_at_once_one_acts(
    same_report: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world()
    first, second = await two_reports(world)
    other = first if same_report else second
    acting, go_on = asyncio.Event(), asyncio.Event()
    mute = moderation.mute_member

    async def slow_mute(*args: Any) -> Outcome:
        acting.set()
        await go_on.wait()
        return await mute(*args)

    monkeypatch.setattr(moderation, "mute_member", slow_mute)
    staff = by(world.staff, staff=True)
    running = asyncio.create_task(
        reports.resolve(staff, first.pk, Act.MEMBER_MUTE, seconds=60, options=WHY)
    )
    await acting.wait()

    meanwhile = [
        await code_of(reports.resolve(by(world.mod), other.pk, Act.MESSAGE_DELETE, options=WHY)),
        await code_of(reports.dismiss(by(world.mod), other.pk, "Nothing")),
    ]
    go_on.set()
    closed, _ = await running
    late = await code_of(reports.dismiss(by(world.mod), other.pk, "Nothing"))

    assert meanwhile == ["rate_limited", "rate_limited"]
    assert late == "key_conflict"
    assert {report.pk for report in closed} == {first.pk, second.pk}
    kinds = [event.type for event in await log_of(world.room.pk)]
    assert (kinds[-1], EventType.MESSAGE_DELETED in kinds) == (EventType.MEMBER_MUTED, False)
    entry = await AuditEntry.objects.aget(action="report.resolve", report=first.pk)
    assert entry.before == {"state": "open", "assignee": None}


async def test_report_of_somebody_who_broke_off_is_free_after_two_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await make_world()
    first, _ = await two_reports(world)
    delete = moderation.delete_message

    async def away(*_: Any) -> Outcome:
        raise Unavailable("The log does not answer.")

    monkeypatch.setattr(moderation, "delete_message", away)
    key = Options(reason="Spam", key=new_key())
    broke_off = await code_of(
        reports.resolve(by(world.mod), first.pk, Act.MESSAGE_DELETE, options=key)
    )
    monkeypatch.setattr(moderation, "delete_message", delete)

    too_early = await code_of(reports.dismiss(by(world.anna), first.pk, "Nothing"))
    await Report.objects.filter(pk=first.pk).aupdate(assigned_at=timezone.now() - reports.CLAIM)
    closed = await reports.dismiss(by(world.anna), first.pk, "Nothing")

    assert (broke_off, too_early, len(closed)) == ("unavailable", "rate_limited", 2)


async def test_reports_of_one_message_are_locked_in_one_order() -> None:
    world = await make_world()
    first, second = await two_reports(world)
    staff = by(world.staff, staff=True)
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Report.objects.select_for_update().get(pk=first.pk)
            held.set()
            assert let_go.wait(30)

    def somebody_waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return bool(cursor.fetchone()[0])

    def lock_second() -> None:
        with transaction.atomic():
            Report.objects.select_for_update(nowait=True).get(pk=second.pk)

    holding = asyncio.create_task(in_database(hold))
    await asyncio.to_thread(held.wait, 30)
    closing = asyncio.create_task(reports.dismiss(staff, second.pk, "Nothing"))
    try:
        while not await in_database(somebody_waits):
            assert not closing.done()
            await asyncio.sleep(0.01)
        # A caller that waits for the first lock holds no lock that its holder may need.
        await in_database(lock_second)
    finally:
        let_go.set()
        closed = await closing
        await holding

    assert len(closed) == 2


async def test_queue_of_staff_is_filtered_by_state_assignee_and_room() -> None:
    world = await make_world()
    seqs = [await post(world, world.boris) for _ in range(3)]
    made = [await reports.report_message(world.anna.pk, world.room.pk, seq, "spam") for seq in seqs]
    staff = by(world.staff, staff=True)
    await reports.assign(staff, made[1].pk, world.staff.pk, "Mine")
    await reports.dismiss(staff, made[2].pk, "Nothing")

    def ids(**filters: Any) -> list[int]:
        return [report.pk for report in queue.queue(**filters)]

    assert await sync_to_async(ids)() == [one.pk for one in made]
    assert await sync_to_async(ids)(states=Report.WAITING) == [made[0].pk, made[1].pk]
    assert await sync_to_async(ids)(assignee=world.staff.pk) == [made[1].pk]
    assert await sync_to_async(ids)(room=world.room.pk + 1) == []


# The rest of what owners and moderators have over REST


async def test_moderators_of_a_room_do_over_rest_what_its_record_shows() -> None:
    world = await make_world()
    seq = await post(world, world.boris)
    await store(world.room.pk)
    room, boris, api = f"rooms/{world.room.pk}", world.boris.pk, Api(world.mod)

    answers = [
        await api.post(f"{room}/messages/{seq}/delete", {"reason": "Spam"}),
        await api.post(f"{room}/members/{boris}/mute", {"seconds": 60, "reason": "Heat"}),
        await api.ask("delete", f"{room}/members/{boris}/mute", {"reason": "Cool"}),
        await api.patch(room, {"slow_mode_seconds": 10, "reason": "Too fast"}),
        await api.post(f"{room}/members/{boris}/ban", {"reason": "Again"}),
    ]
    await store(world.room.pk)
    bans = await api.get(f"{room}/bans")
    restored = await api.post(f"{room}/messages/{seq}/restore", {"reason": "Mistake"})
    unbanned = await api.delete(f"{room}/members/{boris}/ban")
    role = await Api(world.anna).ask(
        "put", f"{room}/members/{world.mod.pk}/role", {"role": "owner"}
    )
    record = await api.get(f"{room}/audit?limit=4")
    rest = await api.get(f"{room}/audit?before={record.body['entries'][-1]['id']}")

    assert [answer.status for answer in answers] == [204, 204, 204, 200, 204]
    assert answers[3].body["slow_mode_seconds"] == 10
    [banned] = bans.body
    assert (banned["user"]["id"], banned["by"], banned["reason"]) == (boris, world.mod.pk, "Again")
    assert (restored.status, unbanned.status, role.status) == (204, 204, 204)
    entries = [*record.body["entries"], *rest.body["entries"]]
    assert (record.body["more"], rest.body["more"]) == (True, False)
    assert [(entry["action"], entry["reason"], entry["outcome"]) for entry in entries] == [
        ("member.role", "", "done"),
        ("member.unban", "", "done"),
        ("message.restore", "Mistake", "done"),
        ("member.ban", "Again", "done"),
        ("room.slow_mode", "Too fast", "done"),
        ("member.unmute", "Cool", "done"),
        ("member.mute", "Heat", "done"),
        ("message.delete", "Spam", "done"),
        ("member.role", "", "done"),
    ]
    assert not any("address" in entry for entry in entries)


async def test_what_takes_something_away_is_not_done_over_rest_without_a_reason() -> None:
    world = await make_world()
    seq, own = await post(world, world.boris), await post(world, world.mod)
    made = await reports.report_message(world.anna.pk, world.room.pk, seq, "spam")
    token = (await sync_to_async(tokens.issue)(world.mod.pk, "program"))[1]
    room, member = f"rooms/{world.room.pk}", f"rooms/{world.room.pk}/members/{world.boris.pk}"
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("post", f"{room}/messages/{seq}/delete", {}),
        ("post", f"{member}/mute", {"seconds": 60}),
        ("delete", member, {}),
        ("post", f"{member}/ban", {}),
        ("post", f"{room}/reports/{made.pk}/resolve", {"action": "member.ban"}),
    ]
    before = len(await log_of(world.room.pk)), await AuditEntry.objects.acount()

    for api in (Api(world.mod), Api(token=token)):
        for method, path, body in asked:
            without = await api.ask(method, path, body)
            blank = await api.ask(method, path, {**body, "reason": " \n\u200b"})
            long = await api.ask(method, path, {**body, "reason": "x" * 501})
            codes = [answer.body["code"] for answer in (without, blank, long)]
            assert codes == ["bad_request", "empty", "too_large"], path
    after = len(await log_of(world.room.pk)), await AuditEntry.objects.acount()

    assert after == before
    assert (await Report.objects.aget()).assignee_id is None
    # Nobody has to give a reason for acts on their own messages.
    await moderation.delete_message(by(world.mod), world.room.pk, own)
    await messages.delete_message(world.mod.pk, world.room.pk, new_key(), seq)
    assert await AuditEntry.objects.filter(action="message.delete", reason="").acount() == 2


async def test_rest_of_moderation_refuses_what_is_not_of_its_types() -> None:
    world = await make_world()
    room, boris, api = f"rooms/{world.room.pk}", world.boris.pk, Api(world.mod)
    asked: list[tuple[str, str, Any, int]] = [
        ("post", f"{room}/members/{boris}/mute", {"reason": "Heat"}, 400),
        ("post", f"{room}/members/{boris}/mute", {"seconds": "60", "reason": "Heat"}, 400),
        ("post", f"{room}/members/{boris}/mute", {"seconds": 1.5, "reason": "Heat"}, 400),
        ("post", f"{room}/members/{boris}/mute", {"seconds": 10**30, "reason": "Heat"}, 400),
        (
            "post",
            f"{room}/members/{boris}/mute",
            {"seconds": 60, "until": "now", "reason": "Heat"},
            400,
        ),
        ("put", f"{room}/members/{boris}/role", {"role": "god"}, 400),
        ("patch", room, {"slow_mode_seconds": True}, 400),
        ("patch", room, {"slow_mode_seconds": -1}, 400),
        ("post", f"{room}/messages/0/delete", {"reason": "Spam"}, 404),
        ("post", f"{room}/messages/{2**63}/delete", {"reason": "Spam"}, 404),
        ("post", f"{room}/members/x/ban", {"reason": "Spam"}, 404),
        ("get", f"{room}/audit?limit=0", None, 400),
        ("get", f"{room}/audit?before=-1", None, 400),
        ("get", f"{room}/reports?state=all", None, 400),
    ]

    statuses = [(await api.ask(method, path, body)).status for method, path, body, _ in asked]

    assert statuses == [status for *_, status in asked]
    assert len(await log_of(world.room.pk)) == 5


async def test_moderation_of_private_and_absent_room_looks_the_same() -> None:
    world = await make_world()
    api, boris = Api(world.vera), world.boris.pk
    asked: list[tuple[str, str, Any]] = [
        ("post", "messages/2/delete", {"reason": "Spam"}),
        ("post", "messages/2/restore", {}),
        ("post", f"members/{boris}/mute", {"seconds": 60, "reason": "Spam"}),
        ("delete", f"members/{boris}/mute", {}),
        ("post", f"members/{boris}/ban", {"reason": "Spam"}),
        ("delete", f"members/{boris}/ban", {}),
        ("put", f"members/{boris}/role", {"role": "owner"}),
        ("get", "audit", None),
        ("get", "bans", None),
        ("get", "reports", None),
    ]

    for method, path, body in asked:
        answers = [
            await api.ask(method, f"rooms/{room}/{path}", body)
            for room in (world.room.pk, world.room.pk + 1_000)
        ]
        assert [answer.status for answer in answers] == [404, 404], path
        assert answers[0].body == answers[1].body
