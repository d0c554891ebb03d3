"""Independence as far as SQL can say it (rule 2): what the database asks again of whoever decides on a candidate.

The rule itself is `independence.py`; it knows more (the lineage of a model, authors by name). These conditions are the
part that a row can be held against when it is inserted, by whatever program. Each is written from FROM on.
"""

from __future__ import annotations

from collections.abc import Iterable

from governance.audit.triggers import Guard

NEWEST = (
    "NOT EXISTS (SELECT 1 FROM registry_modelrevision later "
    "WHERE later.model_id = revisions.model_id AND later.number > revisions.number)"
)
REVISION = (
    "FROM registry_modelrevision revisions JOIN registry_candidate candidates ON candidates.model_id = revisions.model_id"
)
TOOK_PART = (
    (
        "submitter", "submitted the candidate",
        "FROM registry_candidate candidates WHERE candidates.id = NEW.candidate_id AND candidates.submitted_by_id = {person}",
    ),
    (
        "uploader", "uploaded a file of the candidate",
        "FROM registry_candidatefile files WHERE files.candidate_id = NEW.candidate_id AND files.uploaded_by_id = {person}",
    ),
    (
        "service", "answers for or created the service account that submitted the candidate",
        "FROM registry_candidate candidates JOIN accounts_serviceaccount accounts "
        "ON accounts.id = candidates.service_account_id "
        "WHERE candidates.id = NEW.candidate_id AND {person} IN (accounts.responsible_id, accounts.created_by_id)",
    ),
    (
        "token", "created the token that submitted the candidate",
        "FROM registry_candidate candidates JOIN accounts_token tokens ON tokens.id = candidates.token_id "
        "WHERE candidates.id = NEW.candidate_id AND tokens.created_by_id = {person}",
    ),
    (
        "owner", "owns the model",
        f"{REVISION} WHERE candidates.id = NEW.candidate_id AND revisions.owner_id = {{person}} AND {NEWEST}",
    ),
    (
        "developer", "develops the model",
        f"{REVISION} JOIN registry_modeldeveloper developers ON developers.revision_id = revisions.id "
        f"WHERE candidates.id = NEW.candidate_id AND developers.person_id = {{person}} AND {NEWEST}",
    ),
)  # fmt: skip
HOLDS = (
    "FROM accounts_rolegrant grants JOIN accounts_person people ON people.id = grants.person_id "
    "WHERE grants.person_id = {person} AND people.is_active AND grants.role IN ({roles}) "
    "AND NOT EXISTS (SELECT 1 FROM accounts_roleend endings WHERE endings.grant_id = grants.id)"
)


def exists(rows: str) -> str:
    return f"EXISTS (SELECT 1 {rows})"


def independent(person: str) -> tuple[Guard, ...]:
    """For tables with a column `candidate_id`: who stands in the column `person` took no part in that candidate."""
    return tuple(
        Guard(
            f"{person}_no_{part}", f"takes nothing from somebody who {words}",
            exists(rows.format(person=f"NEW.{person}_id")),
        )
        for part, words, rows in TOOK_PART
    )  # fmt: skip


def holds_one_of(person: str, roles: Iterable[str]) -> Guard:
    """Whoever stands in that column is active and holds one of these roles now."""
    names = sorted(roles)
    rows = HOLDS.format(person=f"NEW.{person}_id", roles=", ".join(f"'{name}'" for name in names))
    message = f"takes nothing from somebody without one of the roles {', '.join(names)}"
    return Guard(f"{person}_role", message, f"NEW.{person}_id IS NOT NULL AND NOT {exists(rows)}")


NOT_WITHDRAWN = Guard(
    "withdrawn", "takes nothing for a candidate that was withdrawn",
    exists("FROM registry_withdrawal withdrawals WHERE withdrawals.candidate_id = NEW.candidate_id"),
)  # fmt: skip
