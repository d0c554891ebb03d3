"""Signing in and out. Nobody signs up, and no address resets a password."""

from allauth.account import views
from django.urls import path

from governance.web.first_credential import FirstCredential

urlpatterns = [
    path("login/", views.login, name="account_login"),
    path("logout/", views.logout, name="account_logout"),
    path("reauthenticate/", views.reauthenticate, name="account_reauthenticate"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("first/<str:secret>/", FirstCredential.as_view(), name="first_credential"),
]
