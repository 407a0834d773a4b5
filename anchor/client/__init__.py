"""A client for ``anchor serve``: submit evidence by its digests, follow it, fetch its receipt.

>>> client = Client(url, key)
>>> digest = hashlib.sha256(b"the contract's bytes").digest()
>>> accepted = client.submit(Submission(sha256=digest, name="contract.pdf"))
>>> accepted.state, accepted.known
('accepted', False)
>>> client.submit(Submission(sha256=digest, name="contract.pdf")).known
True

A repeated submission is the same evidence, so that every request is safe to repeat, and is repeated
if the service is busy or does not answer.  ``AsyncClient`` is the same for asyncio.
"""

from anchor.base.types import StageName
from anchor.client.answers import Accepted, Refused, Status, Submission
from anchor.client.async_session import AsyncClient
from anchor.client.case_answers import CaseExhibit, CaseNote, CasePage, TenantCase
from anchor.client.evidence_answers import (
    MadeReviewLink,
    PageEvidence,
    PageOfEvidence,
    ReviewLink,
    StatusCopy,
)
from anchor.client.number_matches import NumberMatch
from anchor.client.search_matches import FoundEvidence, SearchPage
from anchor.client.session import Client

__all__ = [
    "Accepted",
    "AsyncClient",
    "CaseExhibit",
    "CaseNote",
    "CasePage",
    "Client",
    "FoundEvidence",
    "MadeReviewLink",
    "NumberMatch",
    "PageEvidence",
    "PageOfEvidence",
    "Refused",
    "ReviewLink",
    "SearchPage",
    "StageName",
    "Status",
    "StatusCopy",
    "Submission",
    "TenantCase",
]
