// Applications of others, and Portolan's own page.

// Cockpit, which signs the person in by what Portolan adds, and its terminal: a shell on the machine by a WebSocket. Types the lines, one when the one before has been
// answered: each is [what to type, what to see then]. `waits` is a command
// that only Ctrl-C ends.
async function cockpitTerminal(context, { at, lines, waits }) {
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
  await type(waits);
  await page.keyboard.press("Control+c");
  await type("echo $((5*5))-interrupted");
  await see("25-interrupted");
  return { url: page.url(), sockets };
}

module.exports = { cockpitTerminal };
