"""Runs the commands of GitHub workflows, composite actions and GitLab pipelines with bash.

Nothing here is GitHub's or GitLab's: checking out, choosing a Python, and passing artifacts from
job to job are done by hand, and what cannot be read is an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

# Actions of others that are imitated and not run.
CHECKOUT, SETUP_PYTHON = "actions/checkout@v4", "actions/setup-python@v5"
UPLOAD, DOWNLOAD = "actions/upload-artifact@v4", "actions/download-artifact@v4"
IMITATED = {CHECKOUT, SETUP_PYTHON, UPLOAD, DOWNLOAD}
# How workflows name the action of this repository.
OUR_ACTION = "OWNER/anchor@COMMIT"

_EXPRESSION = re.compile(r"\$\{\{ ([a-z]+)\.([A-Za-z0-9_-]+) \}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a step ended, with what it printed."""

    job: str
    step: str
    code: int
    text: str


@dataclass(kw_only=True)
class Pipeline:
    """A pipeline of a repository; each job has a folder, and begins with what it names.

    ``between`` is called with a job's name and folder before its own commands.
    """

    repository: Path
    work: Path
    environment: Mapping[str, str]
    between: Callable[[str, Path], None] = lambda _job, _folder: None
    ended: list[Ended] = field(default_factory=list)

    def run_github(self, workflow: Path, contexts: Mapping[str, Mapping[str, str]]) -> None:
        """Run the jobs in the order of their needs, until a step fails."""
        document = yaml.safe_load(workflow.read_text("utf-8"))
        top = {name: _fill(value, contexts) for name, value in document.get("env", {}).items()}
        done: set[str] = set()
        for job, members in document["jobs"].items():
            needed = members.get("needs", [])
            assert done.issuperset([needed] if isinstance(needed, str) else needed), job
            folder = self._make_folder(job)
            within = {**contexts, "env": top}
            for step in members["steps"]:
                if not self._run_step(job, folder, step, within, top):
                    return
            done.add(job)

    def _run_step(
        self,
        job: str,
        folder: Path,
        step: Mapping[str, Any],
        contexts: Mapping[str, Mapping[str, str]],
        variables: Mapping[str, str],
    ) -> bool:
        assert step.keys() <= {"name", "uses", "with", "run", "shell", "env"}, step
        given = {name: _fill(str(value), contexts) for name, value in step.get("with", {}).items()}
        match step.get("uses"):
            case None:
                own = {name: _fill(value, contexts) for name, value in step.get("env", {}).items()}
                return self._run(job, step["name"], folder, step["run"], {**variables, **own})
            case name if name == OUR_ACTION:
                action = yaml.safe_load((self.work / "action.yml").read_text("utf-8"))
                assert given.keys() <= action["inputs"].keys(), given
                inputs = {
                    name: given[name] if one.get("required") else given.get(name, one["default"])
                    for name, one in action["inputs"].items()
                    if not one.get("required") or name in given
                }
                missing = {n for n, one in action["inputs"].items() if one.get("required")}
                assert missing <= inputs.keys(), missing - inputs.keys()
                assert action["runs"]["using"] == "composite"
                return all(
                    self._run_step(job, folder, inner, {"inputs": inputs}, variables)
                    for inner in action["runs"]["steps"]
                )
            case name if name == CHECKOUT:
                shutil.copytree(self.repository, folder, dirs_exist_ok=True)
            case name if name == UPLOAD:
                shutil.copytree(folder / given["path"], self.work / "artifacts" / given["name"])
            case name if name == DOWNLOAD:
                shutil.copytree(self.work / "artifacts" / given["name"], folder / given["path"])
                self.between(job, folder)
            case name:
                assert name == SETUP_PYTHON, name
        return True

    def run_gitlab(self, pipeline: Path) -> None:
        """Run the jobs in the order of their stages, until a command fails."""
        document = yaml.safe_load(pipeline.read_text("utf-8"))
        stages, default = document.pop("stages"), document.pop("default")
        assert document.pop("image").startswith("python:")
        assert all(members["stage"] in stages for members in document.values())
        artifacts: list[tuple[Path, str]] = []
        for job, members in sorted(document.items(), key=lambda one: stages.index(one[1]["stage"])):
            assert members.keys() <= {"stage", "script", "after_script", "artifacts"}, members
            folder = self._make_folder(job)
            shutil.copytree(self.repository, folder, dirs_exist_ok=True)
            for source, name in artifacts:
                shutil.copytree(source / name, folder / name)
            if artifacts:
                self.between(job, folder)
            script = "\n".join([*default["before_script"], *members["script"]])
            variables = {"CI_PROJECT_DIR": str(folder)}
            passed = self._run(job, "script", folder, script, variables)
            after = "\n".join(members.get("after_script", ["true"]))
            if not self._run(job, "after_script", folder, after, variables) or not passed:
                return
            artifacts += [(folder, name) for name in members.get("artifacts", {}).get("paths", [])]

    def _make_folder(self, job: str) -> Path:
        folder = self.work / "jobs" / job
        folder.mkdir(parents=True)
        return folder

    def _run(
        self, job: str, step: str, folder: Path, script: str, variables: Mapping[str, str]
    ) -> bool:
        # A value in a script would be run as part of it.
        assert "${{" not in script, script
        scratch = self.work / "scratch" / job
        scratch.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=folder,
            env={
                **self.environment,
                "RUNNER_TEMP": str(scratch),
                "GITHUB_ACTION_PATH": str(self.work),
                **variables,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.ended.append(Ended(job=job, step=step, code=done.returncode, text=done.stdout))
        return done.returncode == 0


def _fill(text: str, contexts: Mapping[str, Mapping[str, str]]) -> str:
    filled = _EXPRESSION.sub(lambda match: contexts[match[1]][match[2]], text)
    assert "${{" not in filled, text
    return filled


def user_environment(bin_folder: Path, home: Path, **variables: str) -> dict[str, str]:
    """Return the environment of somebody whose only Python is that of ``bin_folder``."""
    return {
        "PATH": f"{bin_folder}:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
        # Everything but our wheel is installed already: a network would only hide a mistake.
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        **variables,
    }
