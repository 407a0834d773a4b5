"""The first sheet: what a judge reads."""

from __future__ import annotations

from anchor.certificate.foreign_text import show_text
from anchor.certificate.labels import (
    VERIFIED,
    describe_basis,
    describe_kind,
    describe_result,
)
from anchor.certificate.layout import (
    MISSING,
    Banner,
    Fields,
    Kind,
    Row,
    Seal,
    Sheet,
    Value,
    code,
    text,
)
from anchor.certificate.model import Bilingual, Certificate, Evidence, VerifiedAnchor
from anchor.certificate.qr import draw_code
from anchor.certificate.time_format import describe_time

# A name of 4,096 characters would take the sheet; it is whole in the JSON.
_MOST_OF_NAME = 140
_MOST_OF_STATEMENT = 120
NOT_FINAL = Value(kind="caution", lines=("尚未终局 / not final yet",))
NOT_VERIFIED = Value(kind="caution", lines=("未核验 / not verified",))


def stated(statement: str | None, most: int = _MOST_OF_STATEMENT) -> Value:
    """Return what the issuer states, marked as that."""
    if statement is None:
        return MISSING
    return Value(kind="text", lines=(show_text(statement, most),), is_stated=True)


def describe_level(anchor: VerifiedAnchor) -> Value:
    """Return the assurance, and what it rests on."""
    basis = describe_basis(anchor)
    return text(f"{anchor.assurance}：{basis.zh}", basis.en)


def build_front(certificate: Certificate) -> Sheet:
    """Return the sheet."""
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
    return Fields(
        title=Bilingual(zh="当事人与平台", en="Parties and platform"),
        rows=(
            Row(zh="案件标识", en="Case reference", value=stated(made.case_reference)),
            Row(zh="证据编号", en="Exhibit no.", value=stated(exhibit.exhibit_no)),
            Row(zh="证据名称", en="Title", value=stated(exhibit.title)),
            Row(zh="存证主体（申请人）", en="Depositor", value=stated(made.depositor.name)),
            Row(zh="存证平台", en="Platform", value=stated(platform.legal_name)),
            Row(
                zh="备案编号、等级保护",
                en="Filing no., MLPS",
                value=stated(" · ".join(filing) or None),
            ),
            Row(zh="取证人", en="Collected by", value=stated(exhibit.operator)),
            Row(zh="取证起止时间", en="Collected", value=stated(_span(certificate))),
        ),
    )


def _span(certificate: Certificate) -> str | None:
    exhibit = certificate.stated.exhibit
    if exhibit.started_at is None and exhibit.ended_at is None:
        return None
    return f"{exhibit.started_at or '…'} – {exhibit.ended_at or '…'}"


def _evidence(certificate: Certificate) -> Fields:
    evidence = certificate.evidence
    size = "" if evidence.size is None else f"{evidence.size:,} bytes 字节"
    kind = show_text(evidence.media_type or "", 60)
    described = " · ".join(part for part in (kind, size) if part)
    return Fields(
        title=Bilingual(zh="电子数据", en="Electronic data"),
        rows=(
            Row(zh="文件名", en="File name", value=text(show_text(evidence.name, _MOST_OF_NAME))),
            Row(
                zh="格式、大小",
                en="Format, size",
                value=text(described) if described else MISSING,
            ),
            Row(zh="完整性校验值", en="SHA-256", value=code(evidence.sha256)),
            Row(zh="完整性校验值", en="SM3", value=code(evidence.sm3)),
            Row(
                zh="存证编号（记录摘要）",
                en="Record's SHA-256",
                value=code(certificate.place.record_sha256),
            ),
            Row(
                zh="记录时间（运营方自报）",
                en="Recorded (claimed)",
                value=text(describe_time(evidence.recorded_at)),
            ),
            *_statements(evidence),
        ),
    )


def _statements(evidence: Evidence) -> tuple[Row, ...]:
    if not evidence.statements:
        return ()
    names = show_text(", ".join(evidence.statements), _MOST_OF_STATEMENT)
    return (
        Row(
            zh="记录中运营方的其他陈述（未核对）",
            en="Operator's own statements, unchecked",
            value=text(names),
        ),
    )


def _anchoring(certificate: Certificate) -> Fields:
    anchor = certificate.anchor
    place = certificate.path
    rows = _unanchored_rows() if anchor is None else _anchored_rows(anchor)
    return Fields(
        title=Bilingual(zh="上链", en="Anchoring"),
        rows=(
            *rows,
            Row(zh="默克尔根", en="Merkle root", value=code(place.root)),
            Row(
                zh="叶序号、树大小",
                en="Leaf, tree size",
                value=text(f"{certificate.place.index:,} / {place.size:,}"),
            ),
            Row(zh="可信时间戳", en="Trusted timestamp", value=MISSING),
            Row(zh="交易哈希", en="Transaction hash", value=NOT_VERIFIED),
        ),
    )


def _anchored_rows(anchor: VerifiedAnchor) -> tuple[Row, ...]:
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
        Row(zh="上链时间", en="Anchored at", value=text(describe_time(anchor.anchored_at))),
        Row(
            zh="不晚于此时已存在",
            en="Existed no later than",
            value=text(describe_time(anchor.existed_no_later_than)),
        ),
        Row(zh="区块链网络", en="Chain", value=chain),
        Row(zh="区块高度", en="Block height", value=text(str(anchor.block_number))),
        Row(
            zh=f"所依据区块 {relied.number} 的哈希",
            en="Block relied on",
            value=code(relied.hash),
        ),
        Row(zh="合约地址", en="Registry contract", value=code(anchor.registry)),
        Row(zh="存证地址（提交者）", en="Submitter", value=code(anchor.submitter)),
        Row(zh="终局性", en="Finality", value=text(finality)),
    )


def _unanchored_rows() -> tuple[Row, ...]:
    labels = (
        ("上链时间", "Anchored at"),
        ("区块链网络", "Chain"),
        ("区块高度", "Block height"),
        ("合约地址", "Registry contract"),
        ("存证地址（提交者）", "Submitter"),
        ("终局性", "Finality"),
    )
    return tuple(Row(zh=zh, en=en, value=NOT_FINAL) for zh, en in labels)


def _issuing(certificate: Certificate) -> Fields:
    verification = certificate.verification
    whose = (
        "出证机器时钟 / by the issuing machine's clock"
        if certificate.clock == "machine"
        else "由出证人给定 / as the issuer gives it"
    )
    anchor = certificate.anchor
    level = NOT_FINAL if anchor is None else describe_level(anchor)
    return Fields(
        title=Bilingual(zh="核验与出证", en="Verification and issue"),
        rows=(
            Row(zh="保证级别", en="Assurance", value=level),
            Row(
                zh="核验时间、出证时间",
                en="Verified, issued",
                value=text(describe_time(verification.verified_at), whose),
            ),
            Row(
                zh="自链上取回时间",
                en="Retrieved from the chain",
                value=MISSING
                if verification.retrieved_at is None
                else text(describe_time(verification.retrieved_at)),
            ),
            Row(zh="核验工具及版本", en="Verifier", value=text(verification.verifier)),
            Row(zh="出证人", en="Issuer", value=stated(certificate.stated.issuer.name)),
        ),
    )
