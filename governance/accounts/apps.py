from django.apps import AppConfig

from governance.accounts import identity_provider


class AccountsConfig(AppConfig):
    name = "governance.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        identity_provider.require_usable()
