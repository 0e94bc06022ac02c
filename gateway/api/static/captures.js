"use strict";

const API = "api/v1/";
const byId = (id) => document.getElementById(id);

/** An element with its content; text is never taken for markup. */
function made(tag, properties = {}, ...content) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...content);
  return element;
}

function say(text, bad = false) {
  byId("said").textContent = text;
  byId("said").className = bad ? "bad" : "";
}

/** The answer as JSON; an error has the problem's words and its status. */
async function ask(path, method = "GET", body = undefined) {
  const options = { method, headers: { Accept: "application/json" } };
  if (method !== "GET") {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body ?? {});
  }
  const answer = await fetch(API + path, options);
  const text = await answer.text();
  const said = text ? JSON.parse(text) : null;
  if (!answer.ok) {
    const reasons = (said.errors ?? []).map((error) => `${error.path}: ${error.reason}`);
    throw Object.assign(new Error([said.detail ?? said.title, ...reasons].join("; ")), { status: answer.status });
  }
  return said;
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (bytes >= 1000 && step < units.length - 1) { bytes /= 1000; step += 1; }
  return `${bytes.toFixed(step && bytes < 100 ? 1 : 0)} ${units[step]}`;
}

function about(capture) {
  const parts = [];
  const only = [...capture.stations, ...capture.sources];
  parts.push(only.length ? only.join(", ") : "everything");
  if (capture.keep?.seconds) parts.push(`the last ${+(capture.keep.seconds / 3600).toFixed(2)} h`);
  if (capture.keep?.bytes) parts.push(`the last ${size(capture.keep.bytes)}`);
  if (capture.redact) parts.push("serial numbers replaced");
  parts.push(size(capture.bytes));
  if (capture.running) parts.push(`${capture.frames} frames, ${capture.events} events in this run`);
  if (capture.missed_frames) parts.push(`${capture.missed_frames} frames missed`);
  if (capture.left_out_frames) parts.push(`${capture.left_out_frames} frames left out`);
  return parts.join(" · ");
}

function button(label, work, quiet = false) {
  const one = made("button", { type: "button", className: quiet ? "quiet" : "" }, label);
  one.addEventListener("click", () => act(work));
  return one;
}

function shown(capture) {
  const path = `captures/${encodeURIComponent(capture.name)}`;
  const state = made("span", { className: capture.running ? "state running" : "state" }, capture.running ? "running" : "stopped");
  const buttons = capture.running
    ? [button("Stop", () => ask(`${path}/stop`, "POST"))]
    : [
        button("Go on", () => ask(`${path}/start`, "POST")),
        button("Delete", () => confirm(`Delete ${capture.name} with its files?`) && ask(path, "DELETE"), true),
      ];
  const rows = capture.files.map((file) => made("tr", {},
    made("td", {}, made("a", { href: `${API}${path}/files/${encodeURIComponent(file.name)}`, download: file.name }, file.name)),
    made("td", {}, size(file.bytes)),
    made("td", {}, new Date(file.written).toLocaleString()),
  ));
  const head = made("tr", {}, ...["File", "Size", "Written"].map((text) => made("th", {}, text)));
  const article = made("article", {}, made("header", {}, made("h2", {}, capture.name), state, ...buttons), made("p", {}, about(capture)));
  if (capture.reason) article.append(made("p", { className: "reason" }, `Stopped by itself: ${capture.reason}`));
  if (rows.length) article.append(made("table", {}, made("thead", {}, head), made("tbody", {}, ...rows)));
  return article;
}

let stationsKnown = false;
let failed = false; // the last refresh

async function refresh() {
  try {
    const { captures } = await ask("captures");
    if (failed) say("");
    failed = false;
    byId("sign-in").hidden = true;
    byId("begin").hidden = false;
    byId("captures").replaceChildren(...(captures.length ? captures.map(shown) : [made("p", {}, "There is no capture yet.")]));
    if (!stationsKnown) {
      const { stations } = await ask("stations");
      byId("begin").stations.replaceChildren(...stations.map((station) => made("option", {}, station.id)));
      stationsKnown = true;
    }
  } catch (error) {
    if (error.status === 401) {
      byId("sign-in").hidden = false;
      byId("begin").hidden = true;
      byId("captures").replaceChildren();
    }
    failed = true;
    say(error.message, true);
  }
}

/** Do something, say what went wrong, and show how things stand. */
async function act(work) {
  say("");
  try {
    await work();
  } catch (error) {
    say(error.message, true);
    if (error.status !== 401 || !byId("sign-in").hidden) return;
  }
  await refresh();
}

byId("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = byId("begin");
  const order = {
    name: form.elements.name.value,
    stations: [...form.stations.selectedOptions].map((option) => option.value),
    redact: form.redact.checked,
    keep: form.mode.value === "ring" ? { seconds: Math.round(form.hours.value * 3600) } : null,
  };
  act(async () => { await ask("captures", "POST", order); form.reset(); });
});

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = byId("sign-in");
  const token = form.token.value;
  form.reset();
  act(() => ask("session", "POST", { token }));
});

refresh();
setInterval(() => { if (!document.hidden && byId("sign-in").hidden) refresh(); }, 3000);
