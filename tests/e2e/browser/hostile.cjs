// A page that wants something of an address that is not its own.

// Runs in the page. Every technique asks for a path that ends in its name, and tells what the page has learnt: "blocked", "nothing to see", or what it could read.
async function techniques({ target, mark, redirector, patience }) {
  const url = (name) => `${target}/attack/${mark}/${name}`;
  const body = (element) => document.body.appendChild(element);
  const make = (tag, set) => Object.assign(document.createElement(tag), set);
  const text = async (request) => {
    const answer = await request;
    return answer.type === "opaque" ? "nothing to see" : `read ${answer.status} ${await answer.text()}`;
  };
  const loaded = (element, look = () => "nothing to see") => new Promise((resolve) => {
    element.onload = () => resolve(look());
    element.onerror = () => resolve("blocked");
    body(element);
  });
  const framed = (frame, start = () => {}) => {
    const look = () => { try { return frame.contentDocument ? `read ${frame.contentDocument.documentElement.outerHTML}` : "nothing to see"; } catch { return "nothing to see"; } };
    body(frame);  // the empty document that it begins with is there at once
    const shown = new Promise((resolve) => { frame.onload = () => resolve(look()); });
    start();
    return shown;
  };
  const form = (name, method, action = url(name)) => {
    const frame = make("iframe", { name });
    return framed(frame, () => {
      const sent = body(make("form", { method, action, target: name }));
      sent.appendChild(make("input", { name: "amount", value: "1000" }));
      sent.submit();
    });
  };
  const heard = (source) => new Promise((resolve) => {
    source.onmessage = (event) => { source.close(); resolve(`read ${event.data}`); };
    source.onerror = () => { source.close(); resolve("blocked"); };
  });
  const worker = (name) => new Promise((resolve) => {
    const code = `importScripts(${JSON.stringify(url(name))}); postMessage("read");`;
    const started = new Worker(URL.createObjectURL(new Blob([code.replace("importScripts", "self.window = self; importScripts")])));
    started.onmessage = () => resolve("nothing to see");
    started.onerror = () => resolve("blocked");
  });
  // A frame without an origin, for "Origin: null".
  const sandboxed = (name) => new Promise((resolve) => {
    const script = `fetch(${JSON.stringify(url(name))}, { method: "POST", body: "1", credentials: "include" })
      .then((answer) => answer.text()).then((text) => "read " + text, () => "blocked")
      .then((found) => parent.postMessage({ from: ${JSON.stringify(name)}, found }, "*"))`;
    addEventListener("message", (event) => { if (event.data.from === name) resolve(event.data.found); });
    body(make("iframe", { sandbox: "allow-scripts", srcdoc: `<script>${script}</scr` + "ipt>" }));
  });
  const redirected = (name) => `${redirector}/attack/redirect?to=${encodeURIComponent(url(name))}`;
  const include = { credentials: "include" };
  const all = {
    "fetch": (name) => text(fetch(url(name))),
    "fetch-credentials": (name) => text(fetch(url(name), include)),
    "fetch-no-cors": (name) => text(fetch(url(name), { ...include, mode: "no-cors" })),
    "post-no-cors": (name) => text(fetch(url(name), { ...include, mode: "no-cors", method: "POST", body: "amount=1000" })),
    "post-json": (name) => text(fetch(url(name), { ...include, method: "POST", headers: { "content-type": "application/json" }, body: "{}" })),
    "put": (name) => text(fetch(url(name), { ...include, method: "PUT", body: "{}" })),
    "delete": (name) => text(fetch(url(name), { ...include, method: "DELETE" })),
    "keepalive": (name) => text(fetch(url(name), { ...include, mode: "no-cors", method: "POST", body: "1", keepalive: true, referrerPolicy: "no-referrer" })),
    "beacon": (name) => (navigator.sendBeacon(url(name), "1") ? "nothing to see" : "blocked"),
    "form-post": (name) => form(name, "post"),
    "form-get": (name) => form(name, "get"),
    "redirected-form": (name) => form(name, "post", redirected(name)),
    "redirected-post": (name) => text(fetch(redirected(name), { ...include, mode: "no-cors", method: "POST", body: "1" })),
    "image.svg": (name) => loaded(make("img", { src: url(name) })),
    "cors-image.svg": (name) => loaded(make("img", { crossOrigin: "use-credentials", src: url(name) }), () => "read an image"),
    "script.js": (name) => loaded(make("script", { src: url(name) }), () => `read ${window.secret}`),
    "module.js": (name) => import(url(name)).then((module) => `read ${module.default}`),
    "worker.js": worker,
    "style.css": (name) => loaded(make("link", { rel: "stylesheet", href: url(name) }), () => `read ${getComputedStyle(document.body).getPropertyValue("--secret")}`),
    "prefetch": (name) => loaded(make("link", { rel: "prefetch", href: url(name) })),
    "audio": (name) => new Promise((resolve) => { const audio = new Audio(url(name)); audio.onerror = () => resolve("nothing to see"); audio.load(); }),
    "object.svg": (name) => loaded(make("object", { type: "image/svg+xml", data: url(name) })),
    "frame": (name) => framed(make("iframe", { src: url(name) })),
    "quiet-frame": (name) => framed(make("iframe", { referrerPolicy: "no-referrer", src: url(name) })),
    "sandboxed": sandboxed,
    "events.events": (name) => heard(new EventSource(url(name), { withCredentials: true })),
    "socket": (name) => heard(new WebSocket(url(name).replace(/^http/, "ws"))),
  };
  const outcomes = Object.entries(all).map(async ([name, attempt]) => {
    const silent = new Promise((resolve) => setTimeout(resolve, patience, "blocked"));
    const learnt = Promise.resolve().then(() => attempt(name)).catch(() => "blocked");
    return [name, await Promise.race([learnt, silent])];
  });
  return Object.fromEntries(await Promise.all(outcomes));
}

// Resolves when the browser waits for nothing any more: some techniques do not tell their page when they are over.
function quietness(context) {
  const open = new Set();
  let look = () => {};
  context.on("request", (request) => open.add(request));
  for (const end of ["requestfinished", "requestfailed"]) context.on(end, (request) => { open.delete(request); look(); });
  return (limit) => new Promise((resolve) => {
    const give = setTimeout(resolve, limit);
    look = () => { if (open.size === 0) { clearTimeout(give); resolve(); } };
    look();
  });
}

// The page at `from` tries everything on `target`; `statuses` are the answers that the browser got, whatever it let the page know of them.
async function attack(context, { from, target, mark, redirector, patience }) {
  const page = await context.newPage();
  const quiet = quietness(context);
  const statuses = {};
  context.on("response", (response) => {
    const asked = new URL(response.url());
    if (asked.origin === target && asked.pathname.startsWith(`/attack/${mark}/`)) statuses[`${response.request().method()} ${asked.pathname.split("/").pop()}`] = response.status();
  });
  await page.goto(from);
  const learnt = await page.evaluate(techniques, { target, mark, redirector, patience });
  await quiet(patience);
  return { learnt, statuses };
}

// What the page at `from` can read at these paths of `target`.
async function readPaths(context, { from, target, paths }) {
  const page = await context.newPage();
  await page.goto(from);
  return page.evaluate(async ({ base, wanted }) => {
    const read = async (path, mode) => {
      const answer = await fetch(base + path, { mode, credentials: "include" });
      return answer.type === "opaque" ? "nothing to see" : `read ${answer.status} ${await answer.text()}`;
    };
    const outcomes = wanted.map(async (path) => [path, await read(path, "cors").catch(() => read(path, "no-cors")).catch(() => "blocked")]);
    return Object.fromEntries(await Promise.all(outcomes));
  }, { base: target, wanted: paths });
}

async function shown(page, answer) {
  return { status: answer?.status(), url: page.url(), title: await page.title(), text: await page.innerText("body"), html: await page.content() };
}

// A link on the page at `from`, followed by a click.
async function followLink(context, { from, to }) {
  const page = await context.newPage();
  await page.goto(from);
  await page.evaluate((href) => { document.body.appendChild(Object.assign(document.createElement("a"), { href, id: "out", textContent: "there" })); }, to);
  const [answer] = await Promise.all([page.waitForNavigation(), page.click("#out")]);
  return shown(page, answer);
}

// A form on the page at `from`, sent as a whole page's navigation.
async function sendForm(context, { from, to }) {
  const page = await context.newPage();
  await page.goto(from);
  await page.evaluate((action) => {
    const form = document.body.appendChild(Object.assign(document.createElement("form"), { method: "post", action }));
    form.appendChild(Object.assign(document.createElement("button"), { id: "out", textContent: "send" }));
  }, to);
  const [answer] = await Promise.all([page.waitForNavigation(), page.click("#out")]);
  return shown(page, answer);
}

// As a person who types the address sees it, once `selector` is there to be seen.
async function look(context, { at, selector }) {
  const page = await context.newPage();
  const answer = await page.goto(at);
  if (selector) await page.waitForSelector(selector);
  return shown(page, answer);
}

module.exports = { attack, readPaths, followLink, sendForm, look };
