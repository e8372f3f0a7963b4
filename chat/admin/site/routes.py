"""The URLs of the admin's own pages, below /admin/."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponseBase

from chat.admin.delivery import dead_letter_pages, delivery
from chat.admin.moderation import act_page, history, person_sessions, report_pages
from chat.admin.oversight import audit_pages

View = Callable[..., HttpResponseBase]

# Path, view, name. Of two paths that begin alike, the longer comes first.
ROUTES: tuple[tuple[str, View, str], ...] = (
    ("act/", act_page.moderate, "act"),
    ("history/", history.history, "history"),
    ("history/export/", history.history_export, "history_export"),
    ("history/export/start/", history.history_export_start, "history_export_start"),
    ("history/export/rows/", history.history_export_rows, "history_export_rows"),
    ("history/<int:room>/<int:seq>/", history.message, "message"),
    ("reports/", report_pages.reports, "reports"),
    ("reports/act/", report_pages.report_act, "report_act"),
    ("reports/<int:id>/", report_pages.report, "report"),
    ("dead-letters/", dead_letter_pages.dead_letter_list, "dead_letters"),
    ("dead-letters/act/", dead_letter_pages.dead_letter_act, "dead_letter_act"),
    ("dead-letters/jobs/<str:id>/", dead_letter_pages.dead_letter_job, "dead_letter_job"),
    (
        "dead-letters/jobs/<str:id>/step/",
        dead_letter_pages.dead_letter_job_step,
        "dead_letter_job_step",
    ),
    ("dead-letters/<str:id>/", dead_letter_pages.dead_letter, "dead_letter"),
    ("delivery/", delivery.delivery, "delivery"),
    ("delivery/figures/", delivery.figures, "delivery_figures"),
    ("delivery/verify/", delivery.verify, "delivery_verify"),
    ("delivery/verify/<int:room>/", delivery.verification_state, "verification_state"),
    ("delivery/resume/", delivery.resume, "shard_resume"),
    ("audit/", audit_pages.audit_log, "audit"),
    ("audit/export/", audit_pages.audit_export, "audit_export"),
    ("audit/export/start/", audit_pages.audit_export_start, "audit_export_start"),
    ("audit/export/rows/", audit_pages.audit_export_rows, "audit_export_rows"),
    ("people/<int:id>/sessions/", person_sessions.person_sessions, "person_sessions"),
    ("people/<int:id>/sessions/end/", person_sessions.end_sessions, "end_sessions"),
    ("people/<int:id>/tokens/revoke/", person_sessions.revoke_tokens, "revoke_tokens"),
)
