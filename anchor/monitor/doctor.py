"""``anchor doctor``: checks whether this project is set up so that it can anchor.

A check is a function that returns what it found, or raises the error with which the command in
question would end: an unanswered question (``CannotCheckError``) gives "cannot tell", any other
error "fail".  A check whose prerequisites did not pass is skipped.  The checks are in
``anchor.monitor.doctor_checks``.

The exit code is that of the severest finding, ordered by what it prevents: 32 (going on could do
harm), 2 (no command works), 33, 22, 12 (verifiers would refuse), 31, 30, 20, 21.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anchor.base.errors import AnchorError, CannotCheckError, ExitCode, NotFinalError, severest
from anchor.base.messages.message import Message, join
from anchor.base.types import Address
from anchor.chain.node import Node
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.verification.report import Verdict

_UNANSWERED = (CannotCheckError, NotFinalError)
_SEVERITY = (
    ExitCode.DONE,
    ExitCode.NOT_FINAL,
    ExitCode.CANNOT_CHECK,
    ExitCode.FUNDS,
    ExitCode.SIGNER,
    ExitCode.NOT_TRUSTED,
    ExitCode.UNKNOWN_VERSION,
    ExitCode.STORAGE,
    ExitCode.USAGE,
    ExitCode.CHAIN_GUARD,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check; ``exit_code`` is not ``DONE`` if it did not pass."""

    check: Message
    verdict: Verdict
    text: Message
    hint: Message | None = None
    exit_code: ExitCode = ExitCode.DONE


@dataclass(frozen=True, slots=True)
class Remark:
    """The text of a check that is no failure, and a suggestion to the operator, if any."""

    text: Message
    hint: Message | None
    verdict: Verdict = Verdict.PASS


@dataclass(slots=True, kw_only=True)
class DoctorContext:
    """The objects under examination; earlier checks fill in what later ones need."""

    config_path: Path
    open_node: Callable[[str], Node]
    wall_time: float
    # Set by the checks ``configuration``, ``store`` and ``node``; unset before.
    config: Config = field(init=False)
    project: OpenProject = field(init=False)
    node: Node = field(init=False)
    key: Address | None = None
    is_deployed: bool = False
    passed: set[str] = field(default_factory=set)

    def close(self) -> None:
        """Close the store, if it was opened."""
        if "store" in self.passed:
            self.project.database.close()


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, the checks that must have passed before, and its function."""

    name: Message
    needs: tuple[Message, ...]
    look: Callable[[DoctorContext], Message | Remark]


def diagnose(context: DoctorContext, checks: Sequence[Check]) -> list[Finding]:
    """Run every check whose prerequisites passed, in order."""
    try:
        return [_examine(context, check) for check in checks]
    finally:
        context.close()


def exit_code_of(findings: Sequence[Finding]) -> ExitCode:
    """Return the exit code of the whole diagnosis."""
    return severest([finding.exit_code for finding in findings], _SEVERITY)


def _examine(context: DoctorContext, check: Check) -> Finding:
    missing = [need for need in check.needs if need not in context.passed]
    if missing:
        return Finding(
            check=check.name,
            verdict=Verdict.CANNOT_TELL,
            text=Message("doctor-check-skipped", checks=join(missing)),
        )  # the check that did not pass has its own exit code
    try:
        answer = check.look(context)
    except AnchorError as error:
        return Finding(
            check=check.name,
            verdict=Verdict.CANNOT_TELL if isinstance(error, _UNANSWERED) else Verdict.FAIL,
            text=error.message,
            hint=error.hint,
            exit_code=error.exit_code,
        )
    context.passed.add(check.name)
    remark = answer if isinstance(answer, Remark) else Remark(answer, None)
    return Finding(check=check.name, verdict=remark.verdict, text=remark.text, hint=remark.hint)
