"""Rule 3: the person's own key signs the very decision, a code counts once, and failures lock."""

import base64
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.test import Client

from governance.accounts import passkeys, totp
from governance.accounts.models import Assertion, EnrolledAuthenticator, Person, TotpUse
from governance.accounts.reauthentication import PASSKEY, Credentials
from governance.actions import authenticators
from governance.actions.approval import suspend
from governance.actions.models import confirm_tier
from governance.actions.people import reset_credential
from governance.actions.sign import payload_to_sign
from governance.audit.clock import database_now
from governance.audit.errors import Refused
from governance.audit.models import AuditEvent
from governance.review import nonces
from governance.review.models import Signature
from governance.review.signature_file import signature_file
from tests.authenticator import PRESENT, Device
from tests.factories import (
    CREDENTIALS,
    PASSWORD,
    SESSION,
    a_candidate,
    a_model,
    approved,
    computed,
    interpreted,
    shown,
    signed,
)
from tests.interfaces.pages import Browser

VERIFIER = Path(__file__).parents[2] / "script" / "verify_signature.py"
REASON = "Evidence read; within policy."


@pytest.fixture(autouse=True)
def at_localhost(settings):
    settings.COUNTERSIGN_URL = "http://localhost:8000"


@pytest.fixture
def ready(people):
    return interpreted(computed(a_candidate(people, a_model(people))), people["second_validator"])


def enrolled(person, device=None, credentials=CREDENTIALS):
    device = device or Device()
    options, state = passkeys.begin_enrolment(person)
    authenticators.enrol_passkey(
        person, name="Laptop", state=state, answer=device.makes(options), credentials=credentials
    )
    return device


def enrolled_app(person, credentials=CREDENTIALS):
    """The app's secret; the code that it was set up with is spent. Not begun at the very end of a code's time."""
    while database_now().timestamp() % totp.PERIOD_SECONDS > totp.PERIOD_SECONDS - 2:
        time.sleep(0.2)
    secret = totp.new_secret()
    code = totp.code_at(secret, totp.present_step() - 1)
    authenticators.enrol_totp(person, secret=secret, shown_code=code, credentials=credentials)
    return secret


def form(candidate, person, **changed):
    return {**shown(candidate, person), "outcome": "approve", "reason": REASON, "conditions": [], **changed}


def challenge_of(candidate, person, given):
    return hashlib.sha256(payload_to_sign(candidate, by=person, method=PASSKEY, **given)).digest()


def nothing_written(candidate):
    return not Signature.objects.filter(candidate=candidate).exists() and not Assertion.objects.exists()


def failures(person):
    return AuditEvent.objects.filter(action="sign-in.failed", actor_person=person.pk).count()


# --- signing with a passkey ----------------------------------------------------------------------------------------


def test_the_persons_own_key_signs_the_decision(ready, people):
    validator = people["validator"]
    device = enrolled(validator)
    given = form(ready, validator)
    events = AuditEvent.objects.count()
    challenge = challenge_of(ready, validator, given)
    assert AuditEvent.objects.count() == events, "asking writes nothing"
    signature = signed(ready, validator, **given, credentials=Credentials(assertion=device.answers(challenge)))
    assert signature.method == json.loads(signature.payload)["method"] == "passkey"
    kept = Assertion.objects.get()
    assert kept.challenge == signature.digest == "sha256:" + challenge.hex()
    assert (kept.payload, kept.event_id, kept.counter) == (signature.payload, signature.event_id, 1)


def moved(**changed):
    """The answer is to one form, and comes with another."""

    def answer(device, candidate, person, given):
        return device.answers(challenge_of(candidate, person, given)), changed

    return answer


def with_device(**changed):
    def answer(device, candidate, person, given):
        for name, value in changed.items():
            setattr(device, name, value)
        return device.answers(challenge_of(candidate, person, given)), {}

    return answer


def altered(device, candidate, person, given):
    answer = json.loads(device.answers(challenge_of(candidate, person, given)))
    said = base64.urlsafe_b64decode(answer["response"]["clientDataJSON"] + "==").replace(b"false", b"true ")
    answer["response"]["clientDataJSON"] = base64.urlsafe_b64encode(said).decode().rstrip("=")
    return json.dumps(answer), {}


def for_something_else(device, candidate, person, given):
    return device.answers(challenge_of(candidate, person, given), kind="webauthn.create"), {}


def another_nonce(device, candidate, person, given):
    answer = device.answers(challenge_of(candidate, person, given))
    return answer, {"nonce": nonces.issue(person, SESSION, given["statement_digest"])}


SPOILT = {
    "another reason": moved(reason="Something else."),
    "another outcome": moved(outcome="reject"),
    "another nonce": another_nonce,
    "altered client data": altered,
    "not a request to sign": for_something_else,
    "another origin": with_device(origin="http://localhost:9000"),
    "a look-alike origin": with_device(origin="http://localhost:8000.evil.example"),
    "another name": with_device(rp_id="evil.example"),
    "nobody verified": with_device(flags=PRESENT),
    "nobody present": with_device(flags=0x04),
    "a counter that stands still": with_device(counter=6),
    "a counter that goes back": with_device(counter=2),
    "another key of the same name": with_device(key=Device().key),
    "a key that was never enrolled": with_device(credential_id=b"x" * 32),
    "no JSON": lambda *_: ("{", {}),
    "a list": lambda *_: ("[]", {}),
    "a rest of an answer": lambda *_: ('{"rawId": 5, "response": {}}', {}),
    "far too much": lambda *_: ('"' + "x" * 30_000 + '"', {}),
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_an_answer_that_is_not_to_this_very_decision_signs_nothing(spoil, ready, people):
    validator = people["validator"]
    device = enrolled(validator, Device(counter=7))
    given = form(ready, validator)
    answer, changed = SPOILT[spoil](device, ready, validator, given)
    with pytest.raises(Refused, match="wrong-passkey"):
        signed(ready, validator, **{**given, **changed}, credentials=Credentials(assertion=answer))
    assert nothing_written(ready)
    assert failures(validator) == 1
    assert not AuditEvent.objects.filter(action__in=["statement.frozen", "signature.given"]).exists()


def test_an_answer_of_somebody_elses_key_signs_nothing(ready, people):
    validator = people["validator"]
    enrolled(validator)
    other = enrolled(people["second_validator"])
    given = form(ready, validator)
    with pytest.raises(Refused, match="wrong-passkey"):
        signed(ready, validator, **given, credentials=Credentials(assertion=other.answers(challenge_of(ready, validator, given))))
    assert nothing_written(ready)


def test_an_answer_is_not_copied_to_another_candidate_nor_used_twice(ready, people):
    validator = people["validator"]
    other = interpreted(computed(a_candidate(people, a_model(people, "cards"))), people["second_validator"])
    device = enrolled(validator)
    given = form(ready, validator)
    shown_again = Credentials(assertion=device.answers(challenge_of(ready, validator, given)))
    with pytest.raises(Refused, match="wrong-passkey"):
        signed(other, validator, **form(other, validator), credentials=shown_again)
    assert nothing_written(other)
    signed(ready, validator, **given, credentials=shown_again)
    with pytest.raises(Refused):
        signed(ready, validator, **given, credentials=shown_again)
    assert Assertion.objects.count() == 1


def test_a_stale_form_is_not_signed_by_its_answer(ready, people, monkeypatch):
    validator = people["validator"]
    device = enrolled(validator)
    given = form(ready, validator)
    answer = device.answers(challenge_of(ready, validator, given))
    monkeypatch.setattr(nonces, "LIFE_SECONDS", -1)
    with pytest.raises(Refused, match="nonce-invalid"):
        signed(ready, validator, **given, credentials=Credentials(assertion=answer))
    assert nothing_written(ready)


def test_a_key_slipped_into_the_table_or_removed_signs_nothing(ready, people):
    from allauth.mfa.models import Authenticator

    validator = people["validator"]
    device, intruder = enrolled(validator), Device()
    options, _ = passkeys.begin_enrolment(validator)
    Authenticator.objects.create(
        user=validator, type="webauthn", data={"name": "x", "credential": json.loads(intruder.makes(options))}
    )
    given = form(ready, validator)
    challenge = challenge_of(ready, validator, given)
    with pytest.raises(Refused, match="wrong-passkey"):
        signed(ready, validator, **given, credentials=Credentials(assertion=intruder.answers(challenge)))
    authenticators.remove_authenticator(
        EnrolledAuthenticator.objects.get(), by=validator, credentials=act_credentials(validator, device, "/remove/")
    )
    with pytest.raises(Refused):
        signed(ready, validator, **given, credentials=Credentials(assertion=device.answers(challenge)))
    assert not Signature.objects.filter(candidate=ready).exists()


def test_with_a_passkey_alone_the_password_signs_nothing(ready, people):
    enrolled(people["validator"])
    with pytest.raises(Refused, match="passkey-required"):
        signed(ready, people["validator"])
    assert nothing_written(ready)


# --- verified without the product ----------------------------------------------------------------------------------


def verifier(file, tmp_path):
    path = tmp_path / "signature.json"
    path.write_text(json.dumps(file))
    return subprocess.run([sys.executable, str(VERIFIER), str(path)], capture_output=True, text=True, check=False)


def other_flags(passkey):
    data = bytearray(base64.urlsafe_b64decode(passkey["authenticator_data"] + "=="))
    data[32] = PRESENT
    passkey["authenticator_data"] = base64.urlsafe_b64encode(bytes(data)).decode().rstrip("=")


ALTERED = {
    "reason": (lambda file: file.update(payload=file["payload"].replace("within", "beyond")), "payload does not have its"),
    "statement": (
        lambda file: file["statement"].update(body=file["statement"]["body"].replace("pass", "fail", 1)),
        "statement does not have its",
    ),
    "digest": (lambda file: file.update(digest="sha256:" + "0" * 64), "payload does not have its"),
    "origin": (lambda file: file["passkey"].update(origin="https://evil.example"), "another origin"),
    "name": (lambda file: file["passkey"].update(rp_id="evil.example"), "another name"),
    "verified": (lambda file: other_flags(file["passkey"]), "not verified"),
    "counter": (lambda file: file["passkey"].update(counter=9), "counter"),
    "method": (lambda file: file.update(passkey=None), "method"),
    "key digest": (lambda file: file["passkey"].update(public_key_digest="sha256:0"), "does not have its digest"),
    "pem": (lambda file: file["passkey"].update(public_key_pem="-"), "two forms"),
    "signature": (
        lambda file: file["passkey"].update(signature=file["passkey"]["signature"][:-6] + "AAAAAA"), "not that of the public"
    ),
}  # fmt: skip


def test_anybody_verifies_the_signature_later_and_finds_what_was_altered(ready, people, tmp_path):
    validator = people["validator"]
    device = enrolled(validator)
    given = form(ready, validator)
    credentials = Credentials(assertion=device.answers(challenge_of(ready, validator, given)))
    file = signature_file(signed(ready, validator, **given, credentials=credentials))
    event = AuditEvent.objects.get(seq=file["passkey"]["enrolment_event"])
    assert json.loads(event.body)["data"]["public_key"] == file["passkey"]["public_key_digest"]
    done = verifier(file, tmp_path)
    assert (done.returncode, "VERIFIED: signed with a passkey" in done.stdout) == (0, True), done
    for alter, problem in ALTERED.values():
        spoilt = json.loads(json.dumps(file))
        alter(spoilt)
        done = verifier(spoilt, tmp_path)
        assert done.returncode == 1, problem
        assert problem in done.stdout, done.stdout


def test_the_file_is_for_whoever_may_see_the_candidate(ready, people):
    path = f"/candidates/{ready.pk}/signatures/{signed(ready, people['validator']).digest}/"
    stranger = Person.objects.create(username="stranger", printed_name="Nora Fremd")
    page = Browser(people["auditor"]).decision(ready)
    assert page.says("signer since")
    assert Browser(people["auditor"]).client.get(path).json()["passkey"] is None
    assert Browser(stranger).client.get(path).status_code == 404
    other = computed(a_candidate(people, a_model(people, "cards")))
    assert Browser(people["auditor"]).client.get(path.replace(str(ready.pk), str(other.pk))).status_code == 404


def test_a_signature_by_password_says_what_its_file_cannot_show(ready, people, tmp_path):
    done = verifier(signature_file(signed(ready, people["validator"])), tmp_path)
    assert done.returncode == 0
    assert "CONTENT VERIFIED" in done.stdout
    assert verifier({"digest": 5}, tmp_path).returncode == 1


# --- other acts ----------------------------------------------------------------------------------------------------


def act_credentials(person, device, act, **fields):
    asked = Credentials(session_key=SESSION, act=act, fields={name: [value] for name, value in fields.items()})
    nonce, payload, _ = authenticators.asked_of_passkey(person, asked)
    answer = device.answers(hashlib.sha256(payload).digest())
    return Credentials(assertion=answer, nonce=nonce, session_key=SESSION, act=act, fields=asked.fields)


def test_a_passkey_does_one_act_once(people):
    officer = people["officer"]
    candidate = approved(people, a_model(people))
    device = enrolled(officer)
    there = act_credentials(officer, device, "/candidates/1/suspend/", reason="Complaints.")
    for changed in ({"act": "/candidates/1/revoke/"}, {"fields": {"reason": ["Else."]}}, {"session_key": "another"}):
        with pytest.raises(Refused, match="wrong-passkey|nonce-invalid"):
            suspend(candidate, by=officer, reason="Complaints.", credentials=Credentials(**{**vars(there), **changed}))
    suspend(candidate, by=officer, reason="Complaints.", credentials=there)
    kept = Assertion.objects.get()
    assert kept.challenge == "sha256:" + hashlib.sha256(kept.payload.encode()).hexdigest()
    with pytest.raises(Refused, match="wrong-passkey"):
        confirm_tier(candidate.model, by=officer, tier="high", reason="Grew.", credentials=there)
    assert not candidate.model.tier_confirmations.filter(tier="high").exists()


def test_a_passkey_that_does_not_count_does_one_act_once_too(people):
    validator, model = people["validator"], a_model(people)
    there = act_credentials(validator, enrolled(validator, Device(counts=False)), f"/models/{model.slug}/tier/", tier="medium")
    confirm_tier(model, by=validator, tier="medium", reason="Grew.", credentials=there)
    with pytest.raises(Refused, match="wrong-passkey"):
        confirm_tier(model, by=validator, tier="high", reason="Grew.", credentials=there)


# --- codes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "code", "why"),
    [(PASSWORD, "", "code-required"), (PASSWORD, "000000", "wrong-code"), (PASSWORD, "x", "wrong-code"),
     (PASSWORD, "spent", "wrong-code"), (PASSWORD, "old", "wrong-code"), ("wrong", "good", "wrong-password")],
)  # fmt: skip
def test_with_an_app_it_takes_the_password_and_a_fresh_code(password, code, why, ready, people):
    secret = enrolled_app(people["validator"])
    step = totp.present_step()
    codes = {"spent": totp.code_at(secret, step - 1), "old": totp.code_at(secret, step - 20), "good": totp.code_at(secret, step)}
    with pytest.raises(Refused, match=why):
        signed(ready, people["validator"], credentials=Credentials(password, code=codes.get(code, code)))
    assert nothing_written(ready)
    assert failures(people["validator"]) == (why != "code-required")


def test_a_code_counts_once_even_where_the_act_was_refused(ready, people):
    validator = people["validator"]
    secret = enrolled_app(validator)
    there = Credentials(PASSWORD, code=totp.code_at(secret, totp.present_step()))
    with pytest.raises(Refused, match="nonce-invalid"):
        signed(ready, validator, nonce="stale", credentials=there)
    with pytest.raises(Refused, match="wrong-code"):
        signed(ready, validator, credentials=there)
    there = Credentials(PASSWORD, code=totp.code_at(secret, totp.present_step() + 1))
    assert signed(ready, validator, credentials=there).method == "password+totp"
    assert TotpUse.objects.filter(person=validator).count() == 3


def test_the_secret_of_an_app_is_not_readable_at_rest(people, settings):
    from allauth.mfa.models import Authenticator

    secret = enrolled_app(people["validator"])
    kept = Authenticator.objects.get().data
    assert secret not in json.dumps(kept)
    settings.SECRET_KEY = "another"
    with pytest.raises(Refused, match="authenticator-unreadable"):
        authenticators.confirm_sign_in(people["validator"], code="123456")


# --- enrolled and removed ------------------------------------------------------------------------------------------


def test_enrolling_asks_for_what_was_enrolled_before_and_is_logged(people):
    officer = people["officer"]
    with pytest.raises(Refused, match="wrong-password"):
        enrolled(officer, credentials=Credentials("wrong"))
    device = enrolled(officer)
    with pytest.raises(Refused, match="passkey-required"):
        enrolled_app(officer)
    enrolled_app(officer, act_credentials(officer, device, "/totp/"))
    kinds = list(officer.enrolled_authenticators.order_by("event_id").values_list("kind", flat=True))
    assert kinds == ["passkey", "totp"]
    said = [json.loads(one.body)["data"] for one in AuditEvent.objects.filter(action="authenticator.enrolled").order_by("seq")]
    assert [one["kind"] for one in said] == kinds
    with pytest.raises(Refused, match="code-required"):
        authenticators.remove_authenticator(EnrolledAuthenticator.objects.get(kind="totp"), by=officer, credentials=CREDENTIALS)


@pytest.mark.parametrize("changed", [{"flags": PRESENT}, {"origin": "https://evil.example"}, {"rp_id": "evil.example"}])
def test_a_passkey_that_verifies_nobody_or_belongs_elsewhere_is_not_enrolled(changed, people):
    with pytest.raises(Refused, match="passkey-not-made"):
        enrolled(people["officer"], Device(**changed))
    assert not EnrolledAuthenticator.objects.exists()


def test_a_reset_takes_everything_away(people):
    from allauth.mfa.models import Authenticator

    officer = people["officer"]
    enrolled_app(officer, CREDENTIALS)
    reset_credential(officer, by=people["administrator"])
    assert not Authenticator.objects.exists()
    assert not officer.enrolled_authenticators.filter(removal=None).exists()


def test_at_an_address_of_numbers_no_passkey_is_offered(people, settings):
    settings.COUNTERSIGN_URL = "http://127.0.0.1:8000"
    page = Browser(people["officer"]).page("/accounts/authenticators/")
    assert page.says("Passkeys are bound to a name")
    assert page.form("/passkey/") is None
    with pytest.raises(Refused, match="no-passkeys-here"):
        passkeys.begin_enrolment(people["officer"])


# --- sign-in -------------------------------------------------------------------------------------------------------


def enters(client, name, password=PASSWORD):
    return client.post("/accounts/login/", {"login": name, "password": password})


def signed_in(client):
    return client.get("/inbox/").status_code == 200


def test_signing_in_takes_the_second_step(people):
    secret = enrolled_app(people["officer"])
    client = Client()
    assert enters(client, "officer").headers["Location"] == "/accounts/second-step/"
    assert not signed_in(client)
    for wrong in ("000000", totp.code_at(secret, totp.present_step() - 1)):
        assert client.post("/accounts/second-step/", {"code": wrong}).status_code == 200
        assert not signed_in(client)
    code = totp.code_at(secret, totp.present_step())
    assert client.post("/accounts/second-step/", {"code": code}).status_code == 302
    assert signed_in(client)
    assert failures(people["officer"]) == 2
    again = Client()
    enters(again, "officer")
    again.post("/accounts/second-step/", {"code": code})
    assert not signed_in(again)


def test_signing_in_with_a_passkey(people):
    device = enrolled(people["officer"])
    client, copier = Client(), Client()
    for one in (client, copier):
        enters(one, "officer")
        one.get("/accounts/second-step/")
    asked = client.session["mfa.webauthn.state"]["challenge"]
    answer = device.answers(base64.urlsafe_b64decode(asked + "=="))
    copier.post("/accounts/second-step/", {"credential": answer})
    client.post("/accounts/second-step/", {"credential": answer})
    assert (signed_in(copier), signed_in(client)) == (False, True)
    assert Assertion.objects.get().challenge.startswith("random:")


def test_ten_failures_lock_the_person_whoever_counts(people, settings):
    client = Client()
    for _ in range(10):
        enters(client, "Officer", "wrong")
    assert failures(people["officer"]) == 10
    from django.core.cache import cache

    cache.clear()  # as on another process
    locked = enters(Client(), "officer")
    assert b"Too many failed attempts" in locked.content
    assert failures(people["officer"]) == 10
    with pytest.raises(Refused, match="locked-out"):
        suspend(None, by=people["officer"], reason="x", credentials=CREDENTIALS)
    assert enters(Client(), "validator").status_code == 302


def test_an_unknown_name_reads_like_a_wrong_password(people):
    answers = [enters(Client(), name, "wrong").content.decode() for name in ("officer", "nobody-here")]
    told = [answer[answer.index('<div class="errsum"') : answer.index("</ol>")] for answer in answers]
    assert told[0] == told[1]
    assert failures(people["officer"]) == 1
    assert AuditEvent.objects.filter(action="sign-in.failed").count() == 1


def test_the_second_step_locks_too(people):
    enrolled_app(people["officer"])
    client = Client()
    enters(client, "officer")
    for _ in range(12):
        client.post("/accounts/second-step/", {"code": "000000"})
    assert failures(people["officer"]) == 10
    assert "Too many failed attempts" in client.post("/accounts/second-step/", {"code": "000000"}).content.decode()


# --- the forms -----------------------------------------------------------------------------------------------------


def test_the_form_asks_for_the_code_and_works_without_script(ready, people):
    secret = enrolled_app(people["validator"])
    browser = Browser(people["validator"])
    given = browser.sign_form(ready)
    assert "code" in given
    browser.signs(ready, code="000000")
    assert nothing_written(ready)
    browser.signs(ready, code=totp.code_at(secret, totp.present_step()))
    assert Signature.objects.get().method == "password+totp"


def test_the_page_of_ones_own_sign_in(people):
    browser = Browser(people["officer"])
    page = browser.page("/accounts/authenticators/")
    given = page.form("/totp/").fields
    sealed = given["secret"]
    from allauth.mfa.adapter import get_adapter

    secret = get_adapter().decrypt(sealed).split()[1]
    assert page.says(secret)
    wrong = browser.client.post("/accounts/authenticators/totp/", {**given, "shown_code": "000000", "password": PASSWORD})
    assert wrong.status_code == 400
    assert secret in wrong.content.decode()
    code = totp.code_at(secret, totp.present_step())
    good = {**given, "shown_code": code, "password": PASSWORD}
    assert Browser(people["approver"]).client.post("/accounts/authenticators/totp/", good).status_code == 302
    assert not people["approver"].enrolled_authenticators.exists(), "the page was made for somebody else"
    assert browser.client.post("/accounts/authenticators/totp/", good).status_code == 302
    one = EnrolledAuthenticator.objects.get(person=people["officer"])
    path = f"/accounts/authenticators/{one.pk}/remove/"
    assert Browser(people["approver"]).client.post(path, {"password": PASSWORD}).status_code == 404
    assert browser.client.post(path, {"password": PASSWORD, "code": code}).status_code == 403
    code = totp.code_at(secret, totp.present_step() + 1)
    assert browser.client.post(path, {"password": PASSWORD, "code": code}).status_code == 302
    assert not people["officer"].enrolled_authenticators.filter(removal=None).exists()
