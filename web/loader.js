// Unpack the page's style, markup and script; the content policy lets no other style or script in.
const packed = Uint8Array.from(atob(document.getElementById("packed").textContent), (letter) => letter.charCodeAt(0));
const trust = (text) => text;
const rules = { createHTML: trust, createScript: trust };
const types = self.trustedTypes?.createPolicy("loader", rules) ?? rules;
const add = (name, text) => {
  const element = document.createElement(name);
  element.textContent = text;
  document.body.append(element);
};
Promise.resolve()
  .then(() => new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw")))
  .then((stream) => new Response(stream).text())
  .then((text) => {
    const [style, markup, script] = text.split("\0");
    add("style", style);
    document.body.insertAdjacentHTML("afterbegin", types.createHTML(markup));
    add("script", types.createScript(script));
  })
  .catch(() => document.body.append("This browser is too old for this page. 此浏览器版本过旧。"));
