/** The Merkle path as a picture, and as a list of every hash. */

import { encodeUtf8, type Hex } from "../bytes.ts";
import { foldPath, hashLeaf, pathSides } from "../merkle.ts";
import { message } from "../messages.ts";
import type { Head, Receipt } from "../receipt.ts";
import { draw, make } from "./elements.ts";
import type { Say } from "./report.ts";

// Boxes in three columns: siblings on the left, ours, siblings on the right.
const WIDTH = 340;
const MIDDLE = 170;
// Above the root there is room for its name.
const TOP = 18;
const ROW = 46;
const BOX = 26;
const COLUMNS = { left: 0, middle: 118, right: 236 };
const BOX_WIDTH = 104;

/** Show the way of the receipt's first anchor, or of its promise. */
export function showPath(receipt: Receipt, say: Say): HTMLElement[] {
  const head = receipt.anchors[0]?.head ?? receipt.promise!;
  const leaf = hashLeaf(encodeUtf8(receipt.record));
  let hashes: Hex[];
  const { index } = receipt;
  const fails = () => make("p", { class: "problem" }, say(message("page-path-fails")));
  try {
    hashes = foldPath(leaf, index, head.size, head.path);
  } catch {
    return [fails()];
  }
  const sides = pathSides(index, head.size, head.path.length);
  const holds = hashes.at(-1) === head.root;
  const picture = drawPath(hashes, sides, head, index, holds, say);
  return [
    make("p", {}, say(message("page-path-note", { index, size: head.size }))),
    ...(holds ? [] : [fails()]),
    make("figure", {}, picture as unknown as Node),
    make("details", {}, make("summary", {}, say(message("page-path-steps"))), listSteps(hashes, sides, head)),
  ];
}

function drawPath(
  hashes: readonly Hex[], sides: readonly boolean[], head: Head, index: number, holds: boolean, say: Say,
): SVGElement {
  const height = TOP + hashes.length * ROW;
  const top = (step: number) => height - (step + 1) * ROW + 2;
  const lines: SVGElement[] = [];
  const boxes: SVGElement[] = [];
  hashes.forEach((hash, step) => {
    const isRoot = step === hashes.length - 1;
    const label = step === 0 ? message("page-leaf", { index }) : isRoot ? message("page-root") : null;
    const kind = isRoot ? (holds ? "root" : "broken") : "ours";
    boxes.push(drawBox(COLUMNS.middle, top(step), hash, kind));
    if (label) {
      const y = isRoot ? top(step) - 6 : top(step) + BOX + 13;
      boxes.push(draw("text", { x: `${MIDDLE}`, y: `${y}`, class: "label centre" }, say(label)));
    }
    if (isRoot) {
      return;
    }
    const x = sides[step]! ? COLUMNS.left : COLUMNS.right;
    boxes.push(drawBox(x, top(step), head.path[step]!, "other"));
    const joint = top(step) - (ROW - BOX) / 2;
    lines.push(
      draw("path", { d: `M${x + BOX_WIDTH / 2} ${top(step)}V${joint}H${MIDDLE}`, class: "way" }),
      draw("path", { d: `M${MIDDLE} ${top(step)}V${top(step + 1) + BOX}`, class: "way ours" }),
    );
  });
  return draw(
    "svg",
    { viewBox: `-2 0 ${WIDTH + 4} ${height + 2}`, role: "img", "aria-label": say(message("page-path-picture", { steps: sides.length })) },
    ...lines, ...boxes,
  );
}

const drawBox = (x: number, y: number, hash: Hex, kind: string): SVGElement =>
  draw(
    "g", { class: `box ${kind}` },
    draw("rect", { x: `${x}`, y: `${y}`, width: `${BOX_WIDTH}`, height: `${BOX}`, rx: "6" }),
    draw("text", { x: `${x + BOX_WIDTH / 2}`, y: `${y + 17}`, class: "centre" },
      `${hash.slice(0, 6)}…${hash.slice(-4)}`),
  );

function listSteps(hashes: readonly Hex[], sides: readonly boolean[], head: Head): HTMLElement {
  const items = sides.map((isLeft, step) => {
    const [ours, other] = [hashes[step]!, head.path[step]!];
    const [left, right] = isLeft ? [other, ours] : [ours, other];
    return make("li", {}, make("code", {}, `01 ${left} ${right} → ${hashes[step + 1]!}`));
  });
  return make("ol", { class: "hashes" }, make("li", {}, make("code", {}, `00 … → ${hashes[0]!}`)), ...items);
}
