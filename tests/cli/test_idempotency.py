"""``anchor add --idempotency-key``: one submission, however often it is made."""

from __future__ import annotations

import pytest
from support.projects import Site
from support.store_contents import count_pieces, load_keys


def counts(site: Site) -> tuple[int, int]:
    return count_pieces(site), len(load_keys(site))


def test_a_key_makes_a_repeated_call_the_same_submission(site: Site) -> None:
    file = site.write("a.txt", b"a")
    site.run("add", file, "--idempotency-key", "k1").expect(0, "added 1 new, 0 already known")
    site.run("add", file, "--idempotency-key", "k1").expect(0, "added 0 new, 1 already known")
    assert counts(site) == (1, 1)
    # Another key is another submission, of the same file too.
    site.run("add", file, "--idempotency-key", "k2").expect(0, "added 1 new, 0 already known")
    digest = ("--digest", "sha256:" + "ab" * 32)
    site.run("add", *digest, "--idempotency-key", "k3").expect(0, "added 1 new")
    site.run("add", *digest, "--idempotency-key", "k3").expect(0, "added 0 new")
    assert counts(site) == (3, 3)


def test_other_evidence_with_the_same_key_is_refused(site: Site) -> None:
    site.run("add", site.write("a.txt", b"a"), "--idempotency-key", "k").expect(0)
    for words in ((site.write("a.txt", b"changed"),), (site.write("b.txt", b"a"),)):
        site.run("add", *words, "--idempotency-key", "k").refused(
            2, "other evidence was submitted with this idempotency key"
        )
    assert counts(site) == (1, 1)


@pytest.mark.parametrize(
    "words", [("a.txt", "b.txt"), (".",), ("a.txt", "--digest", "sm3:" + "ab" * 32)]
)
def test_a_key_is_for_one_piece_of_evidence(site: Site, words: tuple[str, ...]) -> None:
    site.write("a.txt", b"a")
    site.write("b.txt", b"b")
    site.run("add", *words, "--idempotency-key", "k").refused(2, "needs one file")
    site.run("add", "a.txt", "--again", "--idempotency-key", "k").refused(2, "exclude each other")
    assert counts(site) == (0, 0)
