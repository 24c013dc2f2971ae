// Drives one Chromium for the tests: for each line of JSON that comes in, {"scenario": …, "options": {…}}, the scenario is played in a profile of its own, and a line
// goes out with what it found: {"value": …} or {"error": …}, and before that one for each thing that it tells on the way: {"event": …}. The end of the input ends the browser.
const readline = require("readline");
const { chromium } = require("playwright-core");

const scenarios = { ...require("./application.cjs"), ...require("./hostile.cjs"), ...require("./others.cjs") };
const LIMIT = 30_000;

const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

async function play(browser, { scenario, options }) {
  const context = await browser.newContext({ acceptDownloads: true, ...options.context });
  context.setDefaultTimeout(LIMIT);
  try {
    return { value: await scenarios[scenario](context, options, (event) => say({ event })) };
  } catch (error) {
    const pages = await Promise.all(context.pages().map(async (page) => `${page.url()}: ${await page.innerText("body", { timeout: 1000 }).catch(() => "?")}`));
    return { error: `${error.stack}\n${pages.join("\n").slice(0, 4000)}` };
  } finally {
    await context.close();
  }
}

async function main() {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", ...JSON.parse(process.argv[2]) });
  say({ value: browser.version() });
  for await (const line of readline.createInterface({ input: process.stdin })) say(await play(browser, JSON.parse(line)));
  await browser.close();
}

main().catch((error) => {
  say({ error: error.stack });
  process.exit(1);
});
