// Unpack the page's style, markup and script; the content policy lets no other style or script in.
// Ascii85 with v for <; the first byte is the number of bytes before the packed text (build.mjs).
const letters = document.getElementById("packed").textContent;
const packed = new DataView(new ArrayBuffer((letters.length / 5) * 4));
for (let at = 0; at < letters.length; at += 5) {
  const digits = [...letters.slice(at, at + 5)].map((letter) => (letter === "v" ? 60 : letter.charCodeAt(0)) - 33);
  packed.setUint32((at / 5) * 4, digits.reduce((sum, digit) => sum * 85 + digit, 0));
}
const trust = (text) => text;
const rules = { createHTML: trust, createScript: trust };
const types = self.trustedTypes?.createPolicy("loader", rules) ?? rules;
const add = (name, text) => {
  const element = document.createElement(name);
  element.textContent = text;
  document.body.append(element);
};
Promise.resolve()
  .then(() => new Blob([packed.buffer.slice(packed.getUint8(0))]).stream().pipeThrough(new DecompressionStream("deflate-raw")))
  .then((stream) => new Response(stream).text())
  .then((text) => {
    const [style, markup, script] = text.split("\0");
    add("style", style);
    document.body.insertAdjacentHTML("afterbegin", types.createHTML(markup));
    add("script", types.createScript(script));
  })
  .catch(() => document.body.append("This browser is too old for this page. 此浏览器版本过旧。"));
