// Drives Firefox by WebDriver BiDi: one JSON request a line in, one answer out.
//
//     node driver.mjs FIREFOX DOWNLOADS

import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const [executablePath, downloads] = process.argv.slice(2);
const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath,
  headless: true,
  extraPrefsFirefox: {
    "browser.download.folderList": 2,
    "browser.download.dir": downloads,
    "intl.accept_languages": "en-GB",
  },
});
const page = await browser.newPage();
page.setDefaultTimeout(60_000);
const said = [];
page.on("console", (message) => said.push(message.text()));
page.on("pageerror", (error) => said.push(`error: ${error}`));

const ACTIONS = {
  version: () => browser.version(),
  cookie: ({ name, value, url }) =>
    browser.setCookie({ name, value, domain: new URL(url).hostname, path: "/" }),
  open: async ({ url }) => void (await page.goto(url)),
  choose: async ({ selector, paths }) => (await page.waitForSelector(selector)).uploadFile(...paths),
  click: async ({ selector }) => page.locator(selector).click(),
  fill: async ({ selector, text }) => page.locator(selector).fill(text),
  wait: async ({ selector, text }) => {
    const isThere = (where, what) =>
      [...document.querySelectorAll(where)].some((one) => one.textContent.includes(what));
    await page.waitForFunction(isThere, {}, selector, text);
  },
  text: async ({ selector }) => (await page.waitForSelector(selector)).evaluate((one) => one.innerText),
  said: () => said,
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await ACTIONS[request.do](request)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
