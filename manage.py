#!/usr/bin/env python3
"""Django's command line for this project."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.project.settings")
    from django.core.management import execute_from_command_line

    import governance.project.celery  # noqa: F401 - messages are sent to our broker, not to Celery's default one

    execute_from_command_line(sys.argv)
