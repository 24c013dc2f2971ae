#include "client/web/page_assets.h"

namespace portolan::client::web {

constinit const std::string_view kHomeStyle = R"css(:root {
  color-scheme: light dark;
  --ground: #f4f6f8; --sheet: #ffffff; --ink: #17212b; --soft: #566573; --line: #dbe1e7;
  --accent: #0b6285; --accent-ink: #ffffff; --shade: 0 1px 2px rgb(20 40 60 / .06), 0 6px 18px rgb(20 40 60 / .05);
  --ok: #1c7a45; --warning: #8a5a00; --bad: #b3261e; --off: #63707d; --notice: #fff6e0; --notice-line: #ecd49a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #10161c; --sheet: #18212a; --ink: #e7edf2; --soft: #a0aeba; --line: #2a3743;
    --accent: #6cc3e4; --accent-ink: #06222f; --shade: none;
    --ok: #6fd39a; --warning: #e9bb62; --bad: #ff9a90; --off: #97a4b0; --notice: #2b2617; --notice-line: #5c4d21;
  }
}
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; display: flex; flex-direction: column;
  background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .4rem; }
code { font: .9em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; z-index: 2; padding: .5rem 1rem; background: var(--sheet); }
.inner { width: 100%; max-width: 72rem; margin: 0 auto; padding: 0 1.25rem; }
.hush { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.top { background: var(--sheet); border-bottom: 1px solid var(--line); }
.top .inner { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1.5rem; padding-block: .8rem; }
.brand { display: flex; align-items: center; gap: .6rem; font-weight: 650; font-size: 1.1rem; letter-spacing: .01em; }
.brand img { width: 1.9rem; height: 1.9rem; }
.facts {
  margin: 0 0 0 auto; display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; color: var(--soft); font-size: .9rem;
}
.facts div { display: flex; gap: .4rem; min-width: 0; }
.facts dt { font-weight: 400; }
.facts dd { margin: 0; color: var(--ink); overflow-wrap: anywhere; }

main.inner { flex: 1; padding-block: 2rem 3rem; }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 1rem; margin-bottom: 1.5rem; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.2; font-weight: 650; letter-spacing: -.01em; }
.search { margin-left: auto; position: relative; flex: 0 1 22rem; }
.search input {
  width: 100%; padding: .6rem 2.4rem .6rem .9rem; font: inherit; color: inherit; background: var(--sheet);
  border: 1px solid var(--line); border-radius: .7rem;
}
.search input::placeholder { color: var(--soft); opacity: 1; }
.search kbd {
  position: absolute; right: .7rem; top: 50%; transform: translateY(-50%); padding: 0 .45rem; color: var(--soft);
  border: 1px solid var(--line); border-radius: .35rem; font: .8rem ui-monospace, monospace; pointer-events: none;
}
.search input:focus + kbd, .search input:not(:placeholder-shown) + kbd { display: none; }

.notice {
  margin: 0 0 1rem; padding: .8rem 1rem; background: var(--notice); border: 1px solid var(--notice-line);
  border-radius: .7rem; overflow-wrap: anywhere;
}
.notice code, .card code {
  display: inline-block; padding: .1rem .5rem; background: var(--ground); border: 1px solid var(--line);
  border-radius: .4rem; user-select: all;
}

.cards {
  list-style: none; margin: 0; padding: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr));
}
.card {
  position: relative; display: grid; grid-template-columns: auto 1fr; gap: .1rem .9rem; align-content: start;
  padding: 1rem 1.1rem; background: var(--sheet); border: 1px solid var(--line); border-radius: .9rem;
  box-shadow: var(--shade); transition: border-color .12s, transform .12s;
}
.card:has(a:hover) { border-color: var(--accent); transform: translateY(-1px); }
.card:has(a:focus-visible) { outline: 3px solid var(--accent); outline-offset: 2px; }
.tile {
  grid-row: 1 / span 2; width: 2.7rem; height: 2.7rem; display: grid; place-items: center; border-radius: .7rem;
  font-size: 1.2rem; font-weight: 650; color: #ffffff; background: #40566b; overflow: hidden;
}
.tint0 { background: #0b6285; } .tint1 { background: #4a5aa8; } .tint2 { background: #7a4b94; }
.tint3 { background: #9a4068; } .tint4 { background: #a04b32; } .tint5 { background: #7c6012; }
.tint6 { background: #3f6f35; } .tint7 { background: #1f6f68; }
.name { min-width: 0; font-weight: 600; font-size: 1.05rem; overflow-wrap: anywhere; }
.name a { color: inherit; text-decoration: none; outline: none; }
.name a::after { content: ""; position: absolute; inset: 0; border-radius: inherit; }
.place { min-width: 0; color: var(--soft); font-size: .87rem; overflow-wrap: anywhere; }
.state { grid-column: 2; margin: .45rem 0 0; font-size: .87rem; overflow-wrap: anywhere; }
.state code { position: relative; z-index: 1; margin-top: .25rem; }
.mark { font-weight: 600; white-space: nowrap; }
.mark::before {
  content: ""; display: inline-block; width: .55rem; height: .55rem; margin-right: .4rem; border-radius: 50%;
  background: currentColor; forced-color-adjust: none;
}
.mark.ok { color: var(--ok); } .mark.warning { color: var(--warning); } .mark.bad { color: var(--bad); }
.mark.off, .mark.unknown { color: var(--off); }
.mark.off::before, .mark.unknown::before { background: none; border: 2px solid currentColor; }
.card.off .tile { filter: grayscale(1); opacity: .7; }
.empty { margin: 0; padding: 3rem 1rem; text-align: center; color: var(--soft); }

.foot { border-top: 1px solid var(--line); color: var(--soft); font-size: .85rem; }
.foot .inner { display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; padding-block: 1rem; }
@media (max-width: 40rem) {
  .facts { margin-left: 0; }
  .search { margin-left: 0; flex: 1 1 100%; }
}
@media (prefers-reduced-motion: reduce) { .card { transition: none; } .card:has(a:hover) { transform: none; } }
)css";

// Everything of the status goes into the page as text, never as markup.
constinit const std::string_view kHomeScript = R"js("use strict";
(() => {
  const kEvery = 5000, kPatience = 4000;
  const byId = (id) => document.getElementById(id);
  const list = byId("resources"), notices = byId("notices"), facts = byId("facts");
  const empty = byId("empty"), none = byId("none"), count = byId("count"), search = byId("search"), box = byId("q");

  function make(tag, look, ...inside) {
    const element = document.createElement(tag);
    if (look) element.className = look;
    element.append(...inside);
    return element;
  }

  // ---- what is shown, from /status.json; the same as the server writes into the page ----
  function notice(said) {
    const element = make("p", "notice", said.text);
    if (said.command) element.append(" ", make("code", "", said.command));
    return element;
  }

  function card(resource) {
    const element = make("li", "card " + resource.mark);
    const tile = make("span", "tile tint" + resource.tint, resource.initial);
    tile.setAttribute("aria-hidden", "true");
    const name = make("span", "name");
    if (resource.url && /^https?:\/\//.test(resource.url)) {
      const link = make("a", "", resource.name);
      link.href = resource.url;
      name.append(link);
    } else {
      name.append(resource.name);
    }
    const state = make("p", "state", make("span", "mark " + resource.mark, resource.state));
    if (resource.note) state.append(" ", make("span", "", resource.note));
    if (resource.command) state.append(" ", make("code", "", resource.command));
    element.append(tile, name, make("span", "place", resource.place), state);
    return element;
  }

  function fact(label, value) {
    return make("div", "", make("dt", "", label), make("dd", "", value));
  }

  function factsOf(view) {
    const all = [];
    if (view.who) all.push(fact(view.signed_in ? "Signed in as" : "Was signed in as", view.who));
    if (view.organization) all.push(fact("Organisation", view.organization));
    if (view.sign_in_ends) {
      const time = make("time", "", view.sign_in_ends);
      time.dateTime = view.sign_in_ends;
      all.push(fact("Until", time));
    }
    all.push(fact("Control plane", make("span", "mark " + view.control_mark, view.control_state)));
    return all;
  }

  let shown = "";
  function show(text) {
    if (text === shown) return;
    const view = JSON.parse(text);
    const first = shown === "";
    shown = text;
    const active = document.activeElement, at = list.contains(active) ? active.href : "";
    notices.replaceChildren(...view.notices.map(notice));
    facts.replaceChildren(...factsOf(view));
    list.replaceChildren(...view.resources.map(card));
    empty.hidden = !view.signed_in || view.resources.length > 0;
    if (at) links().find((link) => link.href === at)?.focus({ preventScroll: true });
    localTimes();
    filter(first);
  }

  function localTimes() {
    for (const time of document.querySelectorAll("time")) {
      const when = new Date(time.dateTime);
      if (!isNaN(when)) time.textContent = when.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    }
  }

  // ---- search ----
  const links = () => [...list.querySelectorAll("li:not([hidden]) a")];

  function filter(quietly) {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const item of list.children) {
      const text = item.querySelector(".name").textContent + " " + item.querySelector(".place").textContent;
      item.hidden = !words.every((word) => text.toLowerCase().includes(word));
      if (!item.hidden) ++found;
    }
    const all = list.children.length;
    none.hidden = all === 0 || found > 0;
    if (!quietly) count.textContent = words.length ? found + " of " + all : "";
  }

  function move(by) {
    const all = links();
    if (all.length === 0) return;
    const at = all.indexOf(document.activeElement);
    if (at < 0) return all[by > 0 ? 0 : all.length - 1].focus();
    if (at + by < 0) return box.focus();
    all[Math.min(at + by, all.length - 1)].focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const inBox = document.activeElement === box;
    if (event.key === "/" && !inBox) {
      box.focus();
      box.select();
    } else if (event.key === "Escape" && (inBox || box.value)) {
      box.value = "";
      filter();
      box.focus();
    } else if (event.key === "ArrowDown" && (inBox || list.contains(document.activeElement))) {
      move(1);
    } else if (event.key === "ArrowUp" && list.contains(document.activeElement)) {
      move(-1);
    } else if (event.key === "Enter" && inBox && box.value.trim()) {
      links()[0]?.click();
    } else {
      return;
    }
    event.preventDefault();
  });
  box.addEventListener("input", () => filter());
  search.hidden = false;

  // ---- following ----
  let timer = 0, asking = false;
  async function refresh() {
    clearTimeout(timer);
    if (asking || document.visibilityState !== "visible") return;
    asking = true;
    const limit = new AbortController();
    const patience = setTimeout(() => limit.abort(), kPatience);
    try {
      const answer = await fetch("/status.json", { cache: "no-store", credentials: "omit", signal: limit.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      show(await answer.text());
    } catch {
      shown = "";
      notices.replaceChildren(notice({ text: "Portolan's agent does not answer on this machine. To start it, type in a terminal:", command: "portolan login" }));
    } finally {
      clearTimeout(patience);
      asking = false;
      timer = setTimeout(refresh, kEvery);
    }
  }
  document.addEventListener("visibilitychange", refresh);
  localTimes();
  filter(true);
  timer = setTimeout(refresh, kEvery);
})();
)js";

// A compass rose.
constinit const std::string_view kHomeIcon =
    R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="15" fill="#0b6285"/><circle cx="32" cy="32" r="21" fill="none" stroke="#9ad4e9" stroke-width="2"/><path d="M32 6l5.500 20.500L58 32l-20.500 5.500L32 58l-5.500-20.500L6 32l20.500-5.500z" fill="#ffffff"/><path d="M32 6v26h26l-20.500 5.500L32 58V32H6l20.500-5.500z" fill="#bfe3f0"/></svg>
)svg";

}  // namespace portolan::client::web
