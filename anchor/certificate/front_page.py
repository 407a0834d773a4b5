"""The first sheet of a certificate: the summary for a judge."""

from __future__ import annotations

from anchor.certificate.foreign_text import show_text
from anchor.certificate.labels import (
    BASES,
    VERIFIED,
    describe_kind,
    describe_result,
)
from anchor.certificate.layout import (
    MISSING,
    Banner,
    Fields,
    Kind,
    Labelled,
    Seal,
    Sheet,
    Value,
    code,
    fields,
    text,
)
from anchor.certificate.model import Bilingual, Certificate, VerifiedAnchor
from anchor.certificate.qr import draw_code
from anchor.certificate.statements import Exhibit
from anchor.certificate.time_format import describe_time

# A name of 4,096 characters would fill the sheet; the JSON has it in full.
_MOST_OF_NAME = 140
_MOST_OF_STATEMENT = 120
NOT_FINAL = Value(kind="caution", lines=("尚未终局 / not final yet",))
NOT_VERIFIED = Value(kind="caution", lines=("未核验 / not verified",))


def stated(statement: str | None, most: int = _MOST_OF_STATEMENT) -> Value:
    """Return a statement of the issuer, marked as such."""
    if statement is None:
        return MISSING
    return Value(kind="text", lines=(show_text(statement, most),), is_stated=True)


def describe_level(anchor: VerifiedAnchor) -> Value:
    """Return the assurance of an anchor, and its basis."""
    basis = BASES[anchor.assurance, anchor.finality]
    return text(f"{anchor.assurance}：{basis.zh}", basis.en)


def build_front(certificate: Certificate) -> Sheet:
    """Return the first sheet."""
    return Sheet(
        title=Bilingual(zh="证书", en="Certificate"),
        blocks=(
            _banner(certificate),
            _parties(certificate),
            _evidence(certificate),
            _anchoring(certificate),
            _issuing(certificate),
            Seal(code=draw_code(certificate.qr_text), payload=certificate.qr_text),
        ),
    )


def _banner(certificate: Certificate) -> Banner:
    if certificate.draft:
        return Banner(
            verdict="cannot tell",
            zh="草稿",
            en="DRAFT",
            since=None,
            caution=None,
            statement=certificate.statement,
        )
    anchor = certificate.anchor
    assert anchor is not None, "only drafts are issued without an anchor"
    result = describe_result(anchor)
    return Banner(
        verdict="pass" if result == VERIFIED else "cannot tell",
        zh=result.zh,
        en=result.en,
        since=describe_time(anchor.anchored_at),
        caution=describe_kind(anchor),
        statement=certificate.statement,
    )


def _parties(certificate: Certificate) -> Fields:
    made = certificate.stated
    exhibit, platform = made.exhibit, made.platform
    filing = [text for text in (platform.blockchain_filing_no, platform.mlps_level) if text]
    rows = (
        ("案件标识", "Case reference", made.case_reference),
        ("证据编号", "Exhibit no.", exhibit.exhibit_no),
        ("证据名称", "Title", exhibit.title),
        ("存证主体（申请人）", "Depositor", made.depositor.name),
        ("存证平台", "Platform", platform.legal_name),
        ("备案编号、等级保护", "Filing no., MLPS", " · ".join(filing) or None),
        ("取证人", "Collected by", exhibit.operator),
        ("取证起止时间", "Collected", _span(exhibit)),
    )
    return fields(
        "当事人与平台",
        "Parties and platform",
        ((zh, en, stated(statement)) for zh, en, statement in rows),
    )


def _span(exhibit: Exhibit) -> str | None:
    if exhibit.started_at is None and exhibit.ended_at is None:
        return None
    return f"{exhibit.started_at or '…'} – {exhibit.ended_at or '…'}"


def _evidence(certificate: Certificate) -> Fields:
    evidence = certificate.evidence
    size = "" if evidence.size is None else f"{evidence.size:,} bytes 字节"
    kind = show_text(evidence.media_type or "", 60)
    described = " · ".join(part for part in (kind, size) if part)
    rows = [
        ("文件名", "File name", text(show_text(evidence.name, _MOST_OF_NAME))),
        ("格式、大小", "Format, size", text(described) if described else MISSING),
        ("完整性校验值", "SHA-256", code(evidence.sha256)),
        ("完整性校验值", "SM3", code(evidence.sm3)),
        ("存证编号（记录摘要）", "Record's SHA-256", code(certificate.place.record_sha256)),
        (
            "记录时间（运营方自报）",
            "Recorded (claimed)",
            text(describe_time(evidence.recorded_at)),
        ),
    ]
    if evidence.statements:
        names = show_text(", ".join(evidence.statements), _MOST_OF_STATEMENT)
        label = "记录中运营方的其他陈述（未核对）", "Operator's own statements, unchecked"
        rows.append((*label, text(names)))
    return fields("电子数据", "Electronic data", rows)


def _anchoring(certificate: Certificate) -> Fields:
    anchor, path = certificate.anchor, certificate.path
    place = text(f"{certificate.place.index:,} / {path.size:,}")
    return fields(
        "上链",
        "Anchoring",
        (
            *(_UNANCHORED if anchor is None else _anchored_rows(anchor)),
            ("默克尔根", "Merkle root", code(path.root)),
            ("叶序号、树大小", "Leaf, tree size", place),
            ("可信时间戳", "Trusted timestamp", MISSING),
            ("交易哈希", "Transaction hash", NOT_VERIFIED),
        ),
    )


def _anchored_rows(anchor: VerifiedAnchor) -> tuple[Labelled, ...]:
    chain = text(anchor.chain)
    if anchor.network is not None:
        kind: Kind = "text" if anchor.kind == "main" else "caution"
        named = f"{anchor.chain}（{anchor.network.zh} / {anchor.network.en}）"
        chain = Value(kind=kind, lines=(named,))
    finality = (
        "已终局 / final"
        if anchor.finality == "observed"
        else "终局性由出证人认定 / final, as the issuer asserts"
    )
    relied = anchor.relied_on
    return (
        ("上链时间", "Anchored at", text(describe_time(anchor.anchored_at))),
        (
            "不晚于此时已存在",
            "Existed no later than",
            text(describe_time(anchor.existed_no_later_than)),
        ),
        ("区块链网络", "Chain", chain),
        ("区块高度", "Block height", text(str(anchor.block_number))),
        (f"所依据区块 {relied.number} 的哈希", "Block relied on", code(relied.hash)),
        ("合约地址", "Registry contract", code(anchor.registry)),
        ("存证地址（提交者）", "Submitter", code(anchor.submitter)),
        ("终局性", "Finality", text(finality)),
    )


_UNANCHORED = tuple(
    (zh, en, NOT_FINAL)
    for zh, en in (
        ("上链时间", "Anchored at"),
        ("区块链网络", "Chain"),
        ("区块高度", "Block height"),
        ("合约地址", "Registry contract"),
        ("存证地址（提交者）", "Submitter"),
        ("终局性", "Finality"),
    )
)


def _issuing(certificate: Certificate) -> Fields:
    verification = certificate.verification
    whose = (
        "出证机器时钟 / by the issuing machine's clock"
        if certificate.clock == "machine"
        else "由出证人给定 / as the issuer gives it"
    )
    anchor, retrieved = certificate.anchor, verification.retrieved_at
    return fields(
        "核验与出证",
        "Verification and issue",
        (
            ("保证级别", "Assurance", NOT_FINAL if anchor is None else describe_level(anchor)),
            (
                "核验时间、出证时间",
                "Verified, issued",
                text(describe_time(verification.verified_at), whose),
            ),
            (
                "自链上取回时间",
                "Retrieved from the chain",
                MISSING if retrieved is None else text(describe_time(retrieved)),
            ),
            ("核验工具及版本", "Verifier", text(verification.verifier)),
            ("出证人", "Issuer", stated(certificate.stated.issuer.name)),
        ),
    )
