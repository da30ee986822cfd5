// Before anything is drawn: the theme that was chosen here, so that a page does not flash in the other one.
"use strict";
const chosen = localStorage.getItem("theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
