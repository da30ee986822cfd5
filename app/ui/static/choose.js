// Choosing from what a source offers: finding, ticking, and the YAML of what is ticked.
"use strict";

const rows = [...document.querySelectorAll(".offers tbody tr[data-yaml]")];
const texts = rows.map((row) => row.textContent.toLowerCase());
const box = (row) => row.querySelector("input");
const yaml = document.querySelector("#yaml");

function find() {
  const words = document.querySelector("#q").value.toLowerCase().split(/\s+/).filter(Boolean);
  rows.forEach((row, place) => { row.hidden = !words.every((word) => texts[place].includes(word)); });
  const shown = rows.filter((row) => !row.hidden).length;
  document.querySelector("#found").textContent = shown === rows.length ? String(shown) : `${shown} of ${rows.length}`;
  showAll();
}

// The box above all is ticked if all that are shown are, and half if some are.
function showAll() {
  const shown = rows.filter((row) => !row.hidden);
  const ticked = shown.filter((row) => box(row).checked).length;
  const all = document.querySelector("#all");
  all.checked = ticked > 0 && ticked === shown.length;
  all.indeterminate = ticked > 0 && ticked < shown.length;
}

function showChosen() {
  const chosen = rows.filter((row) => box(row).checked);
  document.querySelector("#chosen").textContent = chosen.length ? `${chosen.length} chosen` : "nothing is chosen";
  if (yaml) yaml.textContent = [yaml.dataset.head, ...chosen.map((row) => row.dataset.yaml)].join("\n") + "\n";
  showAll();
}

// A page that came over plain http may not use navigator.clipboard.
async function copy() {
  const button = document.querySelector("#copy");
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(yaml.textContent);
  } else {
    getSelection().selectAllChildren(yaml);
    document.execCommand("copy");
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

let last = null;

document.querySelector("#q").addEventListener("input", find);
document.querySelector("#all").addEventListener("change", (event) => {
  for (const row of rows) if (!row.hidden) box(row).checked = event.target.checked;
  showChosen();
});
document.querySelector(".offers tbody").addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (event.target.type !== "checkbox") return;
  if (event.shiftKey && last) {
    const [from, to] = [rows.indexOf(last), rows.indexOf(row)].sort((a, b) => a - b);
    for (const between of rows.slice(from, to + 1)) if (!between.hidden) box(between).checked = event.target.checked;
  }
  last = row;
  showChosen();
});
document.querySelector("#copy")?.addEventListener("click", copy);
showChosen();
