"use strict";
// Shows one row after the other and sends each answer; the next row comes when the answer is kept. Texts are only ever set as text.
const at = (id) => document.getElementById(id), root = at("review"), form = JSON.parse(root.dataset.form);
const address = "/review?" + root.dataset.query, rows = Number(root.dataset.rows);
const many = form.labels && !form.labels.every((label) => label.key), box = at("box"), labels = at("labels");
let shown = null, number = 0, progress = { done: 0, rows: 0, left: 0 }, busy = false, unsent = null, later = 0;
function make(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}
function trouble(text) { at("trouble").textContent = text || ""; at("trouble").hidden = !text; }
async function send(asked) {
  const reply = await fetch(address, { method: "POST", headers: { "Content-Type": "application/json", "X-Review-Token": root.dataset.token }, body: JSON.stringify(asked) });
  const told = await reply.json();
  if (!reply.ok) throw Object.assign(new Error(told.error), { told: true });
  return told;
}
async function ask(asked) {
  if (busy) return null;
  busy = true; root.setAttribute("aria-busy", "true");
  try {
    const told = await send(asked);
    unsent = null; trouble(told.damaged);
    return told;
  } catch (failure) {
    unsent = failure.told || !asked.id ? null : asked;
    trouble(failure.told ? failure.message : unsent ? "This answer is not kept: the server cannot be reached. Enter sends it again." : "The server cannot be reached: start it again; what was kept is there.");
    return null;
  } finally { busy = false; root.removeAttribute("aria-busy"); }
}
function name() { return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join(""); }
async function keep(said) {
  if (!shown && !unsent) return;
  const told = await ask(unsent || { ...said, id: name(), number: shown.number });
  if (!told) return;
  tellLast(told.kept); show(told); numbersSoon();
}
function tellLast(kept) {
  const line = at("last"), mark = kept.same === null ? "" : kept.same ? " = " : " ≠ ";
  line.className = "last" + (kept.same === null ? "" : kept.same ? " same" : " other");
  line.replaceChildren(`Row ${kept.number}: you said `, make("b", kept.said), `${mark || "; "}the model said `, make("b", kept.model));
}
async function go(asked) { const told = await ask(asked); if (told) show(told); return told; }
async function undo() {
  if (unsent) { unsent = null; trouble("The answer that was not kept is dropped."); return; }
  const told = await go({ do: "undo" });
  if (told) { at("last").className = "last"; at("last").textContent = told.undone ? "Taken back: answer this row again." : "There is nothing to take back."; numbersSoon(); }
}
function move(by) {
  const wanted = (shown ? shown.number : progress.rows + 1) + by;
  if (wanted < 1) return;
  return go(wanted > progress.rows ? { do: "next" } : { do: "at", number: wanted });
}
function listed(pairs) {
  const list = make("dl");
  for (const [column, value] of pairs) list.append(make("dt", column), make("dd", value));
  return list;
}
function show(told) {
  shown = told.item; progress = told.progress; number = shown ? shown.number : 0;
  at("bar").max = progress.rows || 1; at("bar").value = progress.done;
  at("far").textContent = `${progress.done} of ${progress.rows} rows, ${progress.left} left`;
  const out = at("shown"); out.replaceChildren(); at("answer").hidden = !shown;
  at("columns").replaceChildren(); at("before").textContent = at("after").textContent = "";
  if (!shown) return finished(out);
  at("where").textContent = `Row ${shown.number} of ${progress.rows}` + (shown.place ? `, ${shown.place}` : "");
  at("before").textContent = shown.before && "before: " + shown.before; at("after").textContent = shown.after && "after: " + shown.after;
  if (shown.sides) {
    const two = make("div", undefined, "two");
    shown.sides.forEach((side, place) => { const each = make("div", undefined, "side"); each.tabIndex = 0;
      each.setAttribute("role", "group"); each.setAttribute("aria-label", shown.sides.length > 1 ? ["one row", "the other row"][place] : "what the model was shown");
      each.append(listed(side)); two.append(each); });
    out.append(two);
  } else { const text = make("p", shown.text, "text"); text.tabIndex = 0; out.append(text); if (text.scrollHeight <= text.clientHeight) text.removeAttribute("tabindex"); }
  at("columns").replaceChildren(...listed(shown.columns).childNodes);
  const said = shown.answered;
  at("model").hidden = shown.model === null && !said;
  at("model").textContent = said ? `You said ${said.said}; the model said ${said.model}.` + (said.blind ? "" : " (Not blind.)") : shown.model !== null ? `The model says ${shown.model}.` : "";
  fill(said ? said.choice : null);
  at("back").disabled = shown.number <= 1;
  focusAnswer();
}
function finished(out) {
  at("where").textContent = "";
  const more = make("a", "Draw 20 more");
  const query = new URLSearchParams(root.dataset.query);
  query.set("rows", rows + 20); more.href = "/review?" + query; more.id = "more";
  const line = make("p", `All ${progress.rows} rows are reviewed. `, "done"), left = progress.all > progress.rows;
  if (left) line.append(more, " to narrow the intervals, or leave: all is kept. ");
  line.append(make("kbd", "←"), " goes back, ", make("kbd", "u"), " takes the last answer back.");
  out.append(line); (left ? more : at("card")).focus({ preventScroll: true }); numbersNow();
}
function focusAnswer() {
  if (many) { box.value = ""; find(); box.focus({ preventScroll: true }); }
  else if (form.fields) (at("form").elements[0] || at("card")).focus({ preventScroll: true });
  else at("card").focus({ preventScroll: true });
}
function numbersSoon() { clearTimeout(later); later = setTimeout(numbersNow, 500); }
let counting = false, again = false;
async function numbersNow() {
  if (counting) { again = true; return; }
  let told;
  counting = true; at("numbers").setAttribute("aria-busy", "true");
  try { told = await send({ do: "numbers" }); } catch { return; } finally { counting = false; at("numbers").removeAttribute("aria-busy"); }
  if (again) { again = false; numbersSoon(); }
  at("none").hidden = told.numbers.length > 0;
  at("numbers").replaceChildren(...told.numbers.flatMap((each) => {
    const value = make("dd");
    if (each.value) value.append(make("b", each.value), ` (${each.interval})`, make("small", each.model ? `${each.model} by the model` : ""));
    else value.textContent = each.told;
    return [make("dt", each.name), value];
  }));
}
// Labels and fields
function choose(place) { return keep({ do: "answer", label: place }); }
function build() {
  at("find").hidden = !many; at("form").hidden = !form.fields; labels.hidden = !form.labels;
  if (many) { labels.classList.add("many"); labels.setAttribute("role", "listbox"); labels.setAttribute("aria-label", "labels"); labels.tabIndex = -1; }
  (form.labels || []).forEach((label, place) => {
    const each = make(many ? "div" : "button");
    if (many) { each.setAttribute("role", "option"); each.id = "label-" + place; } else { each.type = "button"; each.append(make("kbd", label.key)); }
    each.append(make("span", label.text)); each.onclick = () => choose(place); labels.append(each);
  });
  (form.fields || []).forEach((field, place) => at("form").append(entry(field, place)));
  if (form.fields) { const go = make("button"); go.type = "submit"; go.append(make("kbd", "Enter"), " keep"); const line = make("p", undefined, "tools"); line.append(go); at("form").append(line); }
  const keys = form.fields ? [["Enter", "keeps; Shift+Enter is a new line"], ["Esc", "leaves a field"]] : many ? [["↑ ↓", "choose a label"], ["Enter", "keeps it"], ["Esc", "leaves the box"]] : [[form.labels.map((label) => label.key).join(" "), "a label"], ["↑ ↓", "choose a label, Enter keeps"]];
  keys.push(["?", "cannot tell"], ["u", "takes the last answer back"], ["← →", "the row before, after"], ["Enter", "on a reviewed row: goes on"]);
  if (many || form.fields) keys.push(["Ctrl+Z", "u, in an empty field"]);
  at("help").querySelector("ul").replaceChildren(...keys.map(([key, told]) => { const line = make("li"); line.append(make("kbd", key), " ", told); return line; }));
}
function entry(field, place) {
  const line = make("label"), named = make("span", field.name), kinds = { choice: "select", text: "textarea", json: "textarea" };
  const input = make(kinds[field.kind] || "input");
  named.append(make("small", field.kind === "json" ? `${field.type}, as JSON` : field.kind === "date" ? "YYYY-MM-DD" : field.optional ? `${field.kind}, or empty` : field.kind));
  if (field.kind === "choice") ["", ...field.options].forEach((told, at) => { const one = make("option", told || "–"); one.value = at ? at - 1 : ""; input.append(one); });
  else { input.rows = 1; input.autocomplete = "off"; if (field.kind === "number") input.inputMode = "decimal"; }
  input.id = "field-" + place; line.append(named, input);
  return line;
}
function fill(choice) {
  if (form.fields) return form.fields.forEach((_, place) => { at("field-" + place).value = choice ? choice[place] : ""; });
  [...labels.children].forEach((each, place) => { each.classList.toggle("said", place === choice); if (!many) each.setAttribute("aria-pressed", String(place === choice)); });
}
function values() { return form.fields.map((field, place) => { const text = at("field-" + place).value; return field.kind === "choice" && text !== "" ? Number(text) : text; }); }
at("form").addEventListener("submit", (event) => { event.preventDefault(); keep({ do: "answer", values: values() }); });
const plain = (text) => text.toLowerCase().replace(/[_\W]+/gu, " ").trim();
function find() {
  const words = plain(box.value).split(" ").filter(Boolean), typed = box.value.trim().toLowerCase();
  const rank = (label) => { const text = plain(label.text); return label.text.toLowerCase() === typed ? 0 : text.startsWith(words.join(" ")) ? 1 : words.every((word) => (" " + text).includes(" " + word)) ? 2 : words.every((word) => text.includes(word)) || (typed && label.text.toLowerCase().includes(typed)) ? 3 : 9; };
  let found = 0;
  [...labels.children].forEach((each, place) => { const own = typed ? rank(form.labels[place]) : 1; each.hidden = own === 9; each.style.order = typed ? own : 0; each.dataset.order = own; found += own !== 9; });
  at("matches").textContent = typed ? (found ? `${found} of ${form.labels.length}` : "no label has this") : `${form.labels.length} labels`;
  select(typed && found ? options()[0] : null);
}
function options() { return [...labels.children].filter((each) => !each.hidden).sort((a, b) => a.dataset.order - b.dataset.order); }
function select(option) {
  labels.querySelectorAll("[aria-selected=true]").forEach((each) => each.removeAttribute("aria-selected"));
  if (option) { option.setAttribute("aria-selected", "true"); option.scrollIntoView({ block: "nearest" }); box.setAttribute("aria-activedescendant", option.id); }
  else { box.removeAttribute("aria-activedescendant"); labels.scrollTop = 0; }
}
function step(by) {
  const all = many ? options() : [...labels.children], place = all.indexOf(many ? labels.querySelector("[aria-selected=true]") : document.activeElement);
  const next = all[place < 0 ? (by > 0 ? 0 : all.length - 1) : (place + by + all.length) % all.length];
  if (next && many) select(next); else if (next) next.focus();
}
box.addEventListener("input", find);
// Keys
function pressed(event) {
  const { key, target } = event, field = target.matches("input, textarea, select"), empty = !field || target.value === "";
  if (event.isComposing || event.altKey || event.metaKey || ((event.ctrlKey || event.repeat) && !(key.startsWith("Arrow") && !event.ctrlKey) && key !== "z")) return false;
  if (event.ctrlKey) { if (key !== "z" || !empty) return false; undo(); return true; }
  if (unsent && key === "Enter") { keep({}); return true; }
  if (busy) return !field && key.length === 1;
  if (key === "Escape" && field) { target.blur(); at("card").focus({ preventScroll: true }); return true; }
  const choice = target.tagName === "SELECT";
  if ((key === "ArrowLeft" || key === "ArrowRight") && (empty || choice)) { move(key === "ArrowLeft" ? -1 : 1); return true; }
  if (!shown) { if (key !== "u") return false; undo(); return true; }
  if (key === "?" && (empty || choice)) { keep({ do: "cannot tell" }); return true; }
  if ((key === "ArrowUp" || key === "ArrowDown") && form.labels && !target.matches(".text, .side")) { step(key === "ArrowUp" ? -1 : 1); return true; }
  if (key === "Enter" && target === box) {
    const option = labels.querySelector("[aria-selected=true]");
    if (option) choose([...labels.children].indexOf(option)); else if (shown.answered) go({ do: "next" });
    return true;
  }
  if (key === "Enter" && target.tagName === "TEXTAREA" && !event.shiftKey) { at("form").requestSubmit(); return true; }
  if (field) return false;
  if (key === "Enter" && !target.closest("button, a, summary")) { if (shown.answered) go({ do: "next" }); return true; }
  if (key === "u") { undo(); return true; }
  if (many && key.length === 1 && key !== " ") { box.focus(); return false; }
  const place = (form.labels || []).findIndex((label) => label.key && label.key === key);
  if (place < 0) return false;
  choose(place);
  return true;
}
addEventListener("keydown", (event) => { if (event.target instanceof Element && pressed(event)) event.preventDefault(); });
at("unknown").onclick = () => keep({ do: "cannot tell" }); at("undo").onclick = undo;
at("back").onclick = () => move(-1); at("on").onclick = () => move(1);
addEventListener("beforeunload", (event) => { if (unsent) event.preventDefault(); });
build(); go({ do: "next" }).then(numbersNow);
