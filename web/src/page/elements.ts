/** Making and finding elements: text only ever becomes text, never markup. */

type Attributes = { readonly [name: string]: string | boolean };
export type Child = Node | string;

/** Make an element; an attribute that is false is left out. */
export function make(name: string, attributes: Attributes = {}, ...children: Child[]): HTMLElement {
  return fill(document.createElement(name), attributes, children);
}

/** Make an element of a picture. */
export function draw(name: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill<Kind extends Element>(element: Kind, attributes: Attributes, children: Child[]): Kind {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children);
  return element;
}

/** Return the page's element of that id. */
export function find<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind;
}

/** Hand a JSON document to the person as a file. */
export function download(name: string, value: unknown): void {
  saveFile(name, new Blob([`${JSON.stringify(value, null, 1)}\n`], { type: "application/json" }));
}

/** Hand a file to the person. */
export function saveFile(name: string, data: Blob): void {
  const url = URL.createObjectURL(data);
  make("a", { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}

/**
 * Return a foreign text as it may be shown: characters that steer or hide others (controls,
 * directions, zero widths) are spelled out, so that a name looks like what it is.
 */
export function show(text: string, most = 300): string {
  const letters = [...text];
  const cut = letters.length > most ? `… (${letters.length})` : "";
  return letters.slice(0, most).join("").replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/gu,
    (letter) => `\\u{${letter.codePointAt(0)!.toString(16)}}`,
  ) + cut;
}
