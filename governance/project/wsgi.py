"""The web application as gunicorn loads it."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.project.settings")

import governance.project.celery  # noqa: F401 - messages are sent to our broker, not to Celery's default one

application = get_wsgi_application()

from governance.audit.immutable import require_triggers  # noqa: E402 - models exist only after Django's set-up

require_triggers()
