"""Words of the pages for roles, scopes, actors, events and states of cases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from anchor.base.messages.message import Message, join
from anchor.people.actors import Actor
from anchor.people.case_rules import CaseState, LinkState
from anchor.people.roles import Role
from anchor.store.persons import PersonRow
from anchor.store.tenant_events import TenantEvent

ROLE_LABELS: Final[Mapping[Role, Message]] = {
    "owner": Message("role-owner"),
    "member": Message("role-member"),
    "reader": Message("role-reader"),
    "auditor": Message("role-auditor"),
}
ROLE_MEANINGS: Final[Mapping[Role, Message]] = {
    "owner": Message("role-owner-meaning"),
    "member": Message("role-member-meaning"),
    "reader": Message("role-reader-meaning"),
    "auditor": Message("role-auditor-meaning"),
}
SCOPE_LABELS: Final[Mapping[str, Message]] = {
    "submit": Message("scope-submit"),
    "read": Message("scope-read"),
    "audit": Message("scope-audit"),
    "manage": Message("scope-manage"),
}
LINK_STATE_LABELS: Final[Mapping[LinkState, Message]] = {
    "in-force": Message("case-link-in-force"),
    "expired": Message("case-link-expired"),
    "revoked": Message("case-link-revoked"),
}
CASE_STATE_LABELS: Final[Mapping[CaseState, Message]] = {
    "open": Message("case-open"),
    "closed": Message("case-closed"),
}
_ACTIONS: Final[Mapping[str, Message]] = {
    "tenant-created": Message("event-tenant-created"),
    "tenant-suspended": Message("event-tenant-suspended"),
    "tenant-resumed": Message("event-tenant-resumed"),
    "quota-changed": Message("event-quota-changed"),
    "invitation-made": Message("event-invitation-made"),
    "invitation-withdrawn": Message("event-invitation-withdrawn"),
    "member-joined": Message("event-member-joined"),
    "member-left": Message("event-member-left"),
    "member-removed": Message("event-member-removed"),
    "role-changed": Message("event-role-changed"),
    "key-created": Message("event-key-created"),
    "key-revoked": Message("event-key-revoked"),
    "evidence-erased": Message("event-evidence-erased"),
    "retention-set": Message("event-retention-set"),
    "retention-removed": Message("event-retention-removed"),
    "retention-due": Message("event-retention-due"),
    "retention-erased": Message("event-retention-erased"),
    "certificate-ordered": Message("event-certificate-ordered"),
    "certificate-revoked": Message("event-certificate-revoked"),
    "case-created": Message("event-case-created"),
    "case-changed": Message("event-case-changed"),
    "case-closed": Message("event-case-closed"),
    "case-reopened": Message("event-case-reopened"),
    "case-hold-placed": Message("event-case-hold-placed"),
    "case-hold-lifted": Message("event-case-hold-lifted"),
    "case-member-added": Message("event-case-member-added"),
    "case-member-removed": Message("event-case-member-removed"),
    "case-note-added": Message("event-case-note-added"),
    "case-link-made": Message("event-case-link-made"),
    "case-link-revoked": Message("event-case-link-revoked"),
    "case-link-opened": Message("event-case-link-opened"),
    "exhibit-added": Message("event-exhibit-added"),
    "exhibit-changed": Message("event-exhibit-changed"),
    "exhibit-removed": Message("event-exhibit-removed"),
    "webhook-created": Message("event-webhook-created"),
    "webhook-changed": Message("event-webhook-changed"),
    "webhook-secret-rotated": Message("event-webhook-secret-rotated"),
    "webhook-disabled": Message("event-webhook-disabled"),
    "webhook-removed": Message("event-webhook-removed"),
    "capture-ordered": Message("event-capture-ordered"),
    "capture-recorded": Message("event-capture-recorded"),
    "capture-refused": Message("event-capture-refused"),
    "copy-kept": Message("event-copy-kept"),
    "copy-refused": Message("event-copy-refused"),
    "copy-read": Message("event-copy-read"),
    "copy-deleted": Message("event-copy-deleted"),
    "passkey-added": Message("event-passkey-added"),
    "passkey-renamed": Message("event-passkey-renamed"),
    "passkey-removed": Message("event-passkey-removed"),
    "passkey-used": Message("event-passkey-used"),
    "passkey-refused": Message("event-passkey-refused"),
}


def describe_event(event: TenantEvent, persons: Mapping[str, PersonRow]) -> dict[str, object]:
    """Return an event as a row of the page; ``persons`` are those it names, by id."""
    details = json.loads(event.details)
    subject = event.subject or ""
    return {
        "at": event.at,
        "actor": describe_actor(event.actor, persons),
        "action": describe_action(event.action),
        "subject": persons[subject].name if subject in persons else subject,
        "details": join(f"{name}: {value}" for name, value in sorted(details.items())),
    }


def describe_action(action: str) -> str:
    """Return what was done."""
    return _ACTIONS.get(action, action)


def describe_actor(text: str, persons: Mapping[str, PersonRow]) -> str:
    """Return who did something: a person by name, a key by its id."""
    actor = Actor.decode(text)
    if actor.kind == "person":
        return persons[actor.id].name if actor.id in persons else actor.id
    if actor.kind == "key":
        return Message("actor-key", id=actor.id)
    if actor.kind == "link":
        return Message("actor-link", id=actor.id)
    if actor.kind == "operator":
        return Message("actor-operator", name=actor.id)
    return Message("actor-service")


def list_named(events: list[TenantEvent]) -> set[str]:
    """Return the ids of all that the events name, persons among them."""
    actors = {Actor.decode(event.actor).id for event in events}
    return actors | {event.subject for event in events if event.subject is not None}
