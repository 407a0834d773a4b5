"""When sessions and invitations end."""

from __future__ import annotations

from anchor.people.lifetimes import (
    invitation_end,
    is_in_force,
    link_end,
    minute_of,
    session_end,
)

BEGUN = "2026-01-31T23:59:59.999Z"


def test_a_session_ends_after_twelve_hours_and_an_invitation_after_its_days() -> None:
    assert session_end(BEGUN) == "2026-02-01T11:59:59.999Z"
    assert invitation_end(BEGUN) == "2026-02-07T23:59:59.999Z"
    assert invitation_end(BEGUN, 90) == "2026-05-01T23:59:59.999Z"
    assert link_end(BEGUN) == "2026-02-14T23:59:59.999Z"
    assert link_end(BEGUN, 1) == "2026-02-01T23:59:59.999Z"
    assert minute_of(BEGUN) == "2026-01-31T23:59Z"


def test_what_ended_or_expired_is_not_in_force() -> None:
    end = session_end(BEGUN)
    assert is_in_force(end, None, BEGUN)
    assert is_in_force(end, None, "2026-02-01T11:59:59.998Z")
    assert not is_in_force(end, None, end)
    assert not is_in_force(end, BEGUN, BEGUN)
