"""Rule 3: people of an identity provider sign by signing in there again, asked with the very decision; who they are is linked
by themselves alone (rule 2).
"""

import base64
import hashlib
import json
import time
from html import unescape

import jwt
import pytest
import requests
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from governance.accounts import identity_provider, round_trips
from governance.accounts.id_tokens import nonce_of
from governance.accounts.models import Person, ProviderAccount, ProviderAnswer
from governance.accounts.reauthentication import OIDC, Credentials, asked_of
from governance.actions import provider_accounts
from governance.actions.approval import suspend
from governance.actions.models import confirm_tier
from governance.actions.people import (
    add_person,
    confirm_enrolment,
    issue_credential_link,
    reset_credential,
    set_first_account,
    set_first_password,
)
from governance.actions.sign import payload_to_sign
from governance.audit.errors import Refused
from governance.audit.models import AuditEvent
from governance.review.models import Signature
from governance.review.signature_file import signature_file
from tests.factories import (
    CREDENTIALS,
    PASSWORD,
    SESSION,
    a_candidate,
    a_model,
    approved,
    computed,
    interpreted,
    signed,
)
from tests.identity_provider import CLIENT_ID, NAME, SigningKey, callback_of, running
from tests.interfaces.pages import Browser, Page
from tests.rules.test_03_passkeys import enrolled, enrolled_app, failures, form, signed_in, verifier


@pytest.fixture(autouse=True)
def at_localhost(settings):
    settings.COUNTERSIGN_URL = "http://localhost:8000"


@pytest.fixture
def provider():
    with running() as one:
        yield one


@pytest.fixture
def ready(people):
    return interpreted(computed(a_candidate(people, a_model(people))), people["second_validator"])


@pytest.fixture
def validator(people, provider):
    """A validator who has linked the account `u-1`."""
    link(people["validator"], provider)
    return people["validator"]


def answered(provider, question, **says):
    """What comes back from the provider for this question."""
    token = provider.token(nonce_of(question.challenge), **says)
    return Credentials(id_token=token, trip=question.trip, nonce=question.nonce, session_key=SESSION)


def link(person, provider, credentials=CREDENTIALS, **says):
    question = provider_accounts.asked_to_link(person, SESSION)
    return provider_accounts.link_account(person, answered=answered(provider, question, **says), credentials=credentials)


def question_of(candidate, person, given):
    payload = payload_to_sign(candidate, by=person, method=OIDC, **given)
    return provider_accounts.asked_of_provider(person, Credentials(session_key=SESSION, act="/sign/"), payload)


def nothing_written(candidate):
    acts = AuditEvent.objects.filter(action__in=["statement.frozen", "signature.given"])
    return not (Signature.objects.filter(candidate=candidate).exists() or acts.exists()) and ProviderAnswer.objects.count() == 1


# --- signing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_the_provider_is_asked_with_the_decision_and_its_answer_is_kept(algorithm, ready, validator, provider):
    provider.key = SigningKey(algorithm)
    given = form(ready, validator)
    events = AuditEvent.objects.count()
    question = question_of(ready, validator, given)
    assert AuditEvent.objects.count() == events, "asking writes nothing"
    credentials = answered(provider, question)
    signature = signed(ready, validator, **given, credentials=credentials)
    assert signature.method == json.loads(signature.payload)["method"] == "oidc"
    kept = ProviderAnswer.objects.get(challenge=signature.digest)
    assert (kept.payload, kept.event_id, kept.id_token) == (signature.payload, signature.event_id, credentials.id_token)


def of_another(**changed):
    """The answer is to one form, and comes with another."""
    return lambda provider, question: (answered(provider, question), changed)


def saying(**says):
    return lambda provider, question: (answered(provider, question, **says), {})


def with_key(**faults):
    """Signed with a key that is not the provider's, whatever name it gives itself."""

    def answer(provider, question):
        true, provider.key = provider.key, SigningKey(**faults)
        provider.key.name = faults.get("name", true.name)
        credentials = answered(provider, question)
        provider.key = true
        return credentials, {}

    return answer


def unsigned(provider, question):
    text = answered(provider, question).id_token
    claims = jwt.decode(text, options={"verify_signature": False})
    return replaced(provider, question, jwt.encode(claims, None, "none")), {}


def by_the_public_key(provider, question):
    """The public key as the secret of a symmetric algorithm."""
    claims = jwt.decode(answered(provider, question).id_token, options={"verify_signature": False})
    secret = (provider.key.published()["x"] + provider.key.published()["y"]).encode()
    token = jwt.encode(claims, secret, "HS256", headers={"kid": provider.key.name})
    return replaced(provider, question, token), {}


def altered(provider, question):
    head, _, signature = answered(provider, question).id_token.split(".")
    body = answered(provider, question, acr="strong").id_token.split(".")[1]
    return replaced(provider, question, ".".join((head, body, signature))), {}


def replaced(provider, question, token):
    return Credentials(**{**vars(answered(provider, question)), "id_token": token})


def without_trip(trip):
    return lambda provider, question: (Credentials(**{**vars(answered(provider, question)), "trip": trip(question)}), {})


def ago(seconds):
    """As a claim: by the clock at the moment of answering."""
    return lambda: int(time.time()) - seconds


SPOILT = {
    "another reason": of_another(reason="Something else."),
    "another outcome": of_another(outcome="reject"),
    "another issuer": saying(iss="https://evil.example"),
    "another audience": saying(aud="another-program"),
    "issued to another": saying(aud=[CLIENT_ID, "another-program"], azp="another-program"),
    "for several, issued to nobody": saying(aud=[CLIENT_ID, "another-program"]),
    "another nonce": saying(nonce="AAAA"),
    "no nonce": saying(nonce=None),
    "another person's account": saying(sub="u-2"),
    "no account": saying(sub=""),
    "run out": saying(exp=ago(60)),
    "never runs out": saying(exp=None),
    "not yet issued": saying(iat=ago(-60)),
    "not yet valid": saying(nbf=ago(-60)),
    "signed in before": saying(auth_time=ago(60)),
    "does not say when": saying(auth_time=None),
    "says when in words": saying(auth_time="now"),
    "signed in always": saying(auth_time=True),
    "signed in tomorrow": saying(auth_time=ago(-3600)),
    "another key of the same name": with_key(),
    "another key of the same name and kind": with_key(algorithm="RS256"),
    "a key that is not published": with_key(name="unknown"),
    "no signature": unsigned,
    "the public key as a secret": by_the_public_key,
    "altered": altered,
    "no token": lambda provider, question: (replaced(provider, question, "none"), {}),
    "far too much": lambda provider, question: (replaced(provider, question, "x" * 30_000), {}),
    "no round trip": without_trip(lambda question: ""),
    "a round trip of its own": without_trip(lambda question: question.trip[:-1] + ("A" if question.trip[-1] != "A" else "B")),
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_an_answer_that_is_not_the_provider_s_to_this_very_decision_signs_nothing(spoil, ready, validator, provider):
    given = form(ready, validator)
    credentials, changed = SPOILT[spoil](provider, question_of(ready, validator, given))
    with pytest.raises(Refused, match="wrong-token"):
        signed(ready, validator, **{**given, **changed}, credentials=credentials)
    assert nothing_written(ready)
    assert failures(validator) == 1


def test_a_sign_in_of_just_before_is_not_one_of_now(ready, validator, provider):
    given = form(ready, validator)
    question = question_of(ready, validator, given)
    with pytest.raises(Refused, match="before you were asked"):
        signed(ready, validator, **given, credentials=answered(provider, question, auth_time=ago(8)))
    assert nothing_written(ready)


def test_a_round_trip_that_took_too_long_signs_nothing(ready, validator, provider, monkeypatch):
    given = form(ready, validator)
    question = question_of(ready, validator, given)
    monkeypatch.setattr(round_trips, "LIFE", round_trips.LIFE * 0)
    with pytest.raises(Refused, match="longer than ten minutes"):
        signed(ready, validator, **given, credentials=answered(provider, question))
    assert nothing_written(ready)


def test_an_answer_is_not_moved_to_another_candidate_nor_used_twice(ready, people, provider):
    validator = people["validator"]
    other = interpreted(computed(a_candidate(people, a_model(people, "cards"))), people["second_validator"])
    link(validator, provider)
    given = form(ready, validator)
    there = answered(provider, question_of(ready, validator, given))
    elsewhere = form(other, validator)
    of_the_other = question_of(other, validator, elsewhere)
    for trip in (there.trip, of_the_other.trip):
        with pytest.raises(Refused, match="wrong-token"):
            signed(other, validator, **elsewhere, credentials=Credentials(**{**vars(there), "trip": trip}))
    signed(ready, validator, **given, credentials=there)
    with pytest.raises(Refused):
        signed(ready, validator, **given, credentials=there)
    assert ProviderAnswer.objects.count() == 2


def test_an_answer_is_for_the_person_and_the_session_that_asked(ready, validator, people, provider):
    second = people["approver"]
    provider.subject = "u-2"
    link(second, provider)
    given = form(ready, validator)
    question = question_of(ready, validator, given)
    with pytest.raises(Refused, match="another account"):
        signed(ready, validator, **given, credentials=answered(provider, question))
    provider.subject = "u-1"
    for changed in ({"session_key": "another"}, {"trip": round_trips.begin(second, SESSION, question.challenge)}):
        there = Credentials(**{**vars(answered(provider, question)), **changed})
        with pytest.raises(Refused, match="wrong-token"):
            signed(ready, validator, **given, credentials=there)


def test_with_an_account_the_password_alone_signs_nothing_and_with_a_passkey_either_does(ready, validator, provider):
    with pytest.raises(Refused, match="provider-required"):
        signed(ready, validator)
    act = Credentials(session_key=SESSION, act="/passkey/")
    question = provider_accounts.asked_of_provider(validator, act)
    enrolled(validator, credentials=Credentials(**{**vars(answered(provider, question)), "act": "/passkey/"}))
    asked = asked_of(validator)
    assert (asked.password, asked.code, asked.passkey, asked.provider) == (False, False, True, NAME)
    given = form(ready, validator)
    credentials = answered(provider, question_of(ready, validator, given))
    assert signed(ready, validator, **given, credentials=credentials).method == "oidc"


def test_ten_wrong_answers_lock(ready, validator, provider):
    given = form(ready, validator)
    question = question_of(ready, validator, given)
    for _ in range(10):
        with pytest.raises(Refused, match="wrong-token"):
            signed(ready, validator, **given, credentials=answered(provider, question, auth_time=None))
    with pytest.raises(Refused, match="locked-out"):
        signed(ready, validator, **given, credentials=answered(provider, question))
    with pytest.raises(Refused, match="locked-out"):
        provider_accounts.sign_in_through_provider(id_token=provider.token("AAAA"), nonce=b"\0\0\0")


def test_a_provider_that_is_not_there_or_calls_itself_otherwise_is_nobody_s_failure(ready, validator, provider):
    given = form(ready, validator)
    credentials = answered(provider, question_of(ready, validator, given))
    elsewhere = ({"issuer": "https://other.example"}, {"jwks_uri": "http://evil.example/keys"})
    for published in (*elsewhere, {"jwks_uri": f"{provider.issuer}/moved"}, {"jwks_uri": f"{provider.issuer}:1/"}):
        provider.published = published
        cache.clear()
        with pytest.raises(Refused, match="identity-provider-silent"):
            signed(ready, validator, **given, credentials=credentials)
    assert (failures(validator), nothing_written(ready)) == (0, True)


def test_a_new_key_of_the_provider_is_found(ready, validator, provider):
    provider.key, provider.keys = SigningKey("RS256"), [provider.key]
    given = form(ready, validator)
    assert signed(ready, validator, **given, credentials=answered(provider, question_of(ready, validator, given)))


# --- other acts ----------------------------------------------------------------------------------------------------


def test_an_answer_does_one_act_once(people, provider):
    officer = people["officer"]
    candidate = approved(people, a_model(people))
    link(officer, provider)
    fields = {"reason": ["Complaints."]}
    asked = Credentials(session_key=SESSION, act="/candidates/1/suspend/", fields=fields)
    there = answered(provider, provider_accounts.asked_of_provider(officer, asked))
    there = Credentials(**{**vars(there), "act": asked.act, "fields": fields})
    for changed in ({"act": "/candidates/1/revoke/"}, {"fields": {"reason": ["Else."]}}, {"session_key": "another"}):
        with pytest.raises(Refused, match="wrong-token|nonce-invalid"):
            suspend(candidate, by=officer, reason="Complaints.", credentials=Credentials(**{**vars(there), **changed}))
    suspend(candidate, by=officer, reason="Complaints.", credentials=there)
    kept = ProviderAnswer.objects.get(event__action="provider.used")
    assert kept.challenge == "sha256:" + hashlib.sha256(kept.payload.encode()).hexdigest()
    with pytest.raises(Refused, match="used already"):
        confirm_tier(candidate.model, by=officer, tier="high", reason="Grew.", credentials=there)


# --- whose account it is -------------------------------------------------------------------------------------------


def to_link(person, provider, **says):
    return answered(provider, provider_accounts.asked_to_link(person, SESSION), **says)


def test_linking_takes_the_persons_own_credential_and_a_fresh_sign_in(people, provider):
    officer = people["officer"]
    with pytest.raises(Refused, match="wrong-password"):
        link(officer, provider, Credentials("wrong"))
    for says in ({"auth_time": ago(60)}, {"auth_time": None}, {"aud": "another"}, {"nonce": "AAAA"}):
        with pytest.raises(Refused, match="wrong-token"):
            link(officer, provider, **says)
    assert not ProviderAccount.objects.exists()
    assert failures(officer) == 5
    account = link(officer, provider)
    assert (account.subject, account.issuer) == ("u-1", provider.issuer)
    assert "u-1" not in account.event.body, "subjects of some providers are addresses"
    with pytest.raises(Refused, match="provider-required"):
        link(officer, provider)


def test_an_administrator_links_nothing_for_others(people, provider):
    """Neither by another's question, nor by an own one, nor through a link that he handed out, with his own account."""
    administrator, officer = people["administrator"], people["officer"]
    with pytest.raises(Refused, match="nonce-invalid"):
        provider_accounts.link_account(administrator, answered=to_link(officer, provider), credentials=CREDENTIALS)
    with pytest.raises(Refused, match="nonce-invalid"):
        provider_accounts.link_account(officer, answered=to_link(administrator, provider), credentials=CREDENTIALS)
    link(administrator, provider)
    secret = reset_credential(officer, by=administrator)
    with pytest.raises(Refused, match="account-anothers"):
        set_first_account(secret, answered=to_link(officer, provider))
    assert list(ProviderAccount.objects.values_list("person__username", flat=True)) == ["administrator"]


def test_an_account_is_one_persons_for_good(people, provider):
    account = link(people["officer"], provider)
    reset_credential(people["officer"], by=people["administrator"])
    assert account.ending
    with pytest.raises(Refused, match="account-anothers"):
        link(people["approver"], provider)


def test_somebody_without_a_password_signs_once_a_colleague_has_confirmed_the_link(ready, people, provider):
    validator = people["validator"]
    secret = reset_credential(validator, by=people["administrator"])
    other = issue_credential_link(validator, by=people["administrator"])
    validator = set_first_account(secret, answered=to_link(validator, provider))
    for spent in (secret, other):
        with pytest.raises(Refused, match="link-spent"):
            set_first_password(spent, password=PASSWORD)
    with pytest.raises(Refused, match="credential-set"):
        issue_credential_link(validator, by=people["administrator"])
    given = form(ready, validator)
    there = answered(provider, provider_accounts.asked_of_provider(validator, Credentials(session_key=SESSION, act="/tier/")))
    for act in (lambda: question_of(ready, validator, given), lambda: signed(ready, validator, **given, credentials=there)):
        with pytest.raises(Refused, match="enrolment-unconfirmed"):
            act()
    confirm_enrolment(validator, by=people["officer"], credentials=CREDENTIALS)
    there = answered(provider, question_of(ready, validator, given))
    assert signed(ready, validator, **given, credentials=there).method == "oidc"
    with pytest.raises(Refused, match="no-password"):
        enrolled_app(validator)
    account = ProviderAccount.objects.get()
    act = Credentials(session_key=SESSION, act="/remove/")
    there = Credentials(**{**vars(answered(provider, provider_accounts.asked_of_provider(validator, act))), "act": "/remove/"})
    with pytest.raises(Refused, match="last-credential"):
        provider_accounts.unlink_account(account, by=validator, credentials=there)


def test_a_reset_ends_the_link_and_the_password_counts_again_after_unlinking(ready, validator, people, provider):
    act = Credentials(session_key=SESSION, act="/remove/")
    there = Credentials(**{**vars(answered(provider, provider_accounts.asked_of_provider(validator, act))), "act": "/remove/"})
    provider_accounts.unlink_account(ProviderAccount.objects.get(), by=validator, credentials=there)
    assert signed(ready, validator).method == "password"
    link(validator, provider)
    reset_credential(validator, by=people["administrator"])
    assert not validator.provider_accounts.filter(ending=None).exists()
    with pytest.raises(Refused, match="account-unknown"):
        provider_accounts.sign_in_through_provider(id_token=provider.token("AAAA"), nonce=b"\0\0\0")


def test_at_another_provider_the_link_sleeps(ready, validator, provider, settings):
    settings.COUNTERSIGN_OIDC_ISSUER = ""
    assert (asked_of(validator).password, asked_of(validator).provider) == (True, "")
    with pytest.raises(Refused, match="wrong-password"):
        signed(ready, validator, credentials=Credentials(id_token=provider.token("AAAA")))
    settings.COUNTERSIGN_OIDC_ISSUER = "https://other.example"
    assert asked_of(validator).provider == ""


@pytest.mark.parametrize("issuer", ["http://id.example", "ftp://id.example", "id.example", "https://", "http://127.0.0.1.evil.example"])
def test_a_provider_without_https_is_not_used(issuer, settings):
    settings.COUNTERSIGN_OIDC_ISSUER, settings.COUNTERSIGN_OIDC_CLIENT_ID = issuer, "x"
    with pytest.raises(ImproperlyConfigured):
        identity_provider.require_usable()
    settings.COUNTERSIGN_OIDC_ISSUER, settings.COUNTERSIGN_OIDC_CLIENT_ID = "https://id.example", ""
    with pytest.raises(ImproperlyConfigured):
        identity_provider.require_usable()


# --- verified without the product ----------------------------------------------------------------------------------


def other_claims(file, **says):
    head, body, signature = file["provider"]["id_token"].split(".")
    claims = {**json.loads(base64.urlsafe_b64decode(body + "==")), **says}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    file["provider"]["id_token"] = f"{head}.{body}.{signature}"


ALTERED = {
    "payload": (lambda file: file.update(payload=file["payload"].replace("within", "beyond")), "payload does not have its"),
    "nonce": (lambda file: other_claims(file, nonce="AAAA"), "another payload"),
    "issuer": (lambda file: file["provider"].update(issuer="https://evil.example"), "another issuer"),
    "audience": (lambda file: file["provider"].update(client_id="another"), "another program"),
    "party": (lambda file: other_claims(file, azp="another"), "another program"),
    "account": (lambda file: file["provider"].update(account="sha256:0"), "another account"),
    "began": (lambda file: file["provider"].update(began="2199-01-01T00:00:00.000000Z"), "before being asked"),
    "claims": (lambda file: other_claims(file, acr="strong"), "not that of the public"),
    "key": (lambda file: file["provider"].update(key=SigningKey("RS256").published()), "another kind"),
    "method": (lambda file: file.update(provider=None), "method"),
}  # fmt: skip


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_anybody_verifies_the_signature_later_and_finds_what_was_altered(algorithm, ready, validator, provider, tmp_path):
    provider.key = SigningKey(algorithm)
    given = form(ready, validator)
    file = signature_file(signed(ready, validator, **given, credentials=answered(provider, question_of(ready, validator, given))))
    event = AuditEvent.objects.get(seq=file["provider"]["linking_event"])
    assert json.loads(event.body)["data"]["account"] == file["provider"]["account"]
    done = verifier(file, tmp_path)
    assert (done.returncode, f"VERIFIED: {provider.issuer} says that account u-1" in done.stdout) == (0, True), done
    for alter, problem in ALTERED.values():
        spoilt = json.loads(json.dumps(file))
        alter(spoilt)
        if algorithm == "RS256" and "kind" in problem:
            continue
        done = verifier(spoilt, tmp_path)
        assert done.returncode == 1, problem
        assert problem in done.stdout, done.stdout


# --- the pages -----------------------------------------------------------------------------------------------------


def there_and_back(client, left):
    """The browser follows the page that leads on, signs in at the provider, and comes back."""
    assert left.status_code == 200, left.content
    return client.get(signs_in_there(left))


def signs_in_there(left):
    """Where the provider sends the browser back to."""
    text = left.content.decode()
    address = text.split('content="0;url=')[1].split('"')[0]
    assert f'href="{address}"' in text, "a link for browsers that do not lead on by themselves"
    return callback_of(requests.get(unescape(address), allow_redirects=False, timeout=10).headers["Location"])


def sends_on(client, back):
    """The form that came back is sent, as the script does."""
    assert back.status_code == 200, back.content
    form = Page(back.content.decode()).forms[0]
    return client.post(form.action, form.fields)


def enters_through(client, **fields):
    return there_and_back(client, client.post("/accounts/provider/", fields))


def test_signing_in_through_the_provider(people, validator, provider):
    assert b"Sign in through Bank Directory" in Client().get("/accounts/login/").content
    client = Client()
    back = enters_through(client, next="/models/")
    assert (back.status_code, back.headers["Location"]) == (302, "/models/")
    assert signed_in(client)
    asked = provider.asked[0]
    assert asked["code_challenge_method"] == "S256"
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    assert ProviderAnswer.objects.get(payload="").challenge.startswith("random:")
    assert not SocialAccount.objects.exists()


def test_nobody_signs_up_through_the_provider_or_is_known_by_an_address(people, provider):
    provider.says = {"email": people["validator"].email, "email_verified": True, "preferred_username": "validator"}
    client = Client()
    before = Person.objects.count()
    back = enters_through(client)
    assert (back.status_code, b"Nobody here has linked" in back.content) == (403, True)
    assert not signed_in(client)
    assert Person.objects.count() == before


def test_a_row_in_the_framework_s_table_lets_nobody_in(people, provider):
    for uid in ("", "u-1"):
        SocialAccount.objects.create(user=people["validator"], provider="openid_connect", uid=uid)
    SocialApp.objects.create(provider="openid_connect", provider_id="openid_connect", client_id="evil", settings={"server_url": "http://evil"})
    client = Client()
    assert enters_through(client).status_code == 403
    assert not signed_in(client)


SIGN_IN_SPOILT = {
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "another"},
    "run out": {"exp": ago(60)},
    "another nonce": {"nonce": "AAAA"},
    "no nonce": {"nonce": None},
    "another account": {"sub": "u-2"},
}


@pytest.mark.parametrize("spoil", SIGN_IN_SPOILT)
def test_a_token_that_is_not_for_this_attempt_signs_nobody_in(spoil, validator, provider):
    provider.says = SIGN_IN_SPOILT[spoil]
    client = Client()
    assert enters_through(client).status_code == 403
    assert not signed_in(client)


def test_a_token_that_somebody_else_signed_signs_nobody_in(validator, provider):
    """allauth itself believes what it has fetched over the connection."""
    true, provider.key = provider.key, SigningKey()
    provider.key.name, provider.keys = true.name, []
    provider.key.published = true.published
    client = Client()
    assert enters_through(client).status_code == 403
    assert not signed_in(client)


def test_an_answer_counts_for_the_browser_that_asked_and_once(validator, provider):
    asker, thief = Client(), Client()
    path = signs_in_there(asker.post("/accounts/provider/"))
    assert thief.get(path).status_code == 403
    assert not signed_in(thief)
    assert asker.get(path).status_code == 302
    assert asker.get(path).status_code == 403
    token = ProviderAnswer.objects.get(payload="")
    nonce = bytes.fromhex(token.challenge.removeprefix("random:"))
    with pytest.raises(Refused, match="used already"):
        provider_accounts.sign_in_through_provider(id_token=token.id_token, nonce=nonce)


def test_whoever_cancels_there_or_has_left_is_not_signed_in(people, validator, provider):
    provider.refuses = True
    client = Client()
    assert enters_through(client).status_code == 403
    provider.refuses = False
    Person.objects.filter(pk=validator.pk).update(is_active=False)
    assert enters_through(client).status_code == 403
    assert not signed_in(client)


def test_an_app_here_is_asked_for_after_the_provider(people, provider):
    enrolled_app(people["officer"])
    from governance.accounts import totp

    secret = totp_secret(people["officer"])
    code = totp.code_at(secret, totp.present_step() + 1)
    link(people["officer"], provider, Credentials(PASSWORD, code=code))
    client = Client()
    assert enters_through(client).headers["Location"] == "/accounts/second-step/"
    assert not signed_in(client)


def totp_secret(person):
    from allauth.mfa.adapter import get_adapter
    from allauth.mfa.models import Authenticator

    return get_adapter().decrypt(Authenticator.objects.get(user=person, type="totp").data["secret"])


def test_the_form_goes_to_the_provider_and_back_with_all_that_was_written(ready, validator, provider):
    browser = Browser(validator)
    reason = 'Evidence read.\r\n"Within" <policy> & more.'
    left = browser.signs(ready, reason=reason, condition_text="Only until spring.", outcome="approve-with-conditions")
    asked = there_and_back(browser.client, left)
    assert (provider.asked[-1]["prompt"], provider.asked[-1]["max_age"]) == ("login", "0")
    assert not Signature.objects.filter(candidate=ready).exists()
    done = sends_on(browser.client, asked)
    assert done.status_code == 302, done.content
    signature = Signature.objects.get(candidate=ready)
    assert (signature.method, signature.reason, signature.conditions[0]["text"]) == ("oidc", reason, "Only until spring.")
    sent = {**Page(asked.content.decode()).forms[0].fields}
    assert browser.client.post(Page(asked.content.decode()).forms[0].action, sent).status_code in (403, 409)


@pytest.mark.parametrize("fault", ["refuses", "ignores_max_age"])
def test_what_was_written_comes_back_where_the_provider_says_nothing_useful(fault, ready, validator, provider):
    provider.signed_in_at = ago(600)()
    setattr(provider, fault, True)
    browser = Browser(validator)
    done = sends_on(browser.client, there_and_back(browser.client, browser.signs(ready, reason="A long reason.")))
    page = Page(done.content.decode())
    assert done.status_code == 403
    assert page.form("/sign/").fields["reason"] == "A long reason."
    assert not Signature.objects.filter(candidate=ready).exists()
    assert failures(validator) == (fault == "ignores_max_age")


def test_every_form_that_asks_goes_there(people, provider):
    officer = people["officer"]
    candidate = approved(people, a_model(people))
    link(officer, provider)
    browser = Browser(officer)
    given = browser.decision(candidate).form("/suspend/").fields
    assert given["through"] == "provider"
    left = browser.client.post(f"/candidates/{candidate.pk}/suspend/", {**given, "reason": "Complaints\nfrom customers."})
    assert sends_on(browser.client, there_and_back(browser.client, left)).status_code == 302
    assert candidate.approval.acts.get().reason == "Complaints\nfrom customers."


def test_one_links_and_unlinks_on_the_page_of_ones_own_sign_in(people, provider):
    browser = Browser(people["officer"])
    path = browser.page("/accounts/authenticators/").form("/provider/").action
    back = sends_on(browser.client, there_and_back(browser.client, browser.client.post(path)))
    given = Page(back.content.decode()).form("/provider/").fields
    again = browser.client.post(path, {**given, "password": "wrong"})
    given = Page(again.content.decode()).form("/provider/").fields
    assert browser.client.post(path, {**given, "password": PASSWORD}).status_code == 302
    page = browser.page("/accounts/authenticators/")
    assert page.says("signing in again at Bank Directory")
    remove = page.form("/remove/")
    account = ProviderAccount.objects.get(person=people["officer"])
    assert Browser(people["approver"]).client.post(remove.action, {"password": PASSWORD}).status_code == 404
    left = browser.client.post(remove.action, remove.fields)
    assert sends_on(browser.client, there_and_back(browser.client, left)).status_code == 302
    assert ProviderAccount.objects.get(pk=account.pk).ending


def test_a_single_use_link_leads_there_too(people, provider):
    newcomer = add_person(by=people["administrator"], username="new", printed_name="Nora New")
    path = f"/accounts/first/{issue_credential_link(newcomer, by=people['administrator'])}/"
    client = Client()
    assert b"Or use your account at Bank Directory" in client.get(path).content
    provider.says = {"auth_time": ago(60)}
    assert sends_on(client, there_and_back(client, client.post(f"{path}provider/"))).status_code == 400
    provider.says = {}
    assert sends_on(client, there_and_back(client, client.post(f"{path}provider/"))).status_code == 302
    assert client.get(path).status_code == 404
    assert enters_through(client).status_code == 302
    assert signed_in(client)
    assert not Person.objects.get(pk=newcomer.pk).has_usable_password()


def test_without_a_provider_nothing_of_it_is_there(people):
    assert b"Sign in through" not in Client().get("/accounts/login/").content
    assert Client().post("/accounts/provider/").status_code == 404
    assert Client().get("/accounts/provider/callback/?state=x&code=y").status_code == 404
    browser = Browser(people["officer"])
    assert browser.page("/accounts/authenticators/").form("/provider/") is None
    assert browser.client.post("/accounts/authenticators/provider/").status_code == 404
