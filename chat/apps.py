from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = gettext_lazy("Chat")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Imported here, because models can be imported only now.
        from allauth.account.signals import user_signed_up

        from chat import dead_letters
        from chat.accounts import (
            known_devices,
            notices,
            reauthentication,
            revocation,
            second_factor,
            sessions,
            shown_names,
        )
        from chat.actions.onboarding import on_sign_up
        from chat.export import exporter
        from chat.persistence import put_back
        from chat.task_queue import dead_letter_retry, expiry, metrics

        revocation.connect()
        sessions.connect()
        shown_names.connect()
        second_factor.connect()
        reauthentication.connect()
        known_devices.connect()
        notices.connect()
        metrics.connect()
        expiry.connect()
        dead_letters.register("persist", put_back.retry)
        dead_letters.register("task", dead_letter_retry.retry)
        # Only a process that retries needs the event bus and its driver.
        dead_letters.register(
            "export", lambda letter, token: exporter.of_process().retry_dead_letter(letter, token)
        )
        user_signed_up.connect(on_sign_up, dispatch_uid="chat.actions.onboarding")
