from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate, pre_migrate


class AuditConfig(AppConfig):
    name = "governance.audit"
    label = "audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from governance.audit import immutable  # noqa: PLC0415 (models exist only once the apps are loaded)

        pre_migrate.connect(immutable.drop_guards_before_migrate, sender=self, dispatch_uid="audit-guards")
        post_migrate.connect(immutable.install_after_migrate, sender=self, dispatch_uid="audit-triggers")
        checks.register(immutable.check_triggers, checks.Tags.database)
