/** The page's own words in English and Chinese; those of the report are the command line's. */

import release from "../release.json" with { type: "json" };

export type Language = "en" | "zh";

const WORDS = {
  title: ["Verify evidence", "核验电子证据"],
  lead: [
    "Is this file unchanged since it was anchored on a chain? Everything is computed here, in your browser. Nothing is uploaded.",
    "此文件自锚定上链以来是否未经更改？全部计算都在您的浏览器中完成，不上传任何内容。",
  ],
  genuine: ["How to check this page", "如何核对本页"],
  genuinewhy: [
    "A copy of this page that comes from the party whose evidence you verify proves nothing: it can show whatever that party likes.",
    "由提交证据的一方发送或架设的本页副本不能证明任何事项：该方可使其显示任意内容。",
  ],
  genuinehow: [
    "Take it from a release that you obtained yourself, or save this page as a file and compare its SHA-256:",
    "请使用您自行取得的发布版本中的本页，或将本页另存为文件并比对其 SHA-256：",
  ],
  genuinewith: [
    "with what `anchor verifier --sha256` prints on a machine of yours. “Save page as…” of a browser may alter the file: use “Save link as…”, or curl.",
    "与您自己的计算机上 `anchor verifier --sha256` 的输出比对。浏览器的“网页另存为”可能改动文件：请用“链接另存为”或 curl。",
  ],
  given: ["What you were given", "您收到的材料"],
  file: ["File", "文件"],
  filehint: ["Drop it anywhere on this page, or choose it.", "拖放到页面任意位置，或点击选择。"],
  digest: ["Or its digest, without the file", "或仅填写其摘要"],
  receipt: ["Receipt", "收据"],
  receipthint: ["It came with the file, and is often called FILE.anchor.json.", "随文件提供，通常名为“文件名.anchor.json”。"],
  paste: ["Or paste it", "或粘贴其内容"],
  choose: ["Choose…", "选择…"],
  trust: ["What you rely on", "您所依据的信任"],
  trusthint: [
    "A receipt cannot vouch for itself. From a source of your own, say whose log counts, and who answers for the chain.",
    "收据不能自证。请依据您自己的来源，指明以谁的日志为准，以及由谁为区块链作答。",
  ],
  policy: ["Whose log", "谁的日志"],
  policyhint: [
    "Your own trust policy (trust.toml), and never one that came with the evidence. Without one nothing says whose log counts, and the result stays open.",
    "您自己的信任策略（trust.toml），切勿使用随证据一并提供的策略。若不提供，则无从确定以谁的日志为准，结果将为无法核验。",
  ],
  accept: ["Accept what no policy pins", "接受未经策略固定的内容"],
  accepthint: [
    "The result then rests on the receipt's own claims of chain and owner, and lists them.",
    "此时结果以收据自称的链与所有者为依据，并逐项列明。",
  ],
  chains: ["Chains that count, by id", "计入的链（链 ID）"],
  chainshint: [
    "Empty: all, but test and development chains, which count only where you or your policy name them.",
    "留空则计入全部，但测试网与开发链除外：须由您或您的策略指明方可计入。",
  ],
  question: ["Whose policy is {name}?", "{name} 是谁的策略？"],
  questionwhy: [
    "A trust policy decides whose log counts. Whoever gave you the evidence may have written this one to suit it. Use it only if you wrote it, or had it from a source of your own.",
    "信任策略决定以谁的日志为准。该策略可能由向您提供证据的一方为其证据量身拟定。仅在该策略由您制定或取自您自己的来源时使用。",
  ],
  questionpins: ["It pins:", "该策略所指定的内容："],
  pin: ["{chain}: log {logs} of owner {owner}, registry {registry}", "{chain}：所有者 {owner} 的日志 {logs}，登记合约 {registry}"],
  pinblocks: ["block hashes that it calls final: {n}", "视为已终局的区块哈希：{n} 个"],
  pinnodes: ["nodes: {names}", "节点：{names}"],
  questionbad: ["It cannot be read as a policy: {why}", "无法作为策略读取：{why}"],
  ismine: ["It is mine: use it", "是我的：使用"],
  isfile: ["It is the file to verify", "是待核验的文件"],
  leave: ["Leave it out", "不使用"],
  unlisted: ["chain {n}", "链 {n}"],
  badchains: ["Chain ids are whole numbers, like 1.", "链 ID 为整数，例如 1。"],
  dropped: ["dropped on this page; you said that it is yours", "拖放至本页，您确认为您所有"],
  pins: ["More: another log or registry; paste a policy", "更多：其他日志或登记合约；粘贴策略"],
  pastepolicy: ["Policy", "策略"],
  typed: ["Or type what you checked yourself:", "或填写您自己核实的内容："],
  chain: ["Chain id", "链 ID"],
  owner: ["The log's owner", "日志所有者"],
  log: ["The log's number", "日志编号"],
  registry: ["Registry, if not this release's", "登记合约（若非本版本的合约）"],
  block: ["The chain", "区块链"],
  blockhint: [
    "Either the hash of one final block, as block explorers of several operators show it; or nodes of several operators, to be asked.",
    "二者择一：多家区块浏览器一致显示的某个已终局区块的哈希；或由多家运营的节点，由本页询问。",
  ],
  wanted: ["This receipt is proven by block {block} of chain {chain}: look up its hash there.", "此收据由链 {chain} 的区块 {block} 证明：请查询该区块的哈希。"],
  unproven: ["This receipt holds no proof of its own for chain {chain}: nodes have to be asked.", "此收据不含链 {chain} 的状态证明：须询问节点。"],
  promised: ["This receipt is a promise: no anchor is named in it yet.", "此收据仅为承诺：尚未载明任何锚定。"],
  hashes: ["Block hash", "区块哈希"],
  nodes: ["Nodes, one URL on each line", "节点，每行一个网址"],
  quorum: ["How many of them have to agree", "须有几个一致"],
  offline: ["Ask no node, not even the policy's", "不询问任何节点，包括策略所列的节点"],
  verify: ["Verify", "核验"],
  asksnobody: ["Nothing is sent to anybody.", "不向任何人发送任何内容。"],
  asks: ["Pressing may ask: {names}. They learn which block, and without a proof in the receipt which root; nothing of the file.", "按下后可能会询问：{names}。对方会得知所查区块；收据不含证明时还会得知所查的根；不会得知文件的任何内容。"],
  hashing: ["Hashing… {part} %", "计算摘要… {part} %"],
  asking: ["Checking…", "核验中…"],
  ready: ["{name}, {size} bytes", "{name}，{size} 字节"],
  unread: ["{name} cannot be read: {why}", "无法读取 {name}：{why}"],
  needfile: ["Choose a file, or type its digest.", "请选择文件，或填写其摘要。"],
  needreceipt: ["Choose the receipt, or paste it.", "请选择收据，或粘贴其内容。"],
  baddigest: ["A digest is 64 hex digits, with sha256: or sm3: before them.", "摘要为 64 位十六进制数字，前加 sha256: 或 sm3:。"],
  badquorum: ["{n} cannot agree of {nodes} named.", "{n} 个无法从所列 {nodes} 个节点中达成。"],
  badnumber: ["{what}: a whole number is needed.", "{what}：须为整数。"],
  noowner: ["Chain id and owner go together.", "链 ID 与所有者须一并填写。"],
  onepolicy: ["Either a policy, or what you type: not both.", "策略与手工填写只能择一。"],
  twice: ["One node is named twice.", "同一节点重复列出。"],
  bug: ["This page failed: {why}", "本页出错：{why}"],
  r0: ["Unchanged since it was recorded", "自记录时起未经更改"],
  r0asserted: ["Unchanged since it was recorded, if the block that you named is final", "自记录时起未经更改，前提是您指明的区块确已终局"],
  r0unpinned: ["Unchanged since it was recorded, as far as the receipt's own claims go", "自记录时起未经更改，但以收据自称的内容为限"],
  r2: ["The receipt, or a proof in it, is not well formed", "收据或其中的证明格式不正确"],
  r10: ["Something does not match", "存在不一致"],
  r10file: ["This is not the file that was recorded", "这不是所记录的文件"],
  r11: ["The registry does not hold this record's root", "登记合约未登记该记录的根"],
  r12: ["This is not what you trust", "与您的信任不符"],
  r13: ["The owner of the log abandoned this anchor", "日志所有者已放弃此锚定"],
  r20: ["It could not be checked", "无法核验"],
  r20unpinned: ["Left open: no trust policy says whose log counts", "无法认定：没有信任策略指明以谁的日志为准"],
  r21: ["Not final yet", "尚未终局"],
  r22: ["A version that this page does not know", "本页不认识的版本"],
  neither: ["Neither a yes nor a no.", "既非肯定，也非否定。"],
  steps: ["Step by step", "逐步核验"],
  claims: ["What this amounts to", "结论"],
  times: ["When", "时间"],
  timesnote: ["In order, not to scale. Times are UTC.", "按先后排列，不按比例。时间均为 UTC。"],
  claimed: ["recorded, by the operator's clock: a claim", "记录时间，依运营方时钟：仅为声明"],
  included: ["anchored in block {block} of chain {chain}", "锚定于链 {chain} 的区块 {block}"],
  latest: ["the record existed no later than this", "该记录不晚于此时已存在"],
  notime: ["No time is proven.", "未证明任何时间。"],
  checked: ["checked, by this computer's clock", "核验时间，依本机时钟"],
  path: ["From the record to the root", "从记录到根"],
  pathnote: ["Leaf {index} of a log of {size}, counted from 0. A leaf is SHA-256(00 ‖ record), each node above it SHA-256(01 ‖ left ‖ right).", "日志共 {size} 个叶，此为第 {index} 个（从 0 计）。叶为 SHA-256(00 ‖ 记录)，其上各节点为 SHA-256(01 ‖ 左 ‖ 右)。"],
  pathfails: ["The path does not lead to the root that the receipt names.", "该路径不通向收据所载的根。"],
  leaf: ["leaf {index}", "叶 {index}"],
  root: ["root", "根"],
  picture: ["The Merkle path of {n} steps, from the leaf up to the root; its hashes are listed below.", "从叶到根共 {n} 步的默克尔路径；各哈希列于下方。"],
  eachstep: ["Each step, to be redone with sha256sum", "每一步，可用 sha256sum 重做"],
  notproven: ["Not proven", "不证明的事项"],
  basis: ["What it rests on", "依据"],
  values: ["Values", "各项数值"],
  copy: ["Copy", "复制"],
  copied: ["Copied", "已复制"],
  name: ["name", "名称"],
  size: ["size", "大小"],
  logid: ["log", "日志"],
  registryof: ["registry, chain {chain}", "登记合约，链 {chain}"],
  recorded: ["recorded", "记录时间"],
  proofblock: ["block of the proof", "证明所用区块"],
  submitter: ["submitter", "提交者"],
  policyfrom: ["Trust policy: {name}", "信任策略：{name}"],
  save: ["Save as JSON", "另存为 JSON"],
  print: ["Print", "打印"],
} as const;

export type Key = keyof typeof WORDS;

/** One language's report words, those of `anchor verify --lang`. */
export const reportWords = (language: Language) => release[language];

/** Return the words of `key`, with the values put in. */
export function say(language: Language, key: Key, values: { readonly [name: string]: unknown } = {}): string {
  return insert(WORDS[key][language === "en" ? 0 : 1], values);
}

/** Put values into a text's {places}. */
export const insert = (text: string, values: { readonly [name: string]: unknown }): string =>
  text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name]));
