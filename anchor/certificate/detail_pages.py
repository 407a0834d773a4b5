"""The sheets after the first: claims, environment, custody, arithmetic, and what is not proven."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from anchor.certificate.foreign_text import show_text
from anchor.certificate.front_page import build_front, describe_level, stated
from anchor.certificate.labels import POLICY_SOURCES
from anchor.certificate.layout import (
    MISSING,
    Block,
    Commands,
    Fields,
    Figure,
    JudgedStatement,
    JudgedTable,
    Labelled,
    Notes,
    Sheet,
    Value,
    code,
    fields,
    text,
)
from anchor.certificate.model import (
    Bilingual,
    Certificate,
    Verification,
    VerifiedAnchor,
)
from anchor.certificate.path_svg import draw_path
from anchor.certificate.statements import MAX_CHARACTERS
from anchor.certificate.time_format import describe_time
from anchor.verification.report_json import ClaimDocument, StepDocument
from anchor.verification.report_words import CHINESE

_ENVIRONMENT = (
    ("操作系统及版本", "Operating system, version"),
    ("物理机、虚拟机", "Machine or virtual machine"),
    ("浏览器、取证软件及版本", "Browser and capture software"),
    ("进程清单摘要", "Digest of the process list"),
    ("hosts 文件摘要", "Digest of the hosts file"),
    ("代理设置", "Proxy settings"),
    ("DNS 服务器与解析结果", "DNS servers and answers"),
    ("公网地址与路由", "Public address and route"),
    ("TLS 证书链与信任库摘要", "TLS chain, digest of the CA store"),
    ("时钟来源与偏差", "Clock source and offset"),
    ("清洁性检查结果", "Result of the cleanliness check"),
)
_UNRECORDED = Bilingual(
    zh="记录中没有环境与清洁性检查的内容。本页各项未经核验；带 ※ 者由出证人填报。",
    en="The record holds no account of environment or cleanliness. Nothing on this page was "
    "verified; what is marked ※ is the issuer's statement.",
)
_CUSTODY = (
    ("固定、封存", "Seizing and sealing"),
    ("复制、移交", "Copying and transfer"),
    ("调取、分析", "Access and analysis"),
    ("前后校验值", "Digests before and after"),
    ("不可避免的变化及理由", "Unavoidable changes, and why"),
    ("经办人、见证人签名", "Signatures of handlers and witnesses"),
)


def build_sheets(certificate: Certificate) -> list[Sheet]:
    """Return every sheet of the certificate, in order."""
    return [
        build_front(certificate),
        _claims(certificate),
        _environment(certificate),
        _custody(),
        _arithmetic(certificate),
        _limits(certificate),
    ]


def _claims(certificate: Certificate) -> Sheet:
    verification = certificate.verification
    return Sheet(
        title=Bilingual(zh="逐项核验结论", en="Findings, claim by claim"),
        blocks=(
            JudgedTable(
                title=Bilingual(zh="各项陈述", en="Claims"),
                rows=tuple(_finding(claim.id, claim) for claim in verification.claims),
            ),
            JudgedTable(
                title=Bilingual(zh="核验步骤", en="Steps"),
                rows=tuple(_finding(str(step.number), step) for step in verification.steps),
            ),
            *(_against(anchor, certificate) for anchor in certificate.anchors),
        ),
    )


def _finding(
    label: str, entry: ClaimDocument[Bilingual] | StepDocument[Bilingual]
) -> JudgedStatement:
    reason = entry.reason if isinstance(entry, ClaimDocument) else entry.detail
    return JudgedStatement(
        id=label,
        zh=entry.title.zh,
        en=entry.title.en,
        verdict=entry.verdict,
        verdict_zh=CHINESE.verdicts[entry.verdict],
        reason=show_text(reason, MAX_CHARACTERS),
    )


def _against(anchor: VerifiedAnchor, certificate: Certificate) -> Fields:
    verification, place = certificate.verification, certificate.place
    notes = [show_text(note, 200) for note in verification.notes]
    nodes = [show_text(name, 200) for name in verification.nodes]
    sources = [
        f"{show_text(policy.name, 200)}: {POLICY_SOURCES[policy.source]}"
        for policy in verification.policies
    ]
    return fields(
        f"核验所依据：{anchor.chain}，第 {anchor.sequence} 次锚定",
        f"Verified against: {anchor.chain}, anchor {anchor.sequence}",
        (
            ("保证级别", "Assurance", describe_level(anchor)),
            ("信任策略（SHA-256）", "Trust policy (SHA-256)", _policy(verification)),
            ("信任策略的来源", "Where the policy came from", text(*(sources or ["无 / none"]))),
            *([("说明", "Notes", text(*notes))] if notes else []),
            ("询问的节点", "Nodes asked", text(*(nodes or ["无，离线核验 / none, offline"]))),
            ("创世区块（策略固定）", "Genesis, as pinned", code(anchor.genesis)),
            ("合约代码哈希", "Hash of the contract's code", code(anchor.code_hash)),
            ("日志及其所有者", "Log, and its owner", code(place.log, place.owner)),
            ("根", "Root", code(anchor.root)),
            ("上链时间", "Anchored at", text(describe_time(anchor.anchored_at))),
            (
                "提交者及其编号",
                "Submitter, and its id",
                code(anchor.submitter, f"id {anchor.operator_id}"),
            ),
        ),
    )


def _policy(verification: Verification) -> Value:
    if verification.policies:
        return code(*(policy.sha256 for policy in verification.policies))
    taken = [show_text(value, 200) for value in verification.unpinned]
    return text("未使用；取自收据 / none; taken from the receipt:", *taken)


def _environment(certificate: Certificate) -> Sheet:
    made = certificate.stated
    exhibit, platform = made.exhibit, made.platform
    collection = (
        ("来源", "Source", exhibit.origin),
        ("生成机制", "How it was generated", exhibit.generation_mechanism),
        ("生成时间（自报）", "Generated (claimed)", exhibit.generated_at),
        ("存储过程、介质", "Storage history, media", exhibit.storage_history),
        ("持有人、提供人", "Holder or provider", exhibit.holder),
        ("取证地点", "Place of collection", exhibit.place),
        ("取证方法、过程", "Method and steps", exhibit.method),
        ("见证人、公证", "Witnesses or notary", exhibit.witnesses),
        ("增加、删除、修改说明", "Additions, deletions, changes", exhibit.modifications),
        ("证据类别", "Category", exhibit.category),
        ("内容摘要", "Summary", exhibit.content_summary),
        ("证明对象", "Fact to be proved", exhibit.purpose_of_proof),
    )
    disclosure = (
        ("平台注册号", "Registration no.", platform.registration_no),
        ("区块链信息服务备案编号", "Blockchain filing no.", platform.blockchain_filing_no),
        ("等级保护级别", "MLPS level", platform.mlps_level),
        ("利害关系声明", "Conflict of interest", platform.conflict_of_interest_statement),
        ("收费", "Fees", platform.fees),
        ("存证主体证件号", "Depositor's identity", made.depositor.identity),
    )
    return Sheet(
        title=Bilingual(zh="来源、环境与清洁性", en="Source, environment and cleanliness"),
        blocks=(
            fields("来源与取证", "Source and collection", _stated(collection)),
            fields("环境与清洁性检查", "Environment and cleanliness", _missing(_ENVIRONMENT)),
            fields("平台披露", "Platform disclosure", _stated(disclosure)),
            Notes(title=None, items=(_UNRECORDED,), is_list=False),
        ),
    )


def _stated(rows: Iterable[tuple[str, str, str | None]]) -> Iterator[Labelled]:
    return ((zh, en, stated(statement, MAX_CHARACTERS)) for zh, en, statement in rows)


def _missing(labels: Iterable[tuple[str, str]]) -> Iterator[Labelled]:
    return ((zh, en, MISSING) for zh, en in labels)


def _custody() -> Sheet:
    return Sheet(
        title=Bilingual(zh="保管链", en="Chain of custody"),
        blocks=(
            fields("保管事项", "Events", _missing(_CUSTODY)),
            Notes(
                title=None,
                items=(
                    Bilingual(
                        zh="记录中没有保管链的内容。锚定之后的变化由文件的校验值揭示；锚定之前的保管须以"
                        "其他材料证明。",
                        en="The record holds no account of custody. A change after anchoring shows "
                        "in the file's digests; custody before it is for other proof.",
                    ),
                ),
                is_list=False,
            ),
        ),
    )


def _arithmetic(certificate: Certificate) -> Sheet:
    checks = certificate.checks
    return Sheet(
        title=Bilingual(zh="不依赖我们而核验", en="How to verify without us"),
        blocks=(
            Figure(
                title=Bilingual(zh="自叶至根的路径", en="The path from leaf to root"),
                svg=draw_path(certificate.place.leaf, certificate.path.steps),
                caption=Bilingual(
                    zh=f"第 {certificate.place.index} 叶，经 {len(certificate.path.steps)} 步至 "
                    f"{certificate.path.size} 叶之根。实框为路径，虚框为相邻哈希。",
                    en=f"Leaf {certificate.place.index}, in {len(certificate.path.steps)} steps to "
                    f"the root over {certificate.path.size} leaves. Solid: the path; dashed: its "
                    "siblings.",
                ),
            ),
            Commands(
                title=Bilingual(zh="命令及其应有输出", en="Commands, and what each must print"),
                set_up=checks.set_up,
                rows=tuple((row.title, row.command, row.prints) for row in checks.commands),
            ),
        ),
    )


def _limits(certificate: Certificate) -> Sheet:
    contact = certificate.stated.issuer.contact
    blocks: list[Block] = [
        Notes(
            title=Bilingual(zh="本证书不证明", en="This certificate does not prove"),
            items=tuple(certificate.not_proven),
            is_list=True,
        ),
        Notes(
            title=Bilingual(zh="假设与限度", en="Assumptions and limits"),
            items=tuple(certificate.assumptions),
            is_list=True,
        ),
        fields("异议", "Challenges", _stated([("联系方式", "Contact", contact)])),
    ]
    return Sheet(
        title=Bilingual(zh="不证明的事项", en="What this certificate does not prove"), blocks=blocks
    )
