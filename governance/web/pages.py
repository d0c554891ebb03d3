"""What each template is given: plain, frozen, already decided. Templates only lay it out.

Every text is plain and gets escaped by the template; `Markup` comes from `reports.charts` and is escaped there.
A form is an object that is there when this person may use it now, else `None` with a `Shut` beside it that says why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from governance.web.tables import Listing
from reports.charts import words
from reports.charts.figure import Figure, Table
from reports.charts.svg import Markup
from reports.charts.verdicts import Verdict

# ---------- common parts ----------


@dataclass(frozen=True)
class Link:
    name: str
    href: str
    note: str = ""


@dataclass(frozen=True)
class Crumb:
    name: str
    href: str = ""


@dataclass(frozen=True)
class Fact:
    label: str
    value: str = ""
    sub: str = ""
    href: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Count:
    verdict: Verdict
    count: int


@dataclass(frozen=True)
class Tally:
    """Counts of verdicts, trouble first, zeros left out; or, where nothing was counted, a note with its icon."""

    counts: tuple[Count, ...] = ()
    verdict: Verdict = Verdict.PENDING
    note: str = ""

    @classmethod
    def of(cls, verdicts: list[Verdict]) -> Tally:
        """Raises nothing; an empty list gives an empty tally, which is not shown."""
        return cls(tuple(Count(one, verdicts.count(one)) for one in Verdict if one in verdicts))

    def number(self, verdict: Verdict) -> int:
        return next((entry.count for entry in self.counts if entry.verdict == verdict), 0)


@dataclass(frozen=True)
class StateLabel:
    """Where a thing stands. `kind` is one of yes, no, wait, here or empty, and colours the outline."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Fault:
    """What is wrong, then what to do. With `field`, it is linked to the control `f-<field>`."""

    what: str
    mend: str = ""
    code: str = ""
    field: str = ""


@dataclass(frozen=True)
class Faults:
    """A summary of errors: what happened, what was kept, each fault in the order of the fields."""

    title: str
    kept: str = ""
    errors: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Shut:
    """A closed door: why, and who can open it."""

    why: str
    who: str = ""
    href: str = ""


@dataclass(frozen=True)
class Option:
    value: str
    name: str


@dataclass(frozen=True)
class Field:
    """One control of a form. `kind`: text, date, password, area, choice, file."""

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    help: str = ""
    options: tuple[Option, ...] = ()
    rows: int = 4
    mono: bool = False
    required: bool = False
    inputmode: str = ""
    autocomplete: str = "off"
    error: Fault | None = None

    @property
    def described_by(self) -> str:
        return " ".join(
            name for name, there in ((f"h-{self.name}", self.help), (f"e-{self.name}", self.error)) if there
        )


@dataclass(frozen=True)
class NavigationEntry:
    name: str
    href: str
    current: bool = False
    count: int = 0


@dataclass(frozen=True)
class Navigation:
    person: str = ""
    roles: str = ""
    entries: tuple[NavigationEntry, ...] = ()


# ---------- decision page ----------


@dataclass(frozen=True)
class Sentence:
    verdict: Verdict
    text: str


@dataclass(frozen=True)
class ScoreRow:
    """One check: value, interval, n, limit and verdict in one row."""

    verdict: Verdict
    title: str
    sub: str
    value: str
    interval: str
    bar: Markup | None
    limit: str
    finding: Link | None = None


@dataclass(frozen=True)
class Scorecard:
    policy: str
    tally: Tally
    brief: tuple[Sentence, ...]
    trouble: tuple[ScoreRow, ...]
    within: tuple[ScoreRow, ...]
    aside: tuple[ScoreRow, ...] = ()
    pending: str = ""

    @property
    def aside_summary(self) -> str:
        noun = words.plural(len(self.aside), "check does", "checks do")
        return f"{noun} not apply here, for a cause that the policy accepts"

    @property
    def within_summary(self) -> str:
        return words.plural(len(self.within), "check within limits", "checks within limits")


@dataclass(frozen=True)
class Fold:
    """Matter of a section that is read on demand."""

    summary: str
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangeRow:
    """One figure of the champion and of the candidate, with the paired difference."""

    name: str
    champion: str
    candidate: str
    difference: str
    interval: str
    bar: Markup | None
    verdict: Verdict


@dataclass(frozen=True)
class Changes:
    title: str
    meta: str
    sentence: str
    champion: str
    candidate: str
    rows: tuple[ChangeRow, ...]
    further: tuple[ChangeRow, ...] = ()
    quiet: tuple[ChangeRow, ...] = ()
    decisions: str = ""
    figures: tuple[Figure, ...] = ()
    folds: tuple[Fold, ...] = ()
    limitations: tuple[str, ...] = ()
    warning: str = ""

    @property
    def further_summary(self) -> str:
        return words.plural(len(self.further), "further figure that differs", "further figures that differ")

    @property
    def quiet_summary(self) -> str:
        return words.plural(len(self.quiet), "figure without a clear difference", "figures without a clear difference")


@dataclass(frozen=True)
class InterpretationText:
    by: str
    role: str
    at: datetime
    text: str
    current: bool = True


@dataclass(frozen=True)
class InterpretationForm:
    action: str
    kind: str
    evidence_digest: str
    text: str = ""
    replaces: bool = False
    must_name: tuple[str, ...] = ()
    faults: Faults | None = None


@dataclass(frozen=True)
class Interpretations:
    """What second-line people say a document shows; at least one is needed before the first signature."""

    kind: str
    written: tuple[InterpretationText, ...]
    form: InterpretationForm | None
    shut: Shut | None = None


@dataclass(frozen=True)
class FindingForm:
    """A finding by a second-line reader. `kind` says to which evidence it points."""

    action: str
    kind: str
    points_to: str
    title: str = ""
    detail: str = ""
    severity: str = "medium"
    blocking: str = "no"
    faults: Faults | None = None

    @property
    def severities(self) -> tuple[Option, ...]:
        return tuple(Option(one, one.capitalize()) for one in ("low", "medium", "high", "critical"))


@dataclass(frozen=True)
class EvidencePart:
    """A section of the page about one document: heading, counts, one sentence, matter, limits."""

    id: str
    title: str
    tally: Tally = field(default_factory=Tally)
    meta: str = ""
    sentence: str = ""
    opened: tuple[Table, ...] = ()
    opened_css: str = "t--tight"
    figures: tuple[Figure, ...] = ()
    folds: tuple[Fold, ...] = ()
    limitations: tuple[str, ...] = ()
    recomputed: str = ""
    acts: tuple[ActForm, ...] = ()
    downloads: tuple[Link, ...] = ()
    digest: str = ""
    pending: str = ""
    failed: Fault | None = None
    interpretations: Interpretations | None = None
    finding_form: FindingForm | None = None


@dataclass(frozen=True)
class ChallengeSet:
    """One set of challenge data: who brought it and why, and what became of its evidence."""

    number: int
    by: str
    at: datetime
    note: str
    file: str
    digest: str
    state: StateLabel
    failed: Fault | None = None


@dataclass(frozen=True)
class ChallengeForm:
    """A file and why this one; works without script."""

    action: str
    file: Field
    note: Field
    faults: Faults | None = None


@dataclass(frozen=True)
class ChallengePart:
    """The figures on a validator's own data beside the submitter's, every set that was uploaded, and the form for more."""

    sentence: str
    meta: str = ""
    tables: tuple[Table, ...] = ()
    limitations: tuple[str, ...] = ()
    downloads: tuple[Link, ...] = ()
    sets: tuple[ChallengeSet, ...] = ()
    form: ChallengeForm | None = None
    shut: Shut | None = None
    finding_form: FindingForm | None = None


@dataclass(frozen=True)
class FindingStep:
    by: str
    at: datetime
    what: str
    text: str


@dataclass(frozen=True)
class FindingRow:
    label: str
    title: str
    body: str
    severity: str
    state: StateLabel
    side: str
    blocking: bool
    steps: tuple[FindingStep, ...] = ()
    forms: tuple[ActForm, ...] = ()

    @property
    def anchor(self) -> str:
        return self.label.lower()


@dataclass(frozen=True)
class SeatLine:
    """`href`: where the signature can be had as a file that is verified offline."""

    who: str
    what: str
    warning: str = ""
    href: str = ""


@dataclass(frozen=True)
class StageLine:
    """`place`: done, now, later, or stopped."""

    name: str
    place: str
    count: str
    seats: tuple[SeatLine, ...] = ()

    @property
    def icon(self) -> str:
        return {"done": "in", "now": "here", "stopped": "out"}.get(self.place, "later")

    @property
    def icon_css(self) -> str:
        return {"done": "v--in", "stopped": "v--out"}.get(self.place, "")


@dataclass(frozen=True)
class OutcomeChoice:
    value: str
    label: str
    why: str = ""
    shut: bool = False
    checked: bool = False


@dataclass(frozen=True)
class Bound:
    """One line of what a statement binds. `rest` says how many more of its kind there are."""

    name: str
    digest: str


@dataclass(frozen=True)
class StatementText:
    text: str
    bound: tuple[Bound, ...]
    digest: str
    body: str = ""

    @property
    def size(self) -> str:
        return f"{len(self.body.encode()):,}"


@dataclass(frozen=True)
class SignForm:
    """Everything that is posted with a signature; there only for a person who may sign this stage now."""

    action: str
    challenge: str
    stage: str
    nonce: str
    statement: StatementText
    outcomes: tuple[OutcomeChoice, ...]
    may_sign_because: str
    for_people: tuple[Option, ...] = ()
    for_person: str = ""
    reason: str = ""
    condition_text: str = ""
    condition_until: str = ""
    condition_environment: str = ""
    environments: tuple[Option, ...] = ()
    faults: Faults | None = None


@dataclass(frozen=True)
class ActForm:
    """Suspend, reinstate, revoke, close a finding: a reason, a password where the act asks for one, a button."""

    action: str
    verb: str
    summary: str
    effect: str
    button: str
    asks_password: bool = True
    name: str = "reason"
    label: str = "Reason"
    text: str = ""
    one_line: bool = False
    hidden: tuple[tuple[str, str], ...] = ()
    fields: tuple[Field, ...] = ()
    asks_reason: bool = True
    faults: Faults | None = None


@dataclass(frozen=True)
class ClockPart:
    """When the open stage is due, or since when its clock stands."""

    sentence: str
    form: ActForm | None


@dataclass(frozen=True)
class EnvironmentLine:
    """What the gate says of one environment."""

    name: str
    verdict: Verdict
    word: str
    detail: str
    href: str = ""


@dataclass(frozen=True)
class Desk:
    """The side panel: stages, the decision, what will be signed, what follows."""

    title: str
    due: str
    stages: tuple[StageLine, ...]
    sign: SignForm | None
    shut: Shut | None = None
    gate: tuple[EnvironmentLine, ...] = ()
    reasons: tuple[ReasonRow, ...] = ()
    acts: tuple[ActForm, ...] = ()
    next: tuple[str, ...] = ()

    @property
    def reasons_summary(self) -> str:
        return words.plural(len(self.reasons), "reason, and who can mend it", "reasons, and who can mend each")


@dataclass(frozen=True)
class JobLine:
    title: str
    state: str
    percent: int
    note: str
    error: Fault | None = None

    @property
    def verdict(self) -> Verdict:
        return {"succeeded": Verdict.WITHIN, "failed": Verdict.ERROR}.get(self.state, Verdict.PENDING)

    @property
    def word(self) -> str:
        return {"succeeded": "Done", "failed": "Failed", "running": "Running", "queued": "Queued"}[self.state]


@dataclass(frozen=True)
class Work:
    """Evidence that is being computed; the page asks again by itself where script runs."""

    href: str
    sentence: str
    jobs: tuple[JobLine, ...]

    @property
    def ended(self) -> bool:
        return all(job.state in ("succeeded", "failed") for job in self.jobs)


@dataclass(frozen=True)
class StripEntry:
    href: str
    name: str
    outside: int = 0
    note: str = ""


@dataclass(frozen=True)
class PersonLine:
    """Somebody who took part, with everything that makes it so."""

    name: str
    reasons: tuple[Fact, ...]
    you: bool = False


@dataclass(frozen=True)
class ApprovalPart:
    """A standing approval: where and how long, under which conditions, and what was done to it since."""

    sentence: str
    facts: tuple[Fact, ...]
    conditions: tuple[str, ...]
    acts: tuple[FindingStep, ...]


@dataclass(frozen=True)
class FieldForm:
    """A form of several fields within a page; `key` keeps the ids of its password apart from those of other forms."""

    action: str
    key: str
    rows: tuple[FieldRow, ...]
    button: str
    effect: str
    hidden: tuple[tuple[str, str], ...] = ()
    asks_password: bool = True
    has_file: bool = False
    faults: Faults | None = None


@dataclass(frozen=True)
class RequestRow:
    """A request for changes, and its answer once there is one."""

    by: str
    stage: str
    at: datetime
    text: str
    answer: FindingStep | None = None


@dataclass(frozen=True)
class RequestsPart:
    """What reviewers asked for and how it was answered; `summary` is the newest text of what changed and why."""

    sentence: str
    rows: tuple[RequestRow, ...]
    summary: str
    summary_title: str
    form: FieldForm | None = None
    shut: Shut | None = None


@dataclass(frozen=True)
class LetterRow:
    """An authority's letter as it was recorded. `steps` tell who vouched for it and when."""

    title: str
    state: StateLabel
    text: str
    side: str
    file: Link
    digest: str
    conditions: tuple[str, ...] = ()
    steps: tuple[FindingStep, ...] = ()
    form: FieldForm | None = None
    shut: Shut | None = None


@dataclass(frozen=True)
class LettersPart:
    """Letters of authorities, and the form to record one while a regulator's seat of the open stage is free."""

    sentence: str
    rows: tuple[LetterRow, ...]
    form: FieldForm | None = None
    shut: Shut | None = None


@dataclass(frozen=True)
class EmergencyPart:
    """An emergency approval or the proposal of one; `banner` where something runs under it, `first` where it matters now."""

    sentence: str
    banner: str = ""
    facts: tuple[Fact, ...] = ()
    passed_over: tuple[ReasonRow, ...] = ()
    steps: tuple[FindingStep, ...] = ()
    forms: tuple[ActForm, ...] = ()
    first: bool = False


@dataclass(frozen=True)
class DecisionPage:
    id: str
    model: Link
    version: int
    state: StateLabel
    question: str
    crumbs: tuple[Crumb, ...]
    facts: tuple[Fact, ...]
    desk: Desk
    scorecard: Scorecard
    changes: Changes | None
    parts: tuple[EvidencePart, ...]
    findings: tuple[FindingRow, ...]
    findings_sentence: str
    documents: tuple[Link, ...] = ()
    notices: tuple[Sentence, ...] = ()
    work: Work | None = None
    intake_faults: Faults | None = None
    approval: ApprovalPart | None = None
    clock: ClockPart | None = None
    emergency: EmergencyPart | None = None
    people: tuple[PersonLine, ...] = ()
    submission: tuple[Fact, ...] = ()
    summary: str = ""
    faults: Faults | None = None
    challenge: ChallengePart | None = None
    requests: RequestsPart | None = None
    letters: LettersPart | None = None
    as_of: datetime | None = None
    """The earlier moment that the page shows; None on the page of now."""
    single_decisions: str = ""
    """Where this viewer looks up single rows; empty for who may not."""
    as_of_field: Field = Field("as_of", "As of", help="A day such as 2026-05-03, to its end (UTC), or a time")

    @property
    def strip(self) -> tuple[StripEntry, ...]:
        """Where trouble is: a count only where something is outside."""
        outside = Verdict.OUTSIDE
        changes = self.changes
        entries = [StripEntry("#requests", "Requests for changes")] if self.requests else []
        entries += [] if self.intake_faults else [StripEntry("#scorecard", "Scorecard")]
        if changes:
            worse = sum(row.verdict == Verdict.WORSE for row in (*changes.rows, *changes.further))
            entries.append(StripEntry("#changes", "Changes", worse))
        entries += [StripEntry(f"#{part.id}", part.title, part.tally.number(outside)) for part in self.parts]
        entries += [StripEntry("#challenge", "Challenge data")] if self.challenge else []
        entries.append(StripEntry("#findings", "Findings", note=str(len(self.findings) or "")))
        if self.letters:
            entries.append(StripEntry("#letters", "Letters", note=str(len(self.letters.rows) or "")))
        entries.append(StripEntry("#submission", "Submission and people"))
        return tuple(entries)


# ---------- inbox ----------


@dataclass(frozen=True)
class Tab:
    name: str
    href: str
    count: int
    current: bool = False


@dataclass(frozen=True)
class Task:
    """One row: what to do, what changed since the last approval, checks, due."""

    model: str
    version: str
    href: str
    what: str
    changed: str
    tally: Tally
    due: str
    due_sub: str
    shut: str = ""
    late: bool = False


@dataclass(frozen=True)
class TaskGroup:
    id: str
    title: str
    tasks: tuple[Task, ...]
    late: bool = False


@dataclass(frozen=True)
class InboxPage:
    sentence: str
    tabs: tuple[Tab, ...]
    groups: tuple[TaskGroup, ...]
    empty: str
    empty_next: str
    first: str = "What to do"
    last: str = "Due"


# ---------- models ----------


@dataclass(frozen=True)
class ModelRow:
    name: str
    href: str
    purpose: str
    tier: str
    tier_note: str
    owner: str
    team: str
    newest: str
    newest_href: str
    state: StateLabel
    live: str


@dataclass(frozen=True)
class ModelsPage:
    rows: tuple[ModelRow, ...]
    new: str = ""
    new_shut: Shut | None = None


@dataclass(frozen=True)
class EnvironmentRow:
    """What runs now in one environment, or the way back."""

    name: str
    verdict: Verdict
    word: str
    version: Link | None
    digest: str
    detail: str
    gate: Link | None = None


@dataclass(frozen=True)
class VersionRow:
    version: Link
    icon: str
    css: str
    state: StateLabel
    when: str
    figures: tuple[tuple[str, str], ...]
    digest: str
    text: str


@dataclass(frozen=True)
class EventLine:
    at: datetime
    text: str
    href: str = ""


@dataclass(frozen=True)
class TierForm:
    action: str
    options: tuple[Option, ...]
    proposed: str
    faults: Faults | None = None


@dataclass(frozen=True)
class RoomPart:
    """Who from outside may read the model now, and the form to let somebody in."""

    readers: tuple[str, ...]
    form: FieldForm | None


@dataclass(frozen=True)
class ModelPage:
    name: str
    purpose: str
    crumbs: tuple[Crumb, ...]
    facts: tuple[Fact, ...]
    asked_at: datetime
    environments: tuple[EnvironmentRow, ...]
    versions: tuple[VersionRow, ...]
    tier_sentence: str
    tier_form: TierForm | None
    findings: tuple[Link, ...]
    documents: tuple[Link, ...]
    activity: tuple[EventLine, ...]
    submit: str = ""
    submit_shut: Shut | None = None
    retired: str = ""
    retire_form: ActForm | None = None
    retire_faults: Faults | None = None
    missing: tuple[str, ...] = ()
    inventory: str = ""
    deployments: tuple[EventLine, ...] = ()
    ledger: str = ""
    room: RoomPart | None = None


# ---------- submitting ----------


@dataclass(frozen=True)
class FilePart:
    field: Field
    part: str
    note: str = ""


@dataclass(frozen=True)
class FieldRow:
    """Fields beside one another: one, two or three."""

    fields: tuple[Field, ...]

    @property
    def css(self) -> str:
        return {2: "row2", 3: "row3"}.get(len(self.fields), "")


@dataclass(frozen=True)
class FieldSection:
    id: str
    title: str
    rows: tuple[FieldRow, ...]
    help: str = ""
    folded: bool = False


@dataclass(frozen=True)
class SubmitPage:
    model: Link
    slug: str
    crumbs: tuple[Crumb, ...]
    lead: str
    action: str
    files: tuple[FilePart, ...]
    sections: tuple[FieldSection, ...]
    next: tuple[str, ...]
    server: str
    faults: Faults | None = None


@dataclass(frozen=True)
class NewModelPage:
    action: str
    crumbs: tuple[Crumb, ...]
    rows: tuple[FieldRow, ...]
    faults: Faults | None = None


# ---------- people ----------


@dataclass(frozen=True)
class HeldRole:
    name: str
    since: datetime
    given: str


@dataclass(frozen=True)
class PersonRow:
    name: str
    username: str
    history: str
    active: bool
    roles: tuple[HeldRole, ...]


@dataclass(frozen=True)
class Second:
    """A form that asks for the password alone."""

    action: str
    button: str


@dataclass(frozen=True)
class AuthenticatorRow:
    """An authenticator app or a passkey; `public_key` is the digest of a passkey's."""

    key: str
    name: str
    kind: str
    since: datetime
    public_key: str
    remove: str


@dataclass(frozen=True)
class TotpForm:
    """A new secret: to be read, as a picture, and sealed for the way to the browser and back."""

    action: str
    secret: str
    sealed: str
    picture: str


@dataclass(frozen=True)
class PasskeyForm:
    """`options`: what the browser is asked to make, as JSON."""

    action: str
    options: str
    name: str


@dataclass(frozen=True)
class AccountForm:
    """To link the account at the identity provider that is called `name`."""

    action: str
    name: str


@dataclass(frozen=True)
class AnsweredForm:
    """What came back from the provider, to be confirmed with the person's credential."""

    action: str
    name: str
    hidden: tuple[tuple[str, str], ...]
    faults: Faults | None = None


@dataclass(frozen=True)
class AuthenticatorsPage:
    """`no_passkeys`: why none can be added here."""

    sentence: str
    rows: tuple[AuthenticatorRow, ...]
    totp: TotpForm | None
    passkey: PasskeyForm | None
    no_passkeys: str
    account: AccountForm | None
    faults: Faults | None = None


@dataclass(frozen=True)
class Waits:
    """A proposed role, or an enrolment: what a second person does about it, or why not this one."""

    key: str
    title: str
    text: str
    second: Second | None
    shut: str = ""
    decline: ActForm | None = None


@dataclass(frozen=True)
class ProposalForm:
    action: str
    people: tuple[Option, ...]
    roles: tuple[Option, ...]


@dataclass(frozen=True)
class DelegationRow:
    """Who stands in for whom. `end` is where either of the two ends it; empty for all others."""

    by: str
    to: str
    kind: str
    role: str
    when: str
    reason: str
    end: str = ""


@dataclass(frozen=True)
class DelegationForm:
    """A stand-in or deputy of one's own."""

    action: str
    fields: tuple[FieldRow, ...]
    faults: Faults | None = None


@dataclass(frozen=True)
class PeoplePage:
    waits: tuple[Waits, ...]
    delegations: tuple[DelegationRow, ...]
    delegation: DelegationForm | None
    people: tuple[PersonRow, ...]
    proposal: ProposalForm | None
    accounts: str
    faults: Faults | None = None


# ---------- gate ----------


@dataclass(frozen=True)
class ReasonRow:
    title: str
    code: str
    detail: str
    who: str
    href: str = ""


@dataclass(frozen=True)
class GateAnswer:
    """`answer`: yes, no or unsure (the gate could not decide, which every pipeline must read as no)."""

    answer: str
    title: str
    lead: str
    facts: tuple[Fact, ...]
    reasons: tuple[ReasonRow, ...]
    instead: tuple[EnvironmentRow, ...]
    terminal: str
    limits: str

    @property
    def icon(self) -> str:
        return {"yes": "in", "no": "out"}.get(self.answer, "err")


@dataclass(frozen=True)
class GatePage:
    crumbs: tuple[Crumb, ...]
    action: str
    fields: tuple[Field, ...]
    answer: GateAnswer | None


# ---------- audit ----------


@dataclass(frozen=True)
class AuditPage:
    """`hidden` are filters that have no control of their own; `all` leads to the log without any."""

    lead: str
    sound: Sentence
    facts: tuple[Fact, ...]
    tabs: tuple[Tab, ...]
    action: str
    fields: tuple[Field, ...]
    hidden: tuple[tuple[str, str], ...]
    about: str
    all: str
    events: Listing
    export: str
    checkpoint: str
    newer: str = ""
    older: str = ""


@dataclass(frozen=True)
class EventPage:
    crumbs: tuple[Crumb, ...]
    title: str
    facts: tuple[Fact, ...]
    details: tuple[Fact, ...]
    links: tuple[Link, ...]
    body: str
    leaf: str
    proof: Sentence
    size: int
    hashes: tuple[str, ...]
    checkpoint: str
    key: str


@dataclass(frozen=True)
class ReportsPage:
    tabs: tuple[Tab, ...]
    reports: tuple[Link, ...]


@dataclass(frozen=True)
class ReportPage:
    crumbs: tuple[Crumb, ...]
    title: str
    lead: str
    action: str
    fields: tuple[Field, ...]
    made: datetime
    parts: tuple[Listing, ...]


@dataclass(frozen=True)
class DeploymentsPage:
    action: str
    fields: tuple[Field, ...]
    moment: tuple[Field, ...]
    model: str
    all: str
    listing: Listing
    newer: str = ""
    older: str = ""


# ---------- policies ----------


@dataclass(frozen=True)
class PolicyRow:
    name: str
    href: str
    version: int
    tiers: str
    stages: str
    candidates: int
    origin: str
    digest: str


@dataclass(frozen=True)
class PoliciesPage:
    rows: tuple[PolicyRow, ...]


@dataclass(frozen=True)
class PolicyStage:
    name: str
    seats: tuple[str, ...]


@dataclass(frozen=True)
class PolicyTier:
    name: str
    stages: tuple[PolicyStage, ...]
    checks: Table
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class PolicyPage:
    name: str
    version: int
    crumbs: tuple[Crumb, ...]
    lead: str
    facts: tuple[Fact, ...]
    tiers: tuple[PolicyTier, ...]
    document: str
    digest: str
