from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "chatsite"

    def ready(self) -> None:
        # Imported here, because models can be imported only now.
        from chatsite import analytics_wiring

        analytics_wiring.connect()
