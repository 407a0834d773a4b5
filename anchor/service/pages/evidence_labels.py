"""Words and tones of the stages of evidence, for the pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from anchor.base.messages.message import Message
from anchor.base.types import Stage
from anchor.service.pages.site_chain import SiteChain

_STAGE_LABELS: Final[Mapping[str, Message]] = {
    Stage.ACCEPTED.value: Message("evidence-stage-accepted"),
    Stage.SEALED.value: Message("evidence-stage-sealed"),
    Stage.SUBMITTED.value: Message("evidence-stage-submitted"),
    Stage.INCLUDED.value: Message("head-state-included"),
    Stage.ANCHORED.value: Message("anchor-state-final"),
}
_STAGE_TONES: Final[Mapping[str, str]] = {
    Stage.ACCEPTED.value: "open",
    Stage.SEALED.value: "open",
    Stage.SUBMITTED.value: "open",
    Stage.INCLUDED.value: "half",
    Stage.ANCHORED.value: "done",
}
BEATER_LABELS: Final[Mapping[str, Message]] = {
    "hold": Message("retention-beaten-by-hold"),
    "record-hold": Message("retention-beaten-by-record-hold"),
    "case": Message("retention-beaten-by-case"),
    "audit-trail": Message("retention-beaten-by-audit-trail"),
    "shared": Message("retention-beaten-by-shared"),
    "refused": Message("retention-beaten-by-refusal"),
}
BEHALF_LABELS: Final[Mapping[str, Message]] = {
    "owner": Message("erased-by-owner"),
    "operator": Message("erased-by-operator"),
    "retention": Message("erased-by-retention"),
}
ROBOTS_LABELS: Final[Mapping[str, Message]] = {
    "allowed": Message("capture-robots-allowed"),
    "disallowed": Message("capture-robots-disallowed"),
    "none": Message("capture-robots-none"),
    "unread": Message("capture-robots-unread"),
}


def label_stages(site: SiteChain) -> Mapping[str, Message]:
    """Return the words for the stages on a chain."""
    if site.finality is None:
        return _STAGE_LABELS
    return {**_STAGE_LABELS, Stage.ANCHORED.value: Message("anchor-state-final-by-depth")}


def choose_tones(site: SiteChain) -> Mapping[str, str]:
    """Return the tones of the stages: none is done where the chain proves no time."""
    if site.proves_time:
        return _STAGE_TONES
    return {**_STAGE_TONES, Stage.ANCHORED.value: "half"}
