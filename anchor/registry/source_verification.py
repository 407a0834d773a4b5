"""The registry's source for explorers: what to send to Sourcify and Etherscan, what they answer.

Pure: ``anchor.registry.source_client`` carries it.  The formats are those of Sourcify's API v2
(https://docs.sourcify.dev/docs/api) and of Etherscan's API v2 (https://docs.etherscan.io, contract
verification), which Blockscout speaks too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

from anchor.ethereum.keccak import format_address
from anchor.registry.artifact import load_artifact, load_standard_input
from anchor.types import Address, ChainId, Hash32

# What a server says is quoted; this keeps a hostile one from flooding a terminal.
_MAX_QUOTED = 200


class SourceVerdict(Enum):
    """What an explorer made of the source."""

    PENDING = "pending"
    VERIFIED = "verified"
    KNOWN = "already verified"
    REFUTED = "not this source"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer; ``detail`` is the explorer's own word for it, ``job`` what to ask about next."""

    verification: SourceVerdict
    detail: str
    job: str | None = None


def build_sourcify_request(creation_tx: Hash32 | None) -> dict[str, Any]:
    """Return the body of ``POST /v2/verify/{chainId}/{address}``."""
    artifact = load_artifact()
    request = {
        "stdJsonInput": json.loads(load_standard_input()),
        "compilerVersion": artifact.compiler_version,
        "contractIdentifier": artifact.contract,
    }
    if creation_tx is not None:
        request["creationTransactionHash"] = "0x" + creation_tx.hex()
    return request


def build_etherscan_form(registry: Address, key: str | None) -> dict[str, str]:
    """Return the form of the action ``verifysourcecode``; the constructor takes no arguments."""
    artifact = load_artifact()
    form = {
        "module": "contract",
        "action": "verifysourcecode",
        "contractaddress": format_address(registry),
        "sourceCode": load_standard_input().decode("utf-8"),
        "codeformat": "solidity-standard-json-input",
        "contractname": artifact.contract,
        "compilerversion": "v" + artifact.compiler_version,
        # Etherscan's own spelling, for ever.
        "constructorArguements": "",
    }
    return form if key is None else form | {"apikey": key}


def build_etherscan_question(job: str, key: str | None) -> dict[str, str]:
    """Return the form of the action ``checkverifystatus``."""
    form = {"module": "contract", "action": "checkverifystatus", "guid": job}
    return form if key is None else form | {"apikey": key}


def build_chain_query(chain_id: ChainId) -> dict[str, str]:
    """Return Etherscan's query: one API serves every chain, and this says which."""
    return {"chainid": str(chain_id)}


def read_sourcify_submission(status: int, document: Any) -> Answer:
    """Read what Sourcify says to a submission: 202 with a job, 409 where it has the contract.

    Raises:
        ValueError: neither, nor an error of its own.
    """
    members = _object(document)
    if status == 202:
        job = _text(members.get("verificationId"))
        if not job.replace("-", "").isalnum():
            raise ValueError("the job's id is no id")
        return Answer(verification=SourceVerdict.PENDING, detail="accepted", job=job)
    code, message = _text(members.get("customCode")), _text(members.get("message"))
    if status == 409 and code == "already_verified":
        return Answer(verification=SourceVerdict.KNOWN, detail=_quote(message))
    return Answer(verification=SourceVerdict.UNDECIDED, detail=_quote(f"{code}: {message}"))


def read_sourcify_job(document: Any) -> Answer:
    """Read ``GET /v2/verify/{verificationId}``.

    Raises:
        ValueError: no answer about a job.
    """
    members = _object(document)
    completed = members.get("isJobCompleted")
    if not isinstance(completed, bool):
        raise ValueError("isJobCompleted is no boolean")
    if not completed:
        return Answer(verification=SourceVerdict.PENDING, detail="working")
    if members.get("error") is not None:
        error = _object(members["error"])
        code, message = _text(error.get("customCode")), _text(error.get("message"))
        detail = _quote(f"{code}: {message}")
        if code == "already_verified":
            return Answer(verification=SourceVerdict.KNOWN, detail=detail)
        refuted = code in ("no_match", "bytecode_length_mismatch")
        verdict = SourceVerdict.REFUTED if refuted else SourceVerdict.UNDECIDED
        return Answer(verification=verdict, detail=detail)
    match = _object(members.get("contract")).get("match")
    if match in ("match", "exact_match"):
        return Answer(verification=SourceVerdict.VERIFIED, detail=match)
    if match is None:
        return Answer(verification=SourceVerdict.REFUTED, detail="no match")
    raise ValueError("no such match")


def read_etherscan_submission(document: Any) -> Answer:
    """Read what Etherscan or Blockscout says to a submission: a job's GUID, or why not.

    Raises:
        ValueError: neither.
    """
    status, result = _etherscan(document)
    if status == "1":
        return Answer(verification=SourceVerdict.PENDING, detail="accepted", job=result)
    if "already verified" in result.lower():
        return Answer(verification=SourceVerdict.KNOWN, detail=_quote(result))
    return Answer(verification=SourceVerdict.UNDECIDED, detail=_quote(result))


def read_etherscan_job(document: Any) -> Answer:
    """Read what Etherscan or Blockscout says about a job.

    Raises:
        ValueError: no such answer.
    """
    status, result = _etherscan(document)
    words = result.lower()
    verdict = SourceVerdict.UNDECIDED
    if words.startswith(("pending", "in progress")):
        verdict = SourceVerdict.PENDING
    elif "already verified" in words:
        verdict = SourceVerdict.KNOWN
    elif status == "1" and words.startswith("pass"):
        verdict = SourceVerdict.VERIFIED
    elif words.startswith("fail"):
        verdict = SourceVerdict.REFUTED
    return Answer(verification=verdict, detail=_quote(result))


def _etherscan(document: Any) -> tuple[str, str]:
    members = _object(document)
    status, result = _text(members.get("status")), _text(members.get("result"))
    if status not in ("0", "1") or not result:
        raise ValueError("neither status nor result")
    return status, result


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)[1:-1][:_MAX_QUOTED]
