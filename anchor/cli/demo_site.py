"""What ``anchor serve --demo`` serves: a temporary chain, project, daemon and sample tenant."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anchor
from anchor.base.digests import digest_bytes
from anchor.base.system.clock import utc_now
from anchor.base.system.guarded_process import end_guarded, start_guarded
from anchor.chain.devnet import find_anvil, open_devnet
from anchor.cli.context import project_session
from anchor.people.actors import Actor
from anchor.people.roles import Role
from anchor.people.sample_person import SamplePerson
from anchor.people.stated_person import StatedPerson
from anchor.project.files import find_checkout
from anchor.project.project import OpenProject
from anchor.service.submission import Origin, read_submission
from anchor.store.api_keys import create_key
from anchor.store.evidence_insertion import insert_evidence
from anchor.store.location import StoreLocation
from anchor.store.memberships import add_member, ensure_tenant
from anchor.store.persons import recognise_person

TENANT: Final = "sample"
_ISSUER: Final = "urn:anchor:demo"
_NAMES: Final[dict[Role, str]] = {
    "owner": "Wang Fang 王芳",
    "member": "Li Lei 李雷",
    "auditor": "Zhao Min 赵敏",
}
_FILES: Final = {
    "合同.txt": "甲方向乙方购买一百件货物。\n",
    "chat.txt": "10:02 Li Lei: The goods have arrived.\n10:05 Wang Fang: Thank you.\n",
    "photo-note.txt": "Photograph of the damaged parcel, taken on arrival.\n",
}
_STOP_SECONDS: Final = 20.0
_MAX_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSite:
    """A running demonstration: configuration, chain, persons, operator's key, sample files."""

    config: Path
    chain: str
    people: tuple[SamplePerson, ...]
    operator: str
    files: Path


@contextmanager
def open_demo_site(
    url: str, *, store: StoreLocation | None = None, more: str = ""
) -> Iterator[DemoSite]:
    """Start a chain and a project with its daemon, in a temporary folder, for a service at ``url``.

    ``store`` None is a SQLite file in that folder; ``more`` is added to the configuration.  All of
    it ends with the block, or with this process.
    """
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="anchor-demo-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(temporary))
        chain = stack.enter_context(open_devnet(anvil=find_anvil(find_checkout())))
        with anchor.Project.create_on_devnet(
            folder / "project", rpc=chain.url, store=store
        ) as project:
            project.deploy()
            config = project.config.file
        with config.open("a", encoding="utf-8") as file:
            file.write(f"\n[platform]\nurl = {json.dumps(url)}\n{more}")
        with project_session(config) as opened:
            people = _add_people(opened)
            with opened.database.write() as connection:
                operator = create_key(connection, "operator", ["admin"], created_at=utc_now())
            files = _add_files(opened, folder / "files")
        command = [sys.executable, "-m", "anchor", "run", "--every", "2", "--config", str(config)]
        with (folder / "run.log").open("wb") as log:
            daemon = start_guarded(command, folder, stdout=log, stderr=log)
        stack.callback(end_guarded, daemon, _STOP_SECONDS)
        yield DemoSite(
            config=config, chain=chain.url, people=people, operator=operator, files=files
        )


def _add_people(project: OpenProject) -> tuple[SamplePerson, ...]:
    people: list[SamplePerson] = []
    with project.database.write() as connection:
        at, actor = utc_now(), Actor("operator", "demo")
        ensure_tenant(connection, TENANT, actor, at)
        for role, name in _NAMES.items():
            stated = StatedPerson(
                issuer=_ISSUER,
                subject=role,
                name=name,
                email=f"{role}@example.org",
                email_verified=True,
            )
            person = recognise_person(connection, stated, at)
            add_member(connection, TENANT, person, role, actor, at)
            people.append(SamplePerson(id=person, role=role))
    return tuple(people)


def _add_files(project: OpenProject, folder: Path) -> Path:
    """Write the sample files, and submit their digests as the tenant does."""
    folder.mkdir()
    origin = Origin.of_request(TENANT, None, project.config.log, None)
    rows = []
    for name, text in _FILES.items():
        data = text.encode("utf-8")
        (folder / name).write_bytes(data)
        digests = digest_bytes(data, ("sha256", "sm3"))
        assert digests.sha256 is not None and digests.sm3 is not None
        members = {
            "sha256": digests.sha256.hex(),
            "sm3": digests.sm3.hex(),
            "size": len(data),
            "name": name,
            "media_type": "text/plain",
        }
        body = json.dumps(members).encode("ascii")
        rows.append(read_submission(body, origin, max_bytes=_MAX_BYTES))
    with project.database.write() as connection:
        insert_evidence(connection, rows)
    return folder
