// Applications of others, Portolan's own page, and applications by their real names.
const { click, signIn } = require("./application.cjs");

// Cockpit, which signs the person in by what Portolan adds, and its terminal: a shell on the machine by a WebSocket. Types the lines, one when the one before has been
// answered: each is [what to type, what to see then]; and last a command that only
// Ctrl-C ends.
async function cockpitTerminal(context, { at, lines }) {
  const page = await context.newPage();
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  await page.goto(at + "/system/terminal");
  const frame = page.frameLocator('iframe[name="cockpit1:localhost/system/terminal"]');
  const screen = frame.locator(".xterm-accessibility");
  const see = (text) => screen.getByText(text).first().waitFor();
  await see("$");
  await frame.locator(".terminal").click();
  const type = async (text) => {
    await page.keyboard.type(text);
    await page.keyboard.press("Enter");
  };
  for (const [typed, seen] of lines) {
    await type(typed);
    await see(seen);
  }
  await type("sh -c 'trap \"echo $((5*5))-interrupted; exit\" INT; echo $((4*4))-waiting; while :; do sleep 1; done'");
  await see("16-waiting");
  await page.keyboard.press("Control+c");
  await see("25-interrupted");
  return { url: page.url(), sockets };
}

const shownNames = (page) => page.locator("#resources li:visible .name").allInnerTexts();

// The page of the web applications: what is on it, what its search finds, and where a click leads.
async function ownPage(context, { at, search, open, landed }) {
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(at);
  await page.waitForSelector("#q");
  const all = await shownNames(page);
  const states = await page.locator("#resources .mark").allInnerTexts();
  const links = await page.locator("#resources a").evaluateAll((each) => each.map((link) => link.href));
  const text = await page.innerText("body");
  await page.fill("#q", search);
  const found = await shownNames(page);
  await page.fill("#q", "no such name");
  const nothing = { names: await shownNames(page), text: await page.innerText("body") };
  await page.fill("#q", "");
  await page.getByRole("link", { name: open, exact: true }).click();
  await page.waitForURL((url) => url.pathname === landed);
  return { all, states, links, text, found, nothing, opened: page.url(), complaints };
}

// Keeps the page open and waits for a resource to be in each of these states; tells when it is.
async function ownPageStates(context, { at, name, states }, tell) {
  const page = await context.newPage();
  await page.goto(at);
  const card = page.locator("#resources li", { has: page.getByText(name, { exact: true }) });
  const cards = [];
  for (const state of states) {
    await card.getByText(state).waitFor();
    cards.push(await card.innerText());
    tell(state);
  }
  return cards;
}

// An application by its real name, with the person's proxy settings: what it and the browser make of it.
async function realName(context, { at, user, password }) {
  const page = await context.newPage();
  await signIn(page, at, { user, password });
  const found = { signedIn: page.url(), next: await click(page, "#next", "Order 2"), moved: await click(page, "#moved", "Order 2") };
  found.cookies = await context.cookies();
  found.script = await page.evaluate(() => ({ origin, secure: isSecureContext }));
  found.echo = await page.evaluate(() => new Promise((resolve, reject) => {
    const socket = new WebSocket(origin.replace(/^http/, "ws") + "/socket/echo");
    socket.onopen = () => socket.send("hello");
    socket.onmessage = (event) => resolve(event.data);
    socket.onerror = () => reject(new Error("no WebSocket"));
  }));
  return found;
}

module.exports = { cockpitTerminal, ownPage, ownPageStates, realName };
