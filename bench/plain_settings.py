"""The product's settings with the addresses of `plain_urls.py`."""

from governance.project.settings import *  # noqa: F403

ROOT_URLCONF = "bench.plain_urls"
