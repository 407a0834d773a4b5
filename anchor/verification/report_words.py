"""The fixed words of a verification report in English and Chinese.

``anchor.verification.translation`` translates the sentences of steps, claims and errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from anchor.ethereum.known_chains import HEADLINES, KIND_SENTENCES, ChainKind
from anchor.verification.translation import to_chinese


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language's words; an empty mapping keeps the report's own words."""

    verdicts: Mapping[str, str]
    steps: Mapping[int, str]
    claims: Mapping[str, str]
    not_proven: tuple[str, ...]
    closing: str
    policy: str
    no_policy: str
    asked: str
    unchanged_since: str
    existed_by: str
    anchored: str
    by_one_node: str
    by_nodes: str
    by_proof: str
    by_asserted_proof: str
    by_policy_proof: str
    chain_is: str
    kinds: Mapping[ChainKind, str]
    verified: Mapping[ChainKind, str]
    verified_by_you: str
    not_verified: str
    place: str
    statements: str
    note: str
    brief_unpinned: str
    local_time: str
    more_with_steps: str
    brief: Mapping[str, str]
    brief_existed_by: str
    say: Callable[[str], str]
    """Translates a detail, a reason or a hint into this language."""


ENGLISH = Words(
    verdicts={},
    steps={},
    claims={},
    not_proven=(),
    closing="Not proven: {items}.",
    policy="Trust policy: {name}",
    no_policy="No trust policy was given; taken from the receipt, unpinned:",
    asked="Asked: {names}",
    unchanged_since="Unchanged since it was recorded; the record existed no later than {time},",
    existed_by="The record existed no later than {time},",
    anchored="anchored by {submitter} on chain {chain}, block {block} ({basis}: assurance "
    "{level}).",
    by_one_node="as one node says",
    by_nodes="as the nodes agree",
    by_proof="proven in block {block}, whose hash the nodes agree about",
    by_asserted_proof="proven in block {block}, a block that only you vouch for",
    by_policy_proof="proven in block {block}, which the trust policy names as final",
    chain_is="Chain {chain} is {kind}.",
    kinds=KIND_SENTENCES,
    verified=HEADLINES,
    verified_by_you="{headline}, by a block that only you vouch for",
    not_verified="NOT VERIFIED",
    place="leaf {index} of a log of {size} leaves",
    statements="The record also holds the operator's own statements, which nothing here checks: "
    "{names}",
    note="Note: {text}",
    brief_unpinned="{detail}; unpinned: {items}",
    local_time="{utc} ({local} here)",
    more_with_steps="Each step and claim: --steps",
    brief={"fail": "refused", "cannot tell": "undecided"},
    brief_existed_by="existed no later than {time} UTC",
    say=str,
)

CHINESE = Words(
    verdicts={
        "pass": "通过",
        "fail": "不通过",
        "cannot tell": "无法判断",
        "not present": "未提供",
    },
    steps={
        1: "收据格式正确",
        2: "文件与记录一致",
        3: "记录在日志中",
        4: "登记合约与日志受信任",
        5: "链与区块正确",
        6: "登记合约的代码一致",
        7: "根已上链且已终局",
        8: "锚定与收据所述一致",
        9: "提交者被接受，且日志所有者未放弃该锚定",
        10: "最晚存在时间",
    },
    claims={
        "C1": "文件与存证时一致",
        "C2": "记录包含于已上链的日志",
        "C3": "链上登记真实存在且已终局",
        "C4": "记录不晚于以下时间已存在",
        "C5": "记录不早于以下时间形成",
        "C6": "由被接受的密钥提交",
        "C7": "取证与保管过程有记载",
        "C8": "运营方的日志无缺号、未被改写",
        "C9": "算法仍可接受，或已及时更新",
    },
    not_proven=(
        "内容真实，或其确为所称之物",
        "由谁制作（仅知由哪个密钥提交）",
        "记录之前发生过什么",
        "没有遗漏，或运营方没有另立日志",
    ),
    closing="不证明的事项：{items}。",
    policy="信任策略：{name}",
    no_policy="未提供信任策略；以下取自收据，未经固定：",
    asked="询问的节点：{names}",
    unchanged_since="自记录时起未经更改；该记录不晚于 {time} 已存在，",
    existed_by="该记录不晚于 {time} 已存在，",
    anchored="由 {submitter} 锚定于链 {chain} 的区块 {block}（{basis}；保证级别 {level}）。",
    by_one_node="依据单一节点的陈述",
    by_nodes="多个节点的陈述一致",
    by_proof="由区块 {block} 的状态证明，多个节点对该区块哈希的陈述一致",
    by_asserted_proof="由区块 {block} 的状态证明；该区块仅由您担保",
    by_policy_proof="由区块 {block} 的状态证明；信任策略指定该区块已终局",
    chain_is="链 {chain} 是{kind}。",
    kinds={
        "test": "测试网络：其代币可免费取得，在法庭上不能证明任何事项",
        "development": "开发链：运行者可任意选定其区块及区块时间",
        "unlisted": "本版本未收录的链",
    },
    verified={
        "main": "验证通过",
        "test": "在测试网络上验证通过（在法庭上不能证明任何事项）",
        "development": "在开发链上验证通过（不能证明真实时间）",
        "unlisted": "在本版本未收录的链上验证通过（其证明力由您自行判断）",
    },
    verified_by_you="{headline}，所依据的区块仅由您担保",
    not_verified="未通过验证",
    place="日志共 {size} 片叶，本记录为序号 {index} 的叶",
    statements="记录中另有运营方自己的陈述，本次验证未作核对：{names}",
    note="说明：{text}",
    brief_unpinned="{detail}；未经固定：{items}",
    local_time="{utc}（本机时区 {local}）",
    more_with_steps="逐步列出各步骤与各项声明：--steps",
    brief={"fail": "不通过", "cannot tell": "无法判断"},
    brief_existed_by="不晚于 {time} UTC 已存在",
    say=to_chinese,
)

WORDS: Mapping[str, Words] = {"en": ENGLISH, "zh": CHINESE}
