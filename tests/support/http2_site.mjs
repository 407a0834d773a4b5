// A site over HTTP/2 alone: its key and certificate are the PEM file of the first argument.
import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";
import { gzipSync } from "node:zlib";

const pem = readFileSync(process.argv[2]);
const files = {
  "/": ["text/html; charset=utf-8", "<!doctype html><title>Second</title><p>Over the second version<script src=/two.js></script>"],
  "/two.js": ["text/javascript", "document.body.append(' and its script');"],
};
const server = createSecureServer({ key: pem, cert: pem, allowHTTP1: false });
server.on("stream", (stream, headers) => {
  const [type, text] = files[headers[":path"]] ?? ["text/plain", "none"];
  stream.respond({
    ":status": files[headers[":path"]] ? 200 : 404,
    "content-type": type,
    "content-encoding": "gzip",
    "x-odd": "a  b\u00e9",
  });
  stream.end(gzipSync(text));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
