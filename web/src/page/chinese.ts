/** What steps, claims and hints say, in Chinese (anchor/verification/translation.py). */

import release from "../release.json" with { type: "json" };

const MAX_CHARACTERS = 2_000;

// The page's own, where it cannot say what the command says.
const OWN = [
  ["name a node of the right chain", "请填写正确链上的节点"],
  ["name more nodes, and how many of them have to agree", "请填写更多节点，并注明须有几个一致"],
  ["if block explorers show this hash for a final block, name it above; or name nodes to ask", "若区块浏览器显示此哈希属于已终局的区块，请填写于上方；或填写要询问的节点"],
  ["ask for an upgraded receipt, or name nodes to ask", "请索取升级后的收据，或填写要询问的节点"],
  ["name one you trust, here or in your policy", "请在此处或策略中填写您信任的节点"],
  ["name more, each of another operator", "请填写更多节点，且各属不同运营方"],
  ["name nodes of each chain, here or in a trust policy", "请在此处或信任策略中填写各链的节点"],
  ["connection refused or cut, or not open to pages", "连接被拒绝或中断，或不对网页开放"],
  ["this page does not know the registry's code on chain {n}", "本页不知道登记合约在链 {n} 上的代码"],
  ["give a trust policy, which names it; `anchor verify` computes it", "请提供载明该代码的信任策略；`anchor verify` 可自行计算"],
  ["chain {n} is {kind}, and counts only where a trust policy or you name it", "链 {n} 是{kind}，仅在信任策略或您指明时方予计入"],
  ["where it is the chain that you mean: name {n} among the chains that count", "若确为您所指的链：请在“计入的链”中填写 {n}"],
  ["give your trust policy, or tick that you accept what no policy pins", "请提供您的信任策略，或勾选接受未经策略固定的内容"],
  ["name several nodes to ask; or put the hash into the policy's block_hashes", "请填写多个要询问的节点；或将该哈希写入策略的 block_hashes"],
  ["ask for an upgraded receipt: `anchor upgrade`, or name nodes to ask", "请索取升级后的收据（`anchor upgrade`），或填写要询问的节点"],
  ["left out: {why}", "未采用：{why}"],
];

const TEMPLATES = [...OWN, ...release.chinese].map(([english, chinese]): [RegExp, string] => {
  const escaped = english!.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
  return [new RegExp(`^${escaped.replace(/\{([a-z]+)\}/g, "(?<$1>.+?)")}$`, "s"), chinese!];
});

/** Return a sentence in Chinese, or as it is where it is none that is known. */
export function toChinese(text: string): string {
  for (const [pattern, template] of text.length > MAX_CHARACTERS ? [] : TEMPLATES) {
    const found = pattern.exec(text);
    if (found) {
      return template.replace(/\{([a-z]+)\}/g, (_, name: string) => toChinese(found.groups![name]!));
    }
  }
  return text;
}
