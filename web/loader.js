// Unpack the page's script and run it; the content policy lets no other run.
const packed = Uint8Array.from(atob(document.getElementById("packed").textContent), (letter) => letter.charCodeAt(0));
const run = (text) => {
  const types = self.trustedTypes?.createPolicy("loader", { createScript: (script) => script });
  const element = document.createElement("script");
  element.textContent = types ? types.createScript(text) : text;
  document.body.append(element);
};
Promise.resolve()
  .then(() => new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw")))
  .then((stream) => new Response(stream).text())
  .then(run)
  .catch(() => document.querySelector("noscript").replaceWith("This browser is too old for this page. 此浏览器版本过旧。"));
