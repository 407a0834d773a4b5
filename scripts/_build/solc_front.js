// An executable front over npm's solc, for machines that cannot download the native compiler.
//
// scripts/_build/setup_compiler.py copies it to where py-solc-x looks for `solc-v<version>`, with the two
// constants filled in. py-solc-x, ape-solidity and forge then use it like the native program:
//   solc --version
//   solc --standard-json [--base-path DIR] [--include-path DIR] [--allow-paths …] < in > out
// Nothing but the answer goes to stdout.
"use strict";

const LONG_VERSION = "@LONG_VERSION@";
const PACKAGE = "@PACKAGE@";

const fs = require("fs");
const path = require("path");

function main(args) {
  if (!fs.existsSync(path.join(PACKAGE, "package.json"))) {
    return fail(`npm's solc is no longer in ${PACKAGE}: run scripts/_build/setup_compiler.py again`);
  }
  if (args.includes("--version")) {
    // Without loading the compiler, which takes a second.
    return answer(`solc, the solidity compiler commandline interface\nVersion: ${LONG_VERSION}\n`);
  }
  if (!args.includes("--standard-json")) {
    return fail("this front knows --version and --standard-json only");
  }
  const folders = [...valuesOf(args, "--base-path"), ...valuesOf(args, "--include-path")];
  const input = fs.readFileSync(0, "utf8");
  const solc = require(PACKAGE);
  answer(solc.compile(input, { import: (name) => readSource(folders, name) }) + "\n");
}

function valuesOf(args, flag) {
  const after = args.filter((_, at) => at > 0 && args[at - 1] === flag);
  const joined = args.filter((arg) => arg.startsWith(`${flag}=`));
  return [...after, ...joined.map((arg) => arg.slice(flag.length + 1))];
}

function readSource(folders, name) {
  for (const folder of folders.length > 0 ? folders : ["."]) {
    const file = path.resolve(folder, name);
    if (fs.existsSync(file)) return { contents: fs.readFileSync(file, "utf8") };
  }
  return { error: "File not found" };
}

// No process.exit(): it would cut a large answer off at a pipe's 64 KiB.
function answer(text) {
  process.stdout.write(text);
}

function fail(message) {
  process.stderr.write(`solc front: ${message}\n`);
  process.exitCode = 1;
}

main(process.argv.slice(2));
