"""Reports: members say that a message should be looked at; somebody looks, acts or dismisses.

Anybody who can read a message may report it, once while the report waits. Staff work on all
reports. Owners and moderators work on those of their rooms, except reports about themselves, and
never learn who reported: they could take revenge. Closing a report is on record and tells the
reporter (`chat.queries.reports`), in PostgreSQL and by a hint to their open pages. The pages of the
room's moderators get a hint when the number of waiting reports changes.

All functions raise ClientError when they refuse, and Unavailable when the log or PostgreSQL is
down.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.actions import moderation, people
from chat.actions.recorded_act import NO_OPTIONS, Options, Outcome, Values
from chat.audit import entries as audit
from chat.audit.entries import Actor, Channel, NewEntry
from chat.audit.permissions import Act, check_staff, role_may, staff_may
from chat.broken_rules import Rule
from chat.errors import ClientError, RefusalReason, Unavailable
from chat.hints import to_hubs
from chat.models import Report, User
from chat.models.reports import MAX_NOTE_CHARACTERS
from chat.names.labels import check_text
from chat.queries import access
from chat.queries.reports import moderators_who_see
from chat.room_log.targets import author_of
from chat.servers.postgres import in_database

MAX_ANSWER_CHARACTERS = 500
# Somebody who reports more than this in a day should use other means, or abuses this one.
REPORTS_PER_DAY = 50
DAY = timedelta(days=1)
# An act takes seconds. A caller that broke off has this long to resume before others may act.
CLAIM = timedelta(minutes=2)

# What a report can be resolved with. The last two are for staff.
RESOLVING = (
    Act.MESSAGE_DELETE,
    Act.MEMBER_MUTE,
    Act.MEMBER_REMOVE,
    Act.MEMBER_BAN,
    Act.PERSON_MUTE,
    Act.PERSON_DEACTIVATE,
)
TAKES_SECONDS = frozenset({Act.MEMBER_MUTE, Act.PERSON_MUTE})


async def report_message(
    reporter_id: int, room_id: int, seq: int, category: str, note: str = ""
) -> Report:
    """A new report, or the same person's report of this message that still waits.

    Raises: ClientError `not_found` or `not_member` for people who cannot read the message;
    `rate_limited` after `REPORTS_PER_DAY`.
    """
    if category not in Report.Category.values:
        raise ClientError("bad_request", f"Category: one of {', '.join(Report.Category.values)}.")
    note = check_text(note, "Note", MAX_NOTE_CHARACTERS)
    await access.as_member(reporter_id, room_id)
    author = await author_of(room_id, seq)
    if author is None:
        raise ClientError("not_found", "There is no such message.")
    if author == reporter_id:
        raise ClientError(
            "bad_request", "This is your own message: delete it instead.", rule=Rule.NOT_ONES_OWN
        )
    report, is_new = await in_database(
        _insert, reporter_id, room_id, seq, author or None, category, note
    )
    if is_new:
        await _tell_moderators(report)
    return report


def _insert(
    reporter_id: int, room_id: int, seq: int, author: int | None, category: str, note: str
) -> tuple[Report, bool]:
    """The report, and whether this call made it."""
    now = timezone.now()
    waiting = Report.objects.filter(
        room_id=room_id, seq=seq, reporter_id=reporter_id, state__in=Report.WAITING
    )
    earlier = waiting.first()
    if earlier is not None:
        return earlier, False
    recent = Report.objects.filter(reporter_id=reporter_id, created_at__gt=now - DAY)
    times = list(recent.order_by("created_at").values_list("created_at", flat=True))
    if len(times) >= REPORTS_PER_DAY:
        wait = (times[len(times) - REPORTS_PER_DAY] + DAY - now).total_seconds()
        raise ClientError(
            "rate_limited",
            "You have reached the limit of reports for today.",
            max(1.0, wait),
            reason=RefusalReason.ENOUGH_REPORTS,
        )
    try:
        with transaction.atomic():
            made = Report.objects.create(
                room_id=room_id,
                seq=seq,
                author_id=author,
                reporter_id=reporter_id,
                category=category,
                note=note,
                created_at=now,
            )
    except IntegrityError:  # the same request at the same moment
        return waiting.get(), False
    return made, True


async def assign(by: Actor, report_id: int, assignee_id: int | None, reason: str = "") -> Report:
    """Gives a waiting report to somebody who may work on it, or to nobody.

    Owners and moderators of a room may only take a report themselves or give it back.
    """
    await _check_right(by, Act.REPORT_ASSIGN, report_id)
    if not by.staff and assignee_id not in (None, by.user_id):
        raise ClientError("forbidden", "Take the report yourself, or give it back.")
    return await in_database(_assign, by, report_id, assignee_id, reason)


def _assign(by: Actor, report_id: int, assignee_id: int | None, reason: str) -> Report:
    with transaction.atomic():
        report = _locked(report_id)
        if by.staff and assignee_id is not None:
            assignee = User.objects.filter(pk=assignee_id).first()
            if assignee is None or not staff_may(assignee, Act.REPORT_RESOLVE):
                raise ClientError("bad_request", "This person may not work on reports.")
        before: Values = {"state": report.state, "assignee": report.assignee_id}
        report.state = Report.State.OPEN if assignee_id is None else Report.State.ASSIGNED
        report.assignee_id = assignee_id
        report.assigned_at = None if assignee_id is None else timezone.now()
        after: Values = {"state": report.state, "assignee": assignee_id}
        if before == after:
            return report
        report.save(update_fields=["state", "assignee", "assigned_at"])
        audit.record(_entry(by, Act.REPORT_ASSIGN, report, reason, before, after))
    return report


async def dismiss(by: Actor, report_id: int, reason: str = "", answer: str = "") -> list[Report]:
    """Closes a report, and other people's reports of the same message, without an act.

    `reason` is for the audit log, `answer` for the reporters. Raises ClientError like `resolve`.
    """
    await _check_right(by, Act.REPORT_DISMISS, report_id)
    why = audit.check_reason(reason, needed=by.channel == Channel.ADMIN)
    closed = await in_database(
        _close, by, report_id, Act.REPORT_DISMISS, None, why, _answer(answer)
    )
    await _tell(closed)
    return closed


async def resolve(
    by: Actor,
    report_id: int,
    act: Act,
    *,
    seconds: int | None = None,
    answer: str = "",
    options: Options = NO_OPTIONS,
) -> tuple[list[Report], Outcome]:
    """Does one of `RESOLVING` to the message or its author, and closes the report with it.

    The report is claimed first, so that only one of two people acts. Then comes the act, and only
    then is the report closed: a reporter told that something was done must be able to rely on it.
    A call that broke off is repeated with the same key, which does not do the act twice.

    Raises: ClientError when the act is refused, `rate_limited` while somebody else works on the
    report (see `CLAIM`), `key_conflict` when it is closed.
    """
    report = await _check_right(by, Act.REPORT_RESOLVE, report_id)
    if act not in RESOLVING:
        raise ClientError("bad_request", f"Action: one of {', '.join(RESOLVING)}.")
    if (seconds is not None) != (act in TAKES_SECONDS):
        raise ClientError("bad_request", "Only a mute takes seconds.")
    if report.state not in Report.WAITING:
        raise _closed()
    text = _answer(answer)
    reason = audit.check_reason(options.reason, needed=True)
    chosen = Options(reason=reason, key=options.key, report=report.pk, batch=options.batch)
    claim = await in_database(_claim, by, report_id)
    try:
        outcome = await _do(by, report, act, seconds or 0, chosen)
    except Unavailable:
        raise  # the act may be done: the same person repeats the call
    except ClientError:
        with contextlib.suppress(Unavailable):  # the claim then expires by itself
            await in_database(_give_back, claim)
        raise
    closed = await in_database(_close, by, report_id, Act.REPORT_RESOLVE, act, reason, text, claim)
    await _tell(closed)
    return closed, outcome


async def _do(by: Actor, report: Report, act: Act, seconds: int, options: Options) -> Outcome:
    room, author = report.room_id, report.author_id
    if act == Act.MESSAGE_DELETE:
        return await moderation.delete_message(by, room, report.seq, options)
    if author is None:
        raise ClientError(
            "bad_request", "This message has no author to act on.", rule=Rule.HAS_AUTHOR
        )
    if act == Act.MEMBER_MUTE:
        return await moderation.mute_member(by, room, author, seconds, options)
    if act == Act.MEMBER_REMOVE:
        return await moderation.remove_member(by, room, author, options)
    if act == Act.MEMBER_BAN:
        return await moderation.ban_member(by, room, author, options)
    if not by.staff:
        raise ClientError("forbidden", "Only staff may do this.")
    if act == Act.PERSON_MUTE:
        return await people.mute_person(by, author, seconds, options)
    return await people.deactivate_person(by, author, options)


async def _check_right(by: Actor, act: Act, report_id: int) -> Report:
    """The report, if the actor may work on it.

    Raises: ClientError `not_found` both for a missing report and for one they may not see.
    """
    report = await in_database(Report.objects.filter(pk=report_id).first)
    if by.staff:
        user = await in_database(User.objects.get, pk=by.person)
        await in_database(check_staff, user, act)
        if report is None:
            raise no_such_report()
        return report
    if report is None or report.author_id == by.user_id:
        raise no_such_report()
    try:
        seen = await access.as_member(by.person, report.room_id)
    except ClientError as refused:
        if refused.code == "unavailable":
            raise
        raise no_such_report() from refused
    if not role_may(seen.role, act):
        raise no_such_report()
    return report


def no_such_report() -> ClientError:
    return ClientError("not_found", "There is no such report.")


class _Claim(NamedTuple):
    """Somebody has claimed the report to act; these are the values from before."""

    report: int
    by: int
    at: datetime
    state: str
    assignee: int | None
    assigned_at: datetime | None


def _claim(by: Actor, report_id: int) -> _Claim:
    now = timezone.now()
    with transaction.atomic():
        reports = _all_locked(report_id)
        _check_free(by, reports, now)
        [report] = [one for one in reports if one.pk == report_id]
        claim = _Claim(
            report.pk, by.person, now, report.state, report.assignee_id, report.assigned_at
        )
        report.state = Report.State.ASSIGNED
        report.assignee_id, report.assigned_at = by.person, now
        report.save(update_fields=["state", "assignee", "assigned_at"])
    return claim


def _give_back(claim: _Claim) -> None:
    """Undoes a claim after which nothing was done; keeps what others have changed meanwhile."""
    Report.objects.filter(
        pk=claim.report,
        state=Report.State.ASSIGNED,
        assignee_id=claim.by,
        assigned_at=claim.at,
    ).update(state=claim.state, assignee_id=claim.assignee, assigned_at=claim.assigned_at)


def _check_free(by: Actor, reports: list[Report], now: datetime) -> None:
    """Raises: ClientError while somebody else works on one of these reports of a message."""
    for report in reports:
        if report.assigned_at is None or report.assignee_id in (None, by.user_id):
            continue
        wait = (report.assigned_at + CLAIM - now).total_seconds()
        if wait > 0:
            raise ClientError(
                "rate_limited", "Somebody else is working on this report right now.", wait
            )


def _close(
    by: Actor,
    report_id: int,
    act: Act,
    resolution: Act | None,
    reason: str,
    answer: str,
    claim: _Claim | None = None,
) -> list[Report]:
    with transaction.atomic():
        reports = _all_locked(report_id)
        if claim is None:
            _check_free(by, reports, timezone.now())
        for report in reports:
            before: Values = {"state": report.state, "assignee": report.assignee_id}
            if claim is not None and report.pk == claim.report:
                before = {"state": claim.state, "assignee": claim.assignee}
            _end(by, report, resolution, answer, timezone.now())
            after: Values = {"state": report.state, "resolution": report.resolution}
            audit.record(_entry(by, act, report, reason, before, after))
    return reports


def _end(by: Actor, report: Report, resolution: Act | None, answer: str, now: datetime) -> None:
    report.state = Report.State.DISMISSED if resolution is None else Report.State.RESOLVED
    report.resolution = "" if resolution is None else resolution
    report.answer = answer
    report.closed_at = now
    report.closed_by_id = by.user_id
    report.save(update_fields=["state", "resolution", "answer", "closed_at", "closed_by"])


def _locked(report_id: int) -> Report:
    """Raises: ClientError when somebody else was faster."""
    report = Report.objects.select_for_update().filter(pk=report_id).first()
    if report is None:
        raise no_such_report()
    if report.state not in Report.WAITING:
        raise _closed()
    return report


def _all_locked(report_id: int) -> list[Report]:
    """The report and the other waiting reports of its message, locked, by id.

    Everybody locks in this order, so people who close two reports of one message cannot deadlock.

    Raises: ClientError when somebody else was faster.
    """
    # A report's message never changes, so reading it needs no lock.
    about = Report.objects.filter(pk=report_id).values_list("room_id", "seq").first()
    if about is None:
        raise no_such_report()
    room, seq = about
    waiting = Report.objects.select_for_update().filter(
        room_id=room, seq=seq, state__in=Report.WAITING
    )
    reports = list(waiting.order_by("pk"))
    if all(report.pk != report_id for report in reports):
        raise _closed()
    return reports


def _closed() -> ClientError:
    return ClientError(
        "key_conflict",
        "Somebody has already closed this report.",
        reason=RefusalReason.REPORT_CLOSED,
    )


def _entry(
    by: Actor,
    act: Act,
    report: Report,
    reason: str,
    before: Values,
    after: Values,
) -> NewEntry:
    return NewEntry(
        by=by,
        action=act,
        target=audit.report_target(report.pk, report.room_id, report.seq, report.author_id),
        reason=reason,
        before=before,
        after=after,
        report=report.pk,
    )


def _answer(answer: str) -> str:
    return check_text(answer, "Answer", MAX_ANSWER_CHARACTERS)


async def _tell(closed: list[Report]) -> None:
    """Sends hints to the open pages of reporters and moderators; others see it when they ask."""
    for report in closed:
        _hint(report.reporter_id, report, str(report.state))
    # All of them are about one message.
    await _tell_moderators(closed[0])


async def _tell_moderators(report: Report) -> None:
    with contextlib.suppress(Unavailable):  # the request itself is done
        for moderator in await in_database(moderators_who_see, report):
            _hint(moderator, report, "waiting")


def _hint(user_id: int, report: Report, state: str) -> None:
    to_hubs.publisher().to_hubs(
        {"type": "report", "user": user_id, "report": report.pk, "state": state}
    )
