"""Power cuts: what was acknowledged is there afterwards, whatever the disk made of the rest."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.powerloss import Disk, Loss, store_on
from support.projects import Site, make_site
from support.store_contents import load_pieces

from anchor.base.digests import digest_bytes
from anchor.base.system.clock import utc_now
from anchor.chain.devnet import Devnet
from anchor.operate.acceptance import EvidenceInput, accept
from anchor.project.files import SIDE_FILE
from anchor.project.project import OpenProject
from anchor.recovery.store_audit import audit_project
from anchor.store.acknowledged_log import SideFile
from anchor.store.sealing import seal

RUNS = int(os.environ.get("ANCHOR_TESTS_POWER_CUTS", "40"))
ACKNOWLEDGEMENTS = 25 * RUNS


@pytest.fixture(scope="module")
def template(embedded: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without evidence, to copy."""
    folder = tmp_path_factory.mktemp("template") / "project"
    make_site(folder, embedded, number=1_000_001, deployed=False)
    return folder


@dataclass
class Machine:
    """A project on a disk whose power is cut."""

    template: Path
    site: Site
    disk: Disk
    chance: random.Random
    acknowledged: int = 0

    def work(self, project: OpenProject, pieces: int) -> None:
        """Accept ``pieces`` pieces of evidence one by one, and seal now and then."""
        for _ in range(pieces):
            accept(project, [submission(self.acknowledged)])
            self.acknowledged += 1
            if self.chance.random() < 0.2:
                seal(project.database, utc_now())

    def cut(self, loss: Loss, folder: Path) -> Site:
        """Write the project as it is after a power cut at this moment."""
        files = shutil.ignore_patterns("anchor.db*", SIDE_FILE)
        shutil.copytree(self.template, folder, ignore=files)
        image = self.disk.image(folder / "disk", loss, self.chance)
        for file in image.iterdir():
            file.rename(folder / file.name)
        return replace(self.site, folder=folder)

    def run(self, pieces: int, operations: int, loss: Loss, folder: Path) -> Site:
        """Work until the power goes: ``operations`` of the disk after so many acknowledgements."""
        images: list[Site] = []
        with self.site.lead() as project:
            self.work(project, pieces)
            if operations == 0:
                return self.cut(loss, folder)
            left = operations

            def count() -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    images.append(self.cut(loss, folder))

            self.disk.happened = count
            acknowledged = self.acknowledged
            while not images:
                acknowledged = self.acknowledged
                self.work(project, 1)
            self.disk.happened = lambda: None
            # The last one was acknowledged after the power had gone.
            self.acknowledged = acknowledged
            return images[0]


@pytest.fixture
def machine(template: Path, tmp_path: Path) -> Callable[[int], Machine]:
    def start(seed: int) -> Machine:
        folder = shutil.copytree(template, tmp_path / f"running-{seed}")
        return Machine(template, Site(folder=folder, url="", number=0), Disk(), random.Random(seed))

    return start


def submission(number: int) -> EvidenceInput:
    data = b"evidence %d" % number
    return EvidenceInput(
        source=f"stdin:{number}", name=str(number), digests=digest_bytes(data, ("sha256", "sm3"))
    )


def sources(site: Site) -> set[str]:
    """Return where each stored piece of evidence came from."""
    assert site.rows("PRAGMA integrity_check") == [("ok",)]
    return {piece.source for piece in load_pieces(site)}


DROPPED = pytest.mark.fault(
    "F1",
    how="the power goes at a random moment after an acknowledgement; what was not synced is gone",
    then="every acknowledged piece of evidence is there, and the audit finds nothing",
)
SCATTERED = pytest.mark.fault(
    "F6",
    how="of what was not synced, any sectors are written, in any order: writes and logs are torn",
    then="the store recovers to its last commit, and loses nothing acknowledged",
)


@pytest.mark.release
@pytest.mark.parametrize(
    "loss",
    [pytest.param("dropped", marks=DROPPED), pytest.param("scattered", marks=SCATTERED)],
)
def test_of_a_thousand_acknowledgements_none_is_lost_with_the_power(
    machine: Callable[[int], Machine],
    loss: Loss,
    tmp_path: Path,
    injected: Callable[[int], None],
) -> None:
    total = lost = 0
    for seed in range(RUNS):
        running = machine(seed)
        # At once, or somewhere in what comes next: in a commit, a seal, a copy of the log.
        operations = 0 if seed % 4 == 0 else running.chance.randrange(1, 60)
        with store_on(running.disk, copy_after=1_000 if seed % 2 else 40):
            site = running.run(
                ACKNOWLEDGEMENTS // RUNS, operations, loss, tmp_path / f"image-{seed}"
            )
        acknowledged = {f"stdin:{number}" for number in range(running.acknowledged)}
        lost += len(acknowledged - sources(site))
        check_entries(site)
        total += running.acknowledged
        check_whole(site)
    injected(RUNS)
    assert total >= ACKNOWLEDGEMENTS
    assert lost == 0


@pytest.mark.release
def test_the_power_cuts_do_lose_what_is_not_synced(
    machine: Callable[[int], Machine], tmp_path: Path
) -> None:
    """With ``synchronous=NORMAL`` the same cuts lose acknowledgements: the test above can fail."""
    running = machine(0)
    with store_on(running.disk, synchronous="NORMAL"):
        site = running.run(25, 0, "dropped", tmp_path / "image")
    assert running.acknowledged == 25
    assert len(sources(site)) < 25


def check_entries(site: Site) -> None:
    """See that each row that the power cut left has an entry in the side file that it left."""
    entries = {entry.leaf: entry for entry in SideFile(site.folder / SIDE_FILE).read_entries()}
    for piece in load_pieces(site):
        assert entries[piece.leaf].identity == piece.identity


def check_whole(site: Site) -> None:
    """Audit what the power cut left, and see that work goes on from it."""
    with site.lead() as project:
        # Before and after in one: it reads everything again from the first record on.
        accept(project, [submission(10**6)])
        seal(project.database, utc_now())
        assert audit_project(project).breaches == ()
    check_entries(site)
