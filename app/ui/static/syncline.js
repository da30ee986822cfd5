// What pages do by themselves: themes, keys, local times, and renewing what is shown when something has happened.
// Everything can be read without it.
"use strict";

const $ = (selector) => document.querySelector(selector);
const themes = ["system", "light", "dark"];

function showTheme() {
  const theme = localStorage.getItem("theme") ?? "system";
  $("#theme-name").textContent = theme[0].toUpperCase() + theme.slice(1);
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function nextTheme() {
  const theme = themes[(themes.indexOf(localStorage.getItem("theme") ?? "system") + 1) % themes.length];
  localStorage.setItem("theme", theme);
  showTheme();
}

// Times are words; what is shown on hover has them in UTC and as they are here.
function showLocalTimes() {
  for (const time of document.querySelectorAll("time[datetime]:not([data-local])")) {
    const at = new Date(time.dateTime);
    time.title = `${time.dateTime}\n${at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" })}`;
    time.dataset.local = "";
  }
}

let lastRefresh = Date.now();
let waiting = null;

// Seconds between two renewals; 0 if the page shall stay as it is.
function pace() {
  return Number(localStorage.getItem("live") ?? "2");
}

function refresh() {
  clearTimeout(waiting);
  waiting = null;
  lastRefresh = Date.now();
  htmx.trigger($("#content"), "refresh");
}

function somethingHappened() {
  if (!pace() || waiting !== null) return;
  waiting = setTimeout(refresh, Math.max(0, lastRefresh + 1000 * pace() - Date.now()));
}

function showAway() {
  $("#away").hidden = false;
}

let changes = null;
let missing = null;

// A browser opens only a few connections to a server, so pages that nobody sees have none.
function listen() {
  changes?.close();
  changes = null;
  // The past does not change.
  if (document.hidden || !document.body.dataset.live) return;
  changes = new EventSource(document.body.dataset.live);
  changes.addEventListener("changed", somethingHappened);
  changes.addEventListener("open", () => {
    clearTimeout(missing);
    missing = null;
    $("#away").hidden = true;
    // What happened while nobody listened is not told again.
    somethingHappened();
  });
  changes.addEventListener("error", () => {
    missing ??= setTimeout(showAway, 3000);
    // The browser tries again by itself unless it was refused: perhaps one has to log in again, which the page finds out.
    if (changes.readyState === EventSource.CLOSED) {
      setTimeout(() => {
        refresh();
        listen();
      }, 3000);
    }
  });
}

function isTyping(target) {
  return target.closest("input, textarea, select, dialog") !== null;
}

let going = false;
const keys = {
  "/": () => $("input[type=search]")?.focus(),
  "?": () => $("#help").showModal(),
  r: refresh,
  t: nextTheme,
  g: () => {
    going = true;
    setTimeout(() => { going = false; }, 1500);
  },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const place = going && $(`[data-go="${CSS.escape(event.key)}"]`);
  const act = place ? () => place.click() : keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

document.addEventListener("DOMContentLoaded", () => {
  showTheme();
  showLocalTimes();
  $("#theme").addEventListener("click", nextTheme);
  $("#help-button").addEventListener("click", keys["?"]);
  const live = $("#live");
  if (live) live.value = String(pace());
  live?.addEventListener("change", () => {
    localStorage.setItem("live", live.value);
    somethingHappened();
  });
  // What is shown stays, and is tried again.
  document.addEventListener("htmx:response:error", (event) => {
    if (event.detail.ctx.response.status < 500) return;
    showAway();
    somethingHappened();
  });
  document.addEventListener("htmx:after:swap", () => {
    if (changes?.readyState === EventSource.OPEN) $("#away").hidden = true;
    showLocalTimes();
  });
  // Connectors take their time.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-long]")) return;
    const button = event.target.querySelector("button");
    button.textContent = `${button.firstChild.textContent}…`;
    setTimeout(() => { button.disabled = true; });
  });
  // Heartbeats of workers are no events.
  setInterval(() => { if (changes && $("[data-active]") && !document.hidden) somethingHappened(); }, 2000);
  document.addEventListener("visibilitychange", listen);
  listen();
});
