"""The fixed sentences of a certificate, in Chinese and English.

A certificate states "unchanged since"; it never states that anything is authentic or true.
"""

from __future__ import annotations

from collections.abc import Sequence

from anchor.certificate.model import Bilingual, VerifiedAnchor
from anchor.ethereum.known_chains import KIND_SENTENCES
from anchor.verification.abandonment import UNKNOWN
from anchor.verification.report_words import CHINESE, ENGLISH

UNCHANGED = Bilingual(
    zh="经技术核验一致，自上链时间起该电子数据未经篡改；上链前的真实性须结合来源、生成、存储"
    "等材料另行判断（《人民法院在线诉讼规则》第十六条、第十八条）。",
    en="On technical verification the data are unchanged since the anchoring time; authenticity "
    "before anchoring must be judged on the source, generation and storage materials.",
)
DRAFT = Bilingual(
    zh="草稿，不是证书：不得作为核验结论使用。",
    en="A draft, not a certificate: no result of a verification may be taken from it.",
)
NOT_FINAL = Bilingual(
    zh="该记录所在的根尚未在链上终局，因此没有上链时间。",
    en="The root over this record is not final on a chain yet, so there is no anchoring time.",
)

VERIFIED = Bilingual(
    zh="核验通过：自上链时间起未经篡改", en="Verified: unchanged since the anchoring time"
)

NOT_PROVEN = (
    Bilingual(
        zh="内容真实性：内容是否属实，或其是否确为所称之物。",
        en="Truth of the content: whether it is true, or is what it claims to be.",
    ),
    Bilingual(
        zh="上链前的真实性：记录与上链之前发生过什么。",
        en="What happened before: anything until the data were recorded and anchored.",
    ),
    Bilingual(
        zh="作者身份：由谁制作、由谁持有；仅知由哪个密钥提交。",
        en="Authorship: who made it or held it; only which key submitted it is known.",
    ),
    Bilingual(
        zh="合法性与关联性：取得方式是否合法，与待证事实是否相关。",
        en="Legality and relevance: whether it was lawfully obtained, or bears on any fact.",
    ),
    Bilingual(
        zh="完整收集：没有遗漏，或运营方没有另立日志。",
        en="Completeness: that nothing was left out, or that the operator keeps no other log.",
    ),
)

HASHES = Bilingual(
    zh="SHA-256、SM3（如有）与 Keccak-256 抗碰撞、抗第二原像。",
    en="SHA-256, SM3 where it is given, and Keccak-256 resist collisions and second preimages.",
)
ABANDONED_SINCE = Bilingual(
    zh="所有者的态度：日志所有者此后是否已放弃本锚定（succeed）。",
    en="The owner's stand: whether the log's owner has abandoned this anchor since (succeed).",
)
CLAIMED_INDEX = Bilingual(
    zh="叶序号与树大小是运营方的陈述，路径的形状与之相符；根只对各叶作出承诺。",
    en="Leaf index and tree size are the operator's statement, which the path's shape fits; a root "
    "commits to leaves, not to their number.",
)
HINTS = Bilingual(
    zh="收据中的交易哈希仅为提示，无从核验，故不列入。",
    en="A transaction hash in the receipt is a hint that nothing verifies, and is left out.",
)
UNPINNED = Bilingual(
    zh="未使用信任策略：链、登记合约与日志所有者取自收据，未经出证人固定。",
    en="No trust policy was used: chain, registry and the log's owner were taken from the receipt, "
    "and pinned by nobody.",
)

POLICY_SOURCES = {
    "option": "由出证人在命令行指定 / named on the issuer's command line",
    "environment": "由出证人的环境变量指定 / named in the issuer's environment",
    "user": "保存于出证人的配置目录 / kept in the issuer's configuration folder",
    "project": "出证人自己项目的策略 / of the issuer's own project",
}

# The basis of the chain's answer, by assurance and by whether finality is observed or asserted.
BASES = {
    ("rpc", "observed"): Bilingual(
        zh="依据单一节点的陈述；控制其应答者即控制该结论。",
        en="As one node says: who controls its answers controls this result.",
    ),
    ("quorum", "observed"): Bilingual(
        zh="多个节点的陈述一致；仅在其由不同主体运营时才有意义。",
        en="As several nodes agree: worth something as far as different parties operate them.",
    ),
    ("proof", "observed"): Bilingual(
        zh="由收据所附状态证明得出；多个节点对该区块哈希及其终局性的陈述一致。",
        en="Proven by the receipt's state proof, under a block about whose hash and finality "
        "several nodes agree.",
    ),
    ("asserted", "asserted"): Bilingual(
        zh="由收据所附状态证明得出；该区块属于此链且已终局，系由出证人认定，须另行核对区块哈希。",
        en="Proven by the receipt's state proof; that its block is a final one of this chain is "
        "the issuer's assertion: compare the block hash yourself.",
    ),
    ("proof", "asserted"): Bilingual(
        zh="由收据所附状态证明得出；该区块属于此链且已终局，系由出证人的信任策略指定，须另行核对区块哈希。",
        en="Proven by the receipt's state proof; that its block is a final one of this chain is "
        "what the issuer's trust policy says: compare the block hash yourself.",
    ),
}

# The networks that usually have these chain ids.
NETWORKS = {
    1: Bilingual(zh="以太坊主网", en="Ethereum Mainnet"),
    10: Bilingual(zh="OP 主网", en="OP Mainnet"),
    8453: Bilingual(zh="Base 主网", en="Base"),
    560048: Bilingual(zh="测试网络 Hoodi", en="Hoodi, a test network"),
    11155111: Bilingual(zh="测试网络 Sepolia", en="Sepolia, a test network"),
    31337: Bilingual(zh="开发链", en="a development chain"),
}


def describe_kind(anchor: VerifiedAnchor) -> Bilingual | None:
    """Return the kind of chain, in the words of every report; None for a main chain."""
    if anchor.kind == "main":
        return None
    zh, en = CHINESE.kinds[anchor.kind], KIND_SENTENCES[anchor.kind]
    return Bilingual(zh=f"该链是{zh}。", en=f"The chain is {en}.")


def describe_result(anchor: VerifiedAnchor) -> Bilingual:
    """Return the result in the words of every report, which never claim more than was proven."""
    is_asserted = anchor.assurance == "asserted"
    if anchor.kind == "main" and not is_asserted:
        return VERIFIED
    zh, en = CHINESE.verified[anchor.kind], ENGLISH.verified[anchor.kind]
    if is_asserted:
        zh = CHINESE.verified_by_you.format(headline=zh).replace("由您", "由出证人")
        en = f"{en}, by a block that only the issuer vouches for"
    return Bilingual(zh=zh, en=f"{en[0].upper()}{en[1:]}")


def list_not_proven(open_questions: Sequence[str]) -> list[Bilingual]:
    """Return all that is not proven: in general, and by this verification in particular."""
    left = [ABANDONED_SINCE] if UNKNOWN in open_questions else []
    return [*NOT_PROVEN, *left]


def list_assumptions(anchor: VerifiedAnchor | None, *, is_pinned: bool) -> list[Bilingual]:
    """Return the assumptions that a reader has to trust in spite of the verification."""
    assumptions = [HASHES]
    if anchor is not None:
        kind = describe_kind(anchor)
        if kind is not None:
            assumptions.insert(0, kind)
        assumptions.append(BASES[anchor.assurance, anchor.finality])
    if not is_pinned:
        assumptions.append(UNPINNED)
    return [*assumptions, CLAIMED_INDEX, HINTS]
