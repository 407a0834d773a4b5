"""The client's lists, copies, erasures and review links, against the service."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import Iterator

import httpx
import pytest
from support.copies import keep, key_of
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.page_service import PageService, serve_pages

from anchor.base.errors import CannotCheckError, UsageError
from anchor.client import Accepted, AsyncClient, Client, Submission
from anchor.client.copy_exchanges import CopyExchanges

ORIGINAL = os.urandom(50_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    folder = tmp_path_factory.mktemp("client")
    chain = MemoryChain(recover=read_sender, interval=12, lag=1)
    site = MemorySite.copy(make_template(folder / "template"), folder / "project", chain)
    return keep(site, folder, tenant_bytes=1_000_000)


@pytest.fixture(scope="module")
def served(site: MemorySite) -> Iterator[PageService]:
    with serve_pages(site, site.chain) as served:
        yield served


@pytest.fixture
def key(served: PageService) -> str:
    """Return a key of a tenant of its own for each test."""
    headers = key_of(served, f"t-{os.urandom(6).hex()}")
    return headers["Authorization"].partition(" ")[2]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anchor.client.copy_exchanges._PIECE", 16_384)
    monkeypatch.setattr("anchor.client.copy_exchanges._LOOK", 0.05)


class Breaking(httpx.BaseTransport):
    """A transport that loses the answers to some requests, before or after they were made."""

    def __init__(self, method: str, *, is_made: bool) -> None:
        self.inner = httpx.HTTPTransport()
        self.method = method
        self.is_made = is_made
        self.left = 2
        self.sent: list[str] = []

    def close(self) -> None:
        self.inner.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request.method)
        if request.method == self.method and self.sent.count(self.method) > 1 and self.left:
            self.left -= 1
            if self.is_made:
                self.inner.handle_request(request).read()
            raise httpx.ReadError("the connection broke", request=request)
        return self.inner.handle_request(request)


def submit(client: Client, data: bytes = ORIGINAL, name: str = "original") -> Accepted:
    sha256 = hashlib.sha256(data).digest()
    return client.submit(Submission(sha256=sha256, size=len(data), name=name))


@pytest.mark.parametrize("is_made", [False, True])
def test_a_copy_is_uploaded_and_downloaded_over_connections_that_break(
    served: PageService, key: str, is_made: bool
) -> None:
    sending = Breaking("PATCH", is_made=is_made)
    with Client(str(served.http.base_url), key, transport=sending, sleep=lambda _: None) as client:
        id = submit(client).id
        assert client.copies.status(id) is None
        copy = client.copies.upload(id, io.BytesIO(ORIGINAL))
        assert (copy.state, copy.length, copy.received) == ("kept", 50_000, 50_000)
        assert sending.left == 0 and sending.sent.count("HEAD") == 3
        assert sending.sent.count("PATCH") == (4 if is_made else 6)
    reading = Breaking("GET", is_made=is_made)
    with Client(str(served.http.base_url), key, transport=reading, sleep=lambda _: None) as client:
        begun = io.BytesIO(ORIGINAL[:20_000])
        assert client.copies.download(id, begun) == 50_000
        assert begun.getvalue() == ORIGINAL and reading.left == 0
        assert client.copies.download(id, begun) == 50_000, "there is nothing left to fetch"
        client.copies.delete(id)
        with pytest.raises(UsageError, match="404"):
            client.copies.download(id, io.BytesIO())


def test_an_upload_goes_on_where_another_client_stopped(served: PageService, key: str) -> None:
    with Client(str(served.http.base_url), key) as client:
        id = submit(client).id
        asked: list[int] = []

        def read(offset: int, size: int) -> bytes:
            asked.append(offset)
            if offset > 30_000 and len(asked) < 4:
                raise KeyboardInterrupt
            return ORIGINAL[offset : offset + size]

        exchanges = CopyExchanges(client._exchanges)
        with pytest.raises(KeyboardInterrupt):
            client._do(exchanges.upload(id, len(ORIGINAL), read, 60.0))
        assert asked == [0, 16_384, 32_768]
        copy = client._do(exchanges.upload(id, len(ORIGINAL), read, 60.0))
        assert copy.state == "kept" and asked[3:] == [32_768, 49_152]


def test_a_file_that_is_another_one_or_shrinks_is_refused(served: PageService, key: str) -> None:
    with Client(str(served.http.base_url), key) as client:
        id = submit(client).id
        copy = client.copies.upload(id, io.BytesIO(bytes(50_000)))
        assert (copy.state, copy.reason) == ("refused", "other-bytes")
        with pytest.raises(UsageError, match="422"):
            client.copies.upload(id, io.BytesIO(ORIGINAL + b"!"))
        with pytest.raises(UsageError, match="fewer than the 50,000 bytes"):
            client._do(CopyExchanges(client._exchanges).upload(id, 50_000, lambda *_: b"", 1.0))


def test_a_service_that_does_not_answer_ends_an_upload(served: PageService, key: str) -> None:
    broken = Breaking("PATCH", is_made=False)
    broken.left = 99
    with (
        Client(
            str(served.http.base_url), key, transport=broken, sleep=lambda _: None, attempts=3
        ) as client,
        pytest.raises(CannotCheckError),
    ):
        client.copies.upload(submit(client).id, io.BytesIO(ORIGINAL))


def test_evidence_is_listed_page_by_page_by_state_and_time(served: PageService, key: str) -> None:
    with Client(str(served.http.base_url), key) as client:
        made = [submit(client, b"%d" % number, f"n-{number}") for number in range(5)]
        seen: list[str] = []
        cursor = None
        while True:
            page = client.list_evidence(cursor=cursor, limit=2)
            seen += [piece.id for piece in page.evidence]
            if (cursor := page.next) is None:
                break
        assert seen == [one.id for one in reversed(made)]
        (first, *_) = client.list_evidence(state="accepted").evidence
        assert (first.name, first.size, first.number) == ("n-4", 1, made[-1].number)
        assert client.list_evidence(state="anchored").evidence == ()
        assert client.list_evidence(accepted_to="2020-01-01").evidence == ()
        with pytest.raises(UsageError, match="422"):
            client.list_evidence(cursor="nowhere")
        leaf = client.status(made[0].id).leaf
        assert client.erase(made[0].id, basis="other", reason="asked for") == leaf
        assert made[0].id not in {piece.id for piece in client.list_evidence().evidence}
        with pytest.raises(UsageError, match="410"):
            client.status(made[0].id)


def test_review_links_are_made_listed_and_revoked(served: PageService, key: str) -> None:
    with Client(str(served.http.base_url), key) as client:
        case = client.cases.create("1", "Lee")
        made = client.cases.make_link(case.id, "the court", days=3)
        assert (
            httpx.get(
                f"{served.http.base_url!s}{made.link}", trust_env=False, timeout=60
            ).status_code
            == 200
        )
        (link,) = client.cases.links(case.id)
        assert (link.label, link.state, link.opened) == ("the court", "in-force", 1)
        assert link.expires_at == made.expires_at
        client.cases.revoke_link(case.id, link.id)
        assert client.cases.links(case.id)[0].state == "revoked"
        assert (
            httpx.get(
                f"{served.http.base_url!s}{made.link}", trust_env=False, timeout=60
            ).status_code
            == 404
        )


def test_the_asynchronous_client_has_the_same_calls(served: PageService, key: str) -> None:
    async def run() -> None:
        async with AsyncClient(str(served.http.base_url), key) as client:
            sha256 = hashlib.sha256(ORIGINAL).digest()
            id = (await client.submit(Submission(sha256=sha256, size=len(ORIGINAL)))).id
            assert (await client.copies.upload(id, io.BytesIO(ORIGINAL))).state == "kept"
            file = io.BytesIO()
            assert await client.copies.download(id, file) == len(ORIGINAL)
            assert file.getvalue() == ORIGINAL
            status = await client.copies.status(id)
            assert status is not None and status.received == len(ORIGINAL)
            await client.copies.delete(id)
            assert await client.copies.status(id) is None
            case = await client.cases.create("2", "Lee")
            await client.cases.make_link(case.id, "x")
            (link,) = await client.cases.links(case.id)
            await client.cases.revoke_link(case.id, link.id)
            page = await client.list_evidence()
            assert [piece.id for piece in page.evidence] == [id]
            assert len(await client.erase(id, basis="other", reason="asked for")) == 64

    asyncio.run(run())
