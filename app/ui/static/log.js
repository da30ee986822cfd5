// The log of a task: it is read from its end, and while the task runs, its lines come as they are written.
// Of syncline.js it uses $, pace, refresh and showLocalTimes.
"use strict";

const MOST_LINES = 2000;
const log = $(".log");

// It stays at its end unless somebody has scrolled back.
let isAtEnd = true;

function noteEnd() {
  isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
}

function goToEnd() {
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

let stream = null;
let retry = null;
// Whether lines come by the stream. A proxy may hold them back, and a server may refuse it: then renewals bring them.
let isStreaming = false;
// The last line that is shown, as attempt.line.
let place = log.dataset.after ?? "";
let settling = false;

function isAfter(one, other) {
  const [attempt, line] = one.split(".").map(Number);
  const [otherAttempt, otherLine] = other.split(".").map(Number);
  return other === "" || attempt > otherAttempt || (attempt === otherAttempt && line > otherLine);
}

function addLine(event) {
  // A renewal may have brought it before.
  if (!isAfter(event.lastEventId, place)) return;
  place = event.lastEventId;
  if (!settling) {
    settling = true;
    noteEnd();
    requestAnimationFrame(settle);
  }
  log.querySelector(".empty")?.remove();
  log.insertAdjacentHTML("beforeend", event.data);
}

// Once for all lines that have come meanwhile.
function settle() {
  settling = false;
  while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
  showLocalTimes();
  goToEnd();
}

function stopFollowing() {
  clearTimeout(retry);
  stream?.close();
  stream = null;
  isStreaming = false;
}

function follow() {
  if (stream || document.hidden || !pace() || !log.dataset.follow) return;
  stream = new EventSource(log.dataset.follow + (place ? `&after=${place}` : ""));
  stream.addEventListener("following", () => { isStreaming = true; });
  stream.addEventListener("line", addLine);
  stream.addEventListener("ended", () => {
    stopFollowing();
    refresh();
  });
  stream.addEventListener("error", () => {
    isStreaming = false;
    // The browser tries again by itself unless it was refused.
    if (stream.readyState === EventSource.CLOSED) retry = setTimeout(catchUp, 3000);
  });
}

// The page is renewed, and followed from its end: a stream of all that was missed would be long.
function catchUp() {
  const isFollowed = stream || log.dataset.follow;
  stopFollowing();
  if (isFollowed && !document.hidden && pace()) refresh();
}

// Who has scrolled back keeps what they read; the rest comes when they are at the end again.
function noteReturn() {
  const wasAtEnd = isAtEnd;
  noteEnd();
  if (isAtEnd && !wasAtEnd && log.dataset.follow) catchUp();
}

function beforeSwap(event) {
  noteEnd();
  // An action that leads to another page brings the log of that one.
  if (event.detail.ctx.push) {
    stopFollowing();
    isAtEnd = true;
    place = "";
  }
  log.toggleAttribute("hx-morph-skip-children", isStreaming || !isAtEnd);
}

function afterSwap() {
  // An action was refused, and the page says why instead.
  if (!log.isConnected) {
    stopFollowing();
    return;
  }
  const { after } = log.dataset;
  if (after && !log.hasAttribute("hx-morph-skip-children") && isAfter(after, place)) place = after;
  if (isAtEnd) follow();
  goToEnd();
}

document.addEventListener("DOMContentLoaded", () => {
  goToEnd();
  follow();
  log.addEventListener("scroll", () => { if (!stream) noteReturn(); });
  document.addEventListener("htmx:before:swap", beforeSwap);
  document.addEventListener("htmx:after:swap", afterSwap);
  document.addEventListener("visibilitychange", catchUp);
  $("#live")?.addEventListener("change", catchUp);
});
