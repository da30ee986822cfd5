// The log of a task: it is read from its end, and while the task runs, its lines come as they are written.
"use strict";

const MOST_LINES = 2000;
const log = () => document.querySelector(".log");

// It stays at its end unless somebody has scrolled back.
let isAtEnd = true;

function noteEnd() {
  isAtEnd = log().scrollHeight - log().scrollTop - log().clientHeight < 40;
}

function goToEnd() {
  if (isAtEnd) log().scrollTop = log().scrollHeight;
}

let lines = null;
// The place of the last line that came, or that the page had.
let place = null;
let settling = false;

function addLine(event) {
  place = event.lastEventId;
  if (!settling) {
    settling = true;
    noteEnd();
    requestAnimationFrame(settle);
  }
  log().querySelector(".empty")?.remove();
  log().insertAdjacentHTML("beforeend", event.data);
}

// Once for all lines that have come meanwhile.
function settle() {
  settling = false;
  while (log().childElementCount > MOST_LINES) log().firstElementChild.remove();
  showLocalTimes();
  goToEnd();
}

function stopFollowing() {
  lines?.close();
  lines = null;
  log().removeAttribute("hx-morph-skip-children");
}

function followLines() {
  stopFollowing();
  if (document.hidden || !pace() || !log().dataset.follow) return;
  // What comes by the stream is newer than what the page is renewed with.
  log().setAttribute("hx-morph-skip-children", "");
  lines = new EventSource(log().dataset.follow + (place ? `&after=${place}` : ""));
  lines.addEventListener("line", addLine);
  lines.addEventListener("ended", () => {
    stopFollowing();
    refresh();
  });
  lines.addEventListener("error", () => {
    // The browser tries again by itself unless it was refused.
    if (lines?.readyState === EventSource.CLOSED) setTimeout(followLines, 3000);
  });
}

document.addEventListener("DOMContentLoaded", () => {
  place = log().dataset.after;
  goToEnd();
  followLines();
  document.addEventListener("htmx:before:swap", noteEnd);
  document.addEventListener("htmx:after:swap", () => {
    if (!lines) {
      place = log().dataset.after;
      followLines();
    }
    goToEnd();
  });
  document.addEventListener("visibilitychange", followLines);
  document.querySelector("#live")?.addEventListener("change", followLines);
});
