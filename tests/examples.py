"""How many random examples a property is tried with."""

import os

from hypothesis import settings

SLOW = "COUNTERSIGN_TESTS_SLOW"


def examples(count: int) -> settings:
    """So many without a deadline, as the machine may be busy; ten times as many in a run with --slow."""
    return settings(max_examples=count * (10 if os.environ.get(SLOW) else 1), deadline=None)
