"""Signing in and out. Nobody signs up, and no address resets a password."""

from allauth.account import views
from django.urls import path

from governance.web import authenticators_page, provider
from governance.web.first_credential import FirstAccount, FirstCredential
from governance.web.sign_in import SecondStep

urlpatterns = [
    path("login/", views.login, name="account_login"),
    path("logout/", views.logout, name="account_logout"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("provider/", provider.SignIn.as_view(), name="provider_sign_in"),
    path("provider/callback/", provider.callback, name="provider_callback"),
    path("second-step/", SecondStep.as_view(), name="mfa_authenticate"),
    path("authenticators/", authenticators_page.Authenticators.as_view(), name="authenticators"),
    path("authenticators/totp/", authenticators_page.EnrolTotp.as_view(), name="enrol_totp"),
    path("authenticators/passkey/", authenticators_page.EnrolPasskey.as_view(), name="enrol_passkey"),
    path(
        "authenticators/<uuid:authenticator>/remove/",
        authenticators_page.RemoveAuthenticator.as_view(),
        name="remove_authenticator",
    ),
    path("authenticators/provider/", authenticators_page.LinkAccount.as_view(), name="link_account"),
    path(
        "authenticators/provider/<uuid:account>/remove/",
        authenticators_page.UnlinkAccount.as_view(),
        name="unlink_account",
    ),
    path("challenge/", authenticators_page.Challenge.as_view(), name="passkey_challenge"),
    path("first/<str:secret>/", FirstCredential.as_view(), name="first_credential"),
    path("first/<str:secret>/provider/", FirstAccount.as_view(), name="first_account"),
]
