// What a person does with an application: every scenario gets `at`, the address that the person opens.

async function signIn(page, at, { user, password }) {
  await page.goto(at);
  await page.fill("[name=user]", user);
  await page.fill("[name=password]", password);
  await Promise.all([page.waitForURL((url) => url.pathname === "/orders/1"), page.click("button")]);
}

const heading = (page) => page.innerText("h1");

async function click(page, selector, title) {
  await page.click(selector);
  await page.waitForFunction((wanted) => document.querySelector("h1")?.textContent === wanted, title);
  return page.url();
}

// Wrong and right passwords, then around by every kind of link and redirect, and out again. Each step's address is told.
async function walk(context, { at, user, password }) {
  const page = await context.newPage();
  const urls = {};
  await page.goto(at);
  urls.login = page.url();
  await page.fill("[name=user]", user);
  await page.fill("[name=password]", "wrong");
  await page.click("button");
  const alert = await page.innerText("[role=alert]");
  await signIn(page, at, { user, password });
  urls.signedIn = page.url();
  const who = await page.innerText("#user");
  urls.next = await click(page, "#next", "Order 2");
  urls.moved = await click(page, "#moved", "Order 2");
  urls.plain = await click(page, "#plain", "Order 2");
  urls.refresh = await click(page, "#refresh", "Order 2");
  await page.goBack();
  await page.goto(at + "/orders/3");
  await page.reload();
  urls.reload = page.url();
  const cookies = await context.cookies();
  const script = await page.evaluate(() => ({ cookie: document.cookie, secure: isSecureContext, subtle: Boolean(crypto.subtle), origin }));
  await page.click("#out");
  await page.waitForSelector("[name=user]");
  urls.out = page.url();
  await page.goto(at + "/orders/3");
  urls.after = page.url();
  return { urls, alert, who, cookies, script, after: await heading(page) };
}

// Signs in to two applications in one profile, and tells what each one's page can read.
async function twoApplications(context, { places, user, password }) {
  const pages = [];
  for (const at of places) {
    const page = await context.newPage();
    await signIn(page, at, { user, password });
    // What a page tries that wants its cookie to be the others', too.
    await page.evaluate(() => { for (const domain of ["localhost", ".localhost"]) document.cookie = `planted=from-${location.hostname}; domain=${domain}; path=/`; });
    pages.push(page);
  }
  const found = [];
  for (const [n, page] of pages.entries()) {
    await page.reload();
    found.push({ who: await page.innerText("#user"), script: await page.evaluate(() => document.cookie), kept: await context.cookies(places[n]) });
  }
  return found;
}

const CLIENT = { url: (at, path) => at.replace(/^http/, "ws") + path };

async function webSockets(context, { at }) {
  const page = await context.newPage();
  await page.goto(at + "/live");
  return page.evaluate(async (base) => {
    const open = (path, protocols = []) => new Promise((resolve, reject) => {
      const socket = new WebSocket(base + path, protocols);
      socket.binaryType = "arraybuffer";
      socket.onopen = () => resolve(socket);
      socket.onerror = () => reject(new Error("no WebSocket at " + path));
    });
    const next = (socket) => new Promise((resolve, reject) => {
      socket.onmessage = (event) => resolve(event.data);
      socket.onclose = (event) => reject(new Error("closed " + event.code));
    });
    const ended = (socket) => new Promise((resolve) => { socket.onclose = (event) => resolve({ code: event.code, reason: event.reason, clean: event.wasClean }); });
    const echo = await open("/socket/echo", ["other", "portolan.echo"]);
    const out = { protocol: echo.protocol, texts: [] };
    for (const text of ["hello", "grüß dich", "x".repeat(200_000)]) {
      echo.send(text);
      out.texts.push((await next(echo)) === text);
    }
    const bytes = new Uint8Array(1 << 20).map((_, i) => (i * 31) >> 3);
    echo.send(bytes);
    const back = new Uint8Array(await next(echo));
    out.binary = back.length === bytes.length && back.every((byte, i) => byte === bytes[i]);
    const over = ended(echo);
    echo.close(4002, "enough");
    out.closed = await over;
    const counter = new WebSocket(base + "/socket/count?to=1000");
    const numbers = [];
    counter.onmessage = (event) => numbers.push(Number(event.data));
    out.counted = await ended(counter);
    out.inOrder = numbers.length === 1000 && numbers.every((number, i) => number === i);
    return out;
  }, CLIENT.url(at, ""));
}

// Each piece of news is published only when the one before it is on the page.
async function news(context, { at, items }) {
  const page = await context.newPage();
  await page.goto(at + "/live");
  await page.waitForFunction(() => document.querySelector("#state").textContent === "open");
  const from = await page.locator("#news li").count();
  for (const [n, item] of items.entries()) {
    await page.evaluate((text) => fetch("/publish", { method: "POST", body: text }), item);
    await page.waitForFunction((count) => document.querySelectorAll("#news li").length === count, from + n + 1);
  }
  return (await page.locator("#news li").allInnerTexts()).slice(from);
}

async function upload(context, { at, file }) {
  const page = await context.newPage();
  await page.goto(at + "/files");
  await page.setInputFiles("#file", file);
  await page.waitForFunction(() => document.querySelector("#result").textContent);
  return { said: await page.innerText("#result"), seen: await page.evaluate(() => window.seen) };
}

async function download(context, { at, size, file }) {
  const page = await context.newPage();
  await page.goto(at + "/files");
  await page.evaluate((bytes) => { document.querySelector("#download").href = "/download?size=" + bytes; }, size);
  const [taken] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  await taken.saveAs(file);
  return { name: taken.suggestedFilename(), url: taken.url() };
}

// A page of the main name uses the alias: style sheet, image, and scripts that ask for data, with a preflight.
async function alias(context, { at, other, user, password }) {
  const page = await context.newPage();
  await signIn(page, at, { user, password });
  const asked = await page.evaluate(async (base) => {
    const plain = await (await fetch(base + "/stock", { credentials: "include" })).json();
    const checked = await (await fetch(base + "/stock", { method: "PUT", credentials: "include", headers: { "x-asked": "1" } })).json();
    return { plain, checked };
  }, other);
  await page.goto(at + "/links");
  return { ...asked, ...(await links(page)) };
}

async function links(page) {
  await page.waitForFunction(() => document.readyState === "complete");
  return page.evaluate(async () => ({
    order: document.querySelector("#order").href,
    elsewhere: document.querySelector("#elsewhere").href,
    colour: getComputedStyle(document.querySelector("#styled")).color,
    logo: document.querySelector("#logo").naturalWidth,
    json: await (await fetch("/links.json")).json(),
  }));
}

async function readLinks(context, { at, follow }) {
  const page = await context.newPage();
  await page.goto(at + "/links", { waitUntil: follow ? "load" : "domcontentloaded" });
  const found = await links(page);
  if (follow) {
    await page.click("#order");
    await page.waitForSelector("[name=user]");
    found.followed = page.url();
  }
  return found;
}

async function headers(context, { at }) {
  const page = await context.newPage();
  await page.goto(at + "/headers");
  return JSON.parse(await page.innerText("#headers"));
}

module.exports = { walk, twoApplications, webSockets, news, upload, download, alias, readLinks, headers, click, signIn };
