"""Codes of an authenticator app (RFC 6238): six digits, SHA-1, steps of thirty seconds by the database's clock."""

from __future__ import annotations

import base64
import hmac
import secrets
from io import BytesIO

import qrcode
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from qrcode.image.svg import SvgPathFillImage

from governance.accounts.models import Person, TotpUse
from governance.accounts.passkeys import WrongCredential
from governance.audit.clock import database_now

DIGITS = 6
PERIOD_SECONDS = 30
TOLERATED_STEPS = 1
SECRET_BYTES = 20


def new_secret() -> str:
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def url(person: Person, secret: str) -> str:
    """What the app reads from the picture."""
    return str(get_adapter().build_totp_url(person, secret))


def picture(address: str) -> str:
    """The QR code of it as an image for `src`, on white whatever the page's ground is."""
    drawn = BytesIO()
    qrcode.make(address, image_factory=SvgPathFillImage, border=2).save(drawn)
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue()).decode()


def code_at(secret: str, step: int) -> str:
    return HOTP(base64.b32decode(secret), DIGITS, SHA1()).generate(step).decode()  # noqa: S303 - what the apps compute


def present_step() -> int:
    return int(database_now().timestamp()) // PERIOD_SECONDS


def step_of(secret: str, code: str) -> int | None:
    """The step whose code this is, one before and one after the present included; None for no such code."""
    given = "".join(code.split())
    now = present_step()
    near = range(now - TOLERATED_STEPS, now + TOLERATED_STEPS + 1)
    return next((step for step in near if hmac.compare_digest(code_at(secret, step).encode(), given.encode())), None)


def fresh_step(person: Person, code: str) -> int:
    """The step to be spent. Call it with the person's row locked. Raises WrongCredential `wrong-code`."""
    kept = Authenticator.objects.filter(user=person, type=Authenticator.Type.TOTP).first()
    step = step_of(get_adapter().decrypt(kept.data["secret"]), code) if kept else None
    if step is None:
        raise WrongCredential("wrong-code", "That is not the code that your app shows now. Nothing was recorded.")
    if TotpUse.objects.filter(person=person, step=step).exists():
        raise WrongCredential("wrong-code", "This code was used already. Wait for the next one; your text is kept.")
    return step
