"""How allauth asks about this product's people."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class ClosedSignupAdapter(DefaultAccountAdapter):
    """Nobody signs up: people are named at installation or added by an administrator."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
