"""The shapes of requests and answers, for parsing the former and for the OpenAPI schema of both. No rule is here.

Where a name of the contract is also an attribute of the serializer class, the type checker is told so: at run time the
metaclass takes the declared fields out of the class.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from governance.evidence.kinds import CAUSES, ChallengeKind, CheckState, JobState, Kind
from governance.registry.models import TIERS
from governance.review.models import OUTCOMES, SEVERITIES

Text = serializers.CharField


class Strict(serializers.Serializer[Any]):
    """A request body; a key that it does not know is a fault that names it."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(self.fields))):
            known = ", ".join(self.fields)
            words = f"This key is unknown; there are {known}."
            raise serializers.ValidationError(
                {key[:60]: [ErrorDetail(words, code="unknown-key")] for key in unknown[:20]}
            )
        return super().to_internal_value(data)


class Fault(serializers.Serializer[Any]):
    pointer = Text(allow_blank=True)
    code = Text()
    detail = Text()


class Problem(serializers.Serializer[Any]):
    """RFC 9457."""

    type = Text()
    title = Text()
    status = serializers.IntegerField()
    detail = Text()
    code = Text()
    who = Text(required=False)
    errors = Fault(many=True, required=False)  # type: ignore[assignment]


def page_of(shape: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """A page of a list."""
    members = {
        "results": shape(many=True),
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
    }
    return inline_serializer(f"PageOf{shape.__name__}", members)


class NewModel(Strict):
    name = Text(max_length=200)
    slug = serializers.SlugField(max_length=80, required=False, allow_blank=True)
    purpose = Text(required=False, allow_blank=True, max_length=20_000)
    team = Text(required=False, allow_blank=True, max_length=200)
    owner = Text(required=False, allow_null=True, max_length=254, help_text="username or e-mail address")
    developers = serializers.ListField(
        child=Text(max_length=254), required=False, max_length=100, help_text="usernames or e-mail addresses"
    )
    origin = Text(required=False, allow_blank=True, max_length=200)
    uses = serializers.ListField(child=Text(max_length=200), required=False, max_length=100)
    risk_tier = serializers.ChoiceField(choices=TIERS)


class ModelAnswer(serializers.Serializer[Any]):
    slug = Text()
    name = Text()
    purpose = Text(allow_blank=True)
    team = Text(allow_blank=True)
    owner = Text(allow_null=True)
    developers = serializers.ListField(child=Text())
    origin = Text(allow_blank=True)
    uses = serializers.ListField(child=Text())
    risk_tier = serializers.ChoiceField(choices=TIERS)
    confirmed_tier = serializers.ChoiceField(choices=TIERS, allow_null=True)
    revision = serializers.IntegerField()
    url = serializers.URLField()
    candidates = serializers.URLField()


class NewCandidate(serializers.Serializer[Any]):
    """Multipart. One of `model` and `predictions`."""

    manifest = Text(help_text='JSON, schema "candidate/1"; as a field or as a file')
    model = serializers.FileField(required=False, help_text="ONNX, skops, XGBoost JSON or UBJ, LightGBM text")
    evaluation = serializers.FileField(help_text="CSV or Parquet with labels, features and sensitive columns")
    reference = serializers.FileField(required=False)
    background = serializers.FileField(required=False)
    predictions = serializers.FileField(required=False)


class Artifact(serializers.Serializer[Any]):
    digest = Text()
    format = Text()
    size = serializers.IntegerField()


class SameArtifact(serializers.Serializer[Any]):
    model = Text()
    candidate = serializers.UUIDField()
    outcome = Text()


class Submitted(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    version = serializers.IntegerField()
    url = serializers.URLField()
    artifact = Artifact()
    manifest_digest = Text()
    stage = Text()
    same_artifact = SameArtifact(many=True)


class CandidateLine(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    model = Text()
    version = serializers.IntegerField()
    url = serializers.URLField()
    stage = Text()
    artifact = Artifact()
    manifest_digest = Text()
    submitted_at = serializers.DateTimeField()


class PolicyLine(serializers.Serializer[Any]):
    name = Text()
    version = serializers.IntegerField()
    digest = Text()


class EvidenceLine(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=[kind.value for kind in (*Kind, *ChallengeKind)])
    state = serializers.ChoiceField(choices=[state.value for state in JobState])
    progress = serializers.FloatField()
    digest = Text(allow_null=True)
    url = serializers.URLField()
    error = serializers.DictField(required=False)


class CheckLine(serializers.Serializer[Any]):
    key = Text()
    title = Text()
    state = serializers.ChoiceField(choices=[state.value for state in CheckState])
    cause = serializers.ChoiceField(choices=CAUSES, allow_null=True)
    value = serializers.JSONField(allow_null=True)
    limit = serializers.JSONField(allow_null=True)
    evidence = Text()


class FindingLine(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    label = Text()  # type: ignore[assignment]
    severity = serializers.ChoiceField(choices=SEVERITIES)
    state = serializers.ChoiceField(choices=("open", "answered", "closed", "waived", "void"))
    blocking = serializers.BooleanField()
    title = Text()
    check = Text(required=False)


class SignatureLine(serializers.Serializer[Any]):
    stage = Text()
    seat = serializers.IntegerField(allow_null=True)
    role = Text(allow_null=True)
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    printed_name = Text()
    on_behalf_of = Text(allow_null=True)
    signed_at = serializers.DateTimeField()
    statement_digest = Text()
    digest = Text()
    method = Text()
    counts = serializers.BooleanField()


APPROVAL_STATES = ("not-begun", "active", "suspended", "revoked", "expired", "superseded", "lapsed")


class ApprovalEnvironment(serializers.Serializer[Any]):
    name = Text()
    state = serializers.ChoiceField(choices=APPROVAL_STATES)


class ApprovalLine(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=APPROVAL_STATES)
    kind = Text()
    valid_from = serializers.DateTimeField()
    valid_until = serializers.DateTimeField()
    environments = ApprovalEnvironment(many=True)
    conditions = serializers.ListField(child=serializers.DictField())
    overridden = serializers.ListField(child=serializers.DictField())
    digest = Text()


class ReasonLine(serializers.Serializer[Any]):
    code = Text()
    detail = Text()
    who = Text(allow_blank=True)
    environments = serializers.ListField(child=Text())


class CandidateAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    model = Text()
    version = serializers.IntegerField()
    stage = Text()
    errors = Fault(many=True)  # type: ignore[assignment]
    artifact = Artifact()
    manifest_digest = Text()
    manifest = serializers.DictField()
    same_artifact = SameArtifact(many=True)
    policy = PolicyLine()
    tier = serializers.ChoiceField(choices=TIERS)
    evidence = EvidenceLine(many=True)
    checks = CheckLine(many=True)
    findings = FindingLine(many=True)
    signatures = SignatureLine(many=True)
    approval = ApprovalLine(allow_null=True)
    reasons = ReasonLine(many=True)
    submitted_at = serializers.DateTimeField()


class EvidenceAnswer(serializers.Serializer[Any]):
    schema = Text()
    digest = Text()
    content = serializers.DictField()
    provenance = serializers.DictField()
    provenance_digest = Text()
    cross_checks = serializers.ListField(child=serializers.DictField())
    limitations = serializers.ListField(child=Text())


class GateReason(serializers.Serializer[Any]):
    code = Text()
    detail = Text()
    who = Text(allow_blank=True)
    url = serializers.URLField(allow_null=True)


class GateAnswer(serializers.Serializer[Any]):
    allowed = serializers.BooleanField()
    model = Text()
    digest = Text()
    environment = Text()
    checked_at = serializers.DateTimeField(allow_null=True)
    reasons = GateReason(many=True)
    approval = serializers.DictField(allow_null=True)
    candidate = serializers.URLField(allow_null=True)
    operating_point = serializers.DictField(allow_null=True)
    recheck_by = serializers.DateTimeField(allow_null=True)
    checkpoint = Text(allow_null=True, help_text="The log's newest signed tree head (C2SP checkpoint).")
    as_of = serializers.DateTimeField(required=False, help_text="The earlier moment asked about; only where one was.")


class EnvelopeSignature(serializers.Serializer[Any]):
    keyid = Text()
    sig = Text(help_text="Base64 of the Ed25519 signature over the pre-authentication encoding.")


class Envelope(serializers.Serializer[Any]):
    """DSSE v1.0.2."""

    payloadType = Text()
    payload = Text(help_text="Base64 of the canonical JSON (RFC 8785).")
    signatures = EnvelopeSignature(many=True)


class SigningKey(serializers.Serializer[Any]):
    keyid = Text(help_text="SHA-256 of the SubjectPublicKeyInfo, hexadecimal.")
    keytype = Text()
    scheme = Text()
    public = Text(help_text="The 32 bytes of the Ed25519 key, hexadecimal.")
    valid_from = serializers.DateTimeField()
    valid_until = serializers.DateTimeField(allow_null=True)
    seq = serializers.IntegerField(help_text="The log's event that introduced it.")


class SigningKeys(serializers.Serializer[Any]):
    keys = SigningKey(many=True)
    log = Text(help_text="Verifier key of the audit log's checkpoints (C2SP signed note).")


class NewReproduction(Strict):
    kind = serializers.ChoiceField(
        choices=[kind.value for kind in (*Kind, *ChallengeKind)], required=False, help_text="Only this one; else all."
    )


class ReproducedLine(serializers.Serializer[Any]):
    kind = Text()
    state = serializers.ChoiceField(choices=("waiting", "done", "failed"))
    result = Text(required=False)
    digest = Text(required=False)
    digest_again = Text(required=False)
    differences = serializers.ListField(child=Text(), required=False)


class ReproductionAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    url = serializers.URLField()
    done = serializers.BooleanField()
    results = ReproducedLine(many=True)


class NewSingleDecision(Strict):
    row_id = Text(required=False, allow_blank=True, trim_whitespace=False, help_text="As it is written in the file.")
    position = serializers.IntegerField(
        required=False, min_value=0, max_value=999_999_999, help_text="0 for the first row; asked for where there is no id."
    )
    explanation = serializers.IntegerField(
        required=False, min_value=0, max_value=999, help_text="Which of the explanations whose values are stored; else the first."
    )


class SingleDecisionAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    url = serializers.URLField()
    state = serializers.ChoiceField(choices=("waiting", "done", "failed", "unreadable"))
    answer = serializers.DictField(allow_null=True, help_text="The row, its contributions and reasons; or why it is `unknown`.")


class NewDeployment(Strict):
    model = Text(max_length=80)
    digest = serializers.RegexField(r"^sha256:[0-9a-f]{64}\Z", error_messages={"invalid": "This is no digest."})
    environment = Text(max_length=60)
    deployed_at = serializers.DateTimeField(required=False)
    source = Text(required=False, allow_blank=True, max_length=2000)  # type: ignore[assignment]


class DeploymentAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    model = Text()
    digest = Text()
    environment = Text()
    deployed_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    allowed_when_deployed = serializers.BooleanField()
    allowed_on_arrival = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.DictField())
    candidate = serializers.URLField(allow_null=True)


class EventActor(serializers.Serializer[Any]):
    person = serializers.UUIDField(allow_null=True)
    service_account = serializers.UUIDField(allow_null=True)
    system = Text(allow_null=True)


class EventSubject(serializers.Serializer[Any]):
    type = Text()
    id = Text()


class EventAnswer(serializers.Serializer[Any]):
    schema = Text()
    seq = serializers.IntegerField()
    at = serializers.DateTimeField()
    action = Text()
    actor = EventActor()
    subject = EventSubject()
    model = Text(allow_null=True)
    candidate = serializers.UUIDField(allow_null=True)
    data = serializers.DictField()  # type: ignore[assignment]
    request_id = Text(allow_null=True)
    leaf = Text()


class InclusionProof(serializers.Serializer[Any]):
    event = serializers.IntegerField()
    size = serializers.IntegerField()
    leaf = Text()
    hashes = serializers.ListField(child=Text())
    checkpoint = Text()


class Receipt(serializers.Serializer[Any]):
    event = Text(help_text="The event as it was hashed.")
    seq = serializers.IntegerField()
    size = serializers.IntegerField()
    audit_path = serializers.ListField(child=Text(), help_text="Base64, from the leaf's sibling up.")
    checkpoint = Text()


ConsistencyProof = inline_serializer(
    "ConsistencyProof",
    {"from": serializers.IntegerField(), "to": serializers.IntegerField(), "hashes": serializers.ListField(child=Text())},
)
