"""Figures take as long as they take: no deadline for a single example."""

from hypothesis import settings

settings.register_profile("figures", deadline=None)
settings.load_profile("figures")
