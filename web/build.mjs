// Build the verifier page, one file that needs no other, and the script of the service's page on which
// evidence is submitted, the one that sends copies from there, and the one for passkeys.
//
//     node build.mjs PAGE [SCRIPT UPLOAD PASSKEY]
//
// The page's style, markup and script are packed, because the page is to stay small: a loader of a few lines
// unpacks them.  The page's own policy names the hashes of both scripts and of the style, so that the
// browser runs no other, whatever the packed text holds.  fflate packs the same bytes on every
// machine, which zlibs do not.

import { build, transform } from "esbuild";
import { deflateSync } from "fflate";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";

const TARGET = "es2022";
const here = (name) => new URL(name, import.meta.url);
const read = (name) => readFileSync(here(name), "utf8");
const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const { script, number } = await bundle("src/main.ts", "src/release.json");
const style = (await minify("page.css", "css")).trim();
const markup = read("body.html").replace(/^\s+/gm, "").replace(/data-t="([^"]+)"/g, (_, id) => `data-t="${number(id)}"`);
// Three texts, none of which holds the character between them.
const packed = deflateSync(new TextEncoder().encode([style, markup, script].join("\0")), { level: 9, mem: 12 });
const loader = (await minify("loader.js", "js")).trim();

const policy = [
  "default-src 'none'",
  `script-src ${hash(loader)} ${hash(script)}`,
  `style-src ${hash(style)}`,
  "connect-src https: http://127.0.0.1:* http://localhost:*",
  "worker-src blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types loader worker",
].join("; ");

const parts = { policy, loader, packed: encode85(packed) };
const page = read("page.html")
  .replace(/^\s+/gm, "")
  .replace(/\{\{(\w+)\}\}/g, (_, name) => parts[name]);
writeFileSync(process.argv[2], page);
if (process.argv.length > 3) {
  writeFileSync(process.argv[3], `${(await bundle("src/submit.ts", "src/submit/texts.json")).script}\n`);
  writeFileSync(process.argv[4], `${(await bundle("src/upload.ts", "src/submit/texts.json")).script}\n`);
  writeFileSync(process.argv[5], `${(await bundle("src/passkey.ts", "src/submit/texts.json")).script}\n`);
}

// Ascii85, which is 6 % shorter than base64; v stands for <, which could end the element.
function encode85(data) {
  const skipped = 4 - (data.length % 4);
  const words = Buffer.concat([Buffer.alloc(skipped, skipped), data]);
  let text = "";
  for (let at = 0; at < words.length; at += 4) {
    const word = words.readUInt32BE(at);
    for (const value of [52_200_625, 614_125, 7_225, 85, 1]) {
      text += String.fromCharCode(33 + (Math.floor(word / value) % 85));
    }
  }
  return text.replaceAll("<", "v");
}

// Ids of messages are for readers of the sources: a script has their numbers in the file `texts`.
async function bundle(entry, texts) {
  const release = JSON.parse(read(texts));
  const ids = Object.keys(release.en);
  const number = (id) => {
    if (!ids.includes(id)) {
      throw new Error(`${basename(texts)} does not have the message ${id}`);
    }
    return `${ids.indexOf(id)}`;
  };
  const numbers = {
    name: "numbers",
    setup({ onLoad }) {
      onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
        loader: "ts",
        contents: readFileSync(path, "utf8").replace(/\bmessage\(\s*"([^"]+)"/g, (_, id) => `message("${number(id)}"`),
      }));
      onLoad({ filter: /\/src\/.*\.json$/ }, () => ({
        loader: "json",
        contents: JSON.stringify({ ...release, en: Object.values(release.en), zh: Object.values(release.zh) },
          (_, value) => (ids.includes(value) ? number(value) : value)),
      }));
    },
  };
  const made = await build({
    absWorkingDir: here(".").pathname,
    entryPoints: [entry],
    bundle: true,
    charset: "utf8",
    format: "iife",
    legalComments: "none",
    minify: true,
    plugins: [numbers],
    target: TARGET,
    write: false,
  });
  const script = made.outputFiles[0].text.trim();
  const literal = ids.find((id) => script.includes(`"${id}"`));
  if (literal) {
    throw new Error(`the script names the message ${literal} otherwise than by message("…")`);
  }
  return { script, number };
}

async function minify(name, loader) {
  const made = await transform(read(name), { loader, charset: "utf8", minify: true, target: TARGET });
  return made.code;
}
