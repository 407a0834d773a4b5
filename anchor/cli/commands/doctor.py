"""``anchor doctor``: check the set-up, and recommend actions."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from anchor.base.errors import ConfigError
from anchor.base.messages.message import Message
from anchor.chain.verifier_nodes import open_node
from anchor.cli.confirmation import choose_config
from anchor.cli.console import Output, pad
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.report_text import COLOURS
from anchor.monitor.doctor import DoctorContext, diagnose, exit_code_of
from anchor.monitor.doctor_checks import CHECKS
from anchor.project.allowlist import discover_config, find_allowed
from anchor.verification.report import verdict_message


def command(config_path: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check configuration, store, key, nodes and registry; change nothing."""
    output = Output(as_json=as_json)
    findings = diagnose(
        DoctorContext(
            config_path=_find_config(config_path),
            open_node=open_node,
            wall_time=time.time(),
        ),
        CHECKS,
    )
    code = exit_code_of(findings)
    for finding in findings:
        mark = pad(output.say(verdict_message(finding.verdict)), 13)
        colour = COLOURS[finding.verdict.value]
        output.row(finding.check, finding.text, widths=(13,), mark=mark, colour=colour)
        if finding.hint:
            output.line(finding.hint, mark=" " * 28)
    output.text()
    output.line(
        Message("doctor-all-well") if code == 0 else Message("doctor-action-needed", code=int(code))
    )
    output.result(
        {
            "findings": [
                {
                    "check": finding.check,
                    "verdict": finding.verdict.value,
                    "text": finding.text,
                    "hint": finding.hint,
                    "exit_code": int(finding.exit_code),
                }
                for finding in findings
            ],
            "exit_code": int(code),
        }
    )
    if code:
        raise typer.Exit(code)


def _find_config(option: Path | None) -> Path:
    """Return the project's configuration file, even if it is unreadable, which is a finding."""
    try:
        return choose_config(option)
    except ConfigError:
        config = discover_config()
        if config is None or find_allowed(config) is None:
            raise
        return config
