"use strict";
// Opens what an address names, pages long tables and filters lists. Without it everything is there, unfolded by hand.
function openTarget() {
  const id = decodeURIComponent(location.hash.slice(1));
  const found = id && document.getElementById(id);
  for (let node = found; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  if (found) { found.scrollIntoView(); (found.querySelector("summary") || found).focus({ preventScroll: true }); }
}
addEventListener("hashchange", openTarget);
function paged(table) {
  const size = 25, rows = [...table.tBodies[0].rows], bar = document.createElement("div");
  let wanted = rows, page = 0;
  const told = document.createElement("span"), back = document.createElement("button"), on = document.createElement("button");
  const filter = document.createElement("input");
  back.textContent = "Previous"; on.textContent = "Next"; back.type = on.type = "button"; told.setAttribute("aria-live", "polite");
  filter.type = "search"; filter.placeholder = "Filter rows"; filter.setAttribute("aria-label", "Filter rows");
  bar.className = "pager"; bar.append(filter, back, on, told);
  function show() {
    const last = Math.max(0, Math.ceil(wanted.length / size) - 1);
    page = Math.min(page, last);
    const seen = new Set(wanted.slice(page * size, page * size + size));
    for (const row of rows) row.hidden = !seen.has(row);
    back.disabled = page === 0; on.disabled = page >= last;
    told.textContent = wanted.length ? `${page * size + 1}-${Math.min(wanted.length, page * size + size)} of ${wanted.length}` : "no rows";
  }
  back.onclick = () => { page -= 1; show(); }; on.onclick = () => { page += 1; show(); };
  filter.oninput = () => { const text = filter.value.toLowerCase(); page = 0;
    wanted = rows.filter((row) => row.textContent.toLowerCase().includes(text)); show(); };
  table.closest(".wide").before(bar); show();
}
document.querySelectorAll("table.paged").forEach((table) => { if (table.tBodies[0].rows.length > 25 || table.dataset.filter) paged(table); });
const chosen = document.getElementById("compare");
if (chosen) chosen.addEventListener("submit", (event) => {
  const picked = [...chosen.querySelectorAll("input[name=t]:checked")].map((box) => box.value);
  event.preventDefault();
  const told = document.getElementById("compare-told");
  if (picked.length !== 2) { told.textContent = "Choose two traces to compare."; return; }
  location.href = "/diff?a=" + encodeURIComponent(picked[0]) + "&b=" + encodeURIComponent(picked[1]);
});
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.dataset.was = each.open ? "1" : ""; each.open = true; }));
addEventListener("afterprint", () => document.querySelectorAll("details").forEach((each) => { each.open = each.dataset.was === "1"; }));
openTarget();
