// The page of `onethinker serve`: which view is shown, and the one that asks: media and a question in, the thinking as it
// comes, the answer drawn, of one model or of several side by side.

import { begin as beginLive } from "./live.js";
import { Panel } from "./panel.js";
import { begin as beginRuns } from "./runs.js";
import { $, events, hush, made, say, server } from "./server.js";

const state = { files: [], panels: [], pen: null, asking: null, models: [], views: {} };

async function begin() {
  try {
    const ready = await (await server("readyz")).json().catch(() => ({}));
    $("state").textContent = ready.status === "ok" ? "ready" : (ready.status ?? "");
    $("model").textContent = (ready.models ?? []).join(" · ");
    const shown = await (await server("page/views")).json();
    state.models = shown.models;
    showModels();
    const { tasks } = await (await server("v1/tasks")).json();
    for (const select of document.querySelectorAll("select.tasks")) for (const task of tasks) select.add(new Option(task.title, task.name));
    state.views = { live: shown.live && beginLive, runs: shown.runs && beginRuns };
    $("nav").hidden = !(shown.live || shown.runs);
    $("nav-live").hidden = !shown.live;
    $("nav-runs").hidden = !shown.runs;
    await showExamples();
    await show();
  } catch (error) {
    say(error);
  }
}

// ---- views --------------------------------------------------------------------------------------------------------

async function show() {
  hush();
  const [, name = "ask"] = /^#(live|runs)\b/.exec(location.hash) ?? [], view = state.views[name] ? name : "ask";
  for (const one of ["ask", "live", "runs"]) {
    $(`view-${one}`).hidden = one !== view;
    if (one === view) $(`nav-${one}`).setAttribute("aria-current", "page");
    else $(`nav-${one}`).removeAttribute("aria-current");
  }
  if (location.hash.startsWith("#result=")) return again(location.hash.slice(8).split(","));
  if (view === "ask") return;
  const beginView = state.views[view];
  if (beginView !== true) {
    state.views[view] = true;
    await beginView();
  }
}

function showModels() {
  $("models").hidden = state.models.length < 2;
  for (const name of state.models) {
    const label = made("label", "check", name), box = document.createElement("input");
    Object.assign(box, { type: "checkbox", value: name, checked: true });
    label.prepend(box);
    $("models").append(label);
    $("live-model").add(new Option(name, name));
  }
  $("live-models").hidden = state.models.length < 2;
}

const chosenModels = () => [...$("models").querySelectorAll("input:checked")].map((box) => box.value);

async function showExamples() {
  const examples = await (await server("page/examples")).json();
  for (const [index, example] of examples.entries()) {
    const button = made("button", "", example.title);
    button.type = "button";
    button.addEventListener("click", () => take(example, index).catch(say));
    $("examples").append(button);
  }
  $("examples").hidden = !examples.length;
}

async function take(example, index) {
  const reply = await server(`page/examples/${index}`);
  const name = `${example.title}.${reply.headers.get("content-type").endsWith("mp4") ? "mp4" : "png"}`;
  setFiles([new File([await reply.blob()], name, { type: reply.headers.get("content-type") })]);
  setPen(null);
  $("question").value = example.question;
  $("task").value = example.task;
  $("options").value = example.options.join("\n");
  chosen();
  $("ask").requestSubmit();
}

// ---- the question -------------------------------------------------------------------------------------------------

function setFiles(files) {
  state.files = [...files];
  $("media").replaceChildren(...state.files.map((file, index) => {
    const item = document.createElement("li"), shown = document.createElement(file.type.startsWith("video/") ? "video" : "img");
    shown.src = URL.createObjectURL(file);
    shown.muted = true;
    if (shown.tagName === "IMG") shown.alt = file.name;
    shown.addEventListener("error", () => shown.replaceWith(made("span", "unshown", file.name)));
    const away = made("button", "", "×");
    away.type = "button";
    away.setAttribute("aria-label", `Remove ${file.name}`);
    away.addEventListener("click", () => setFiles(state.files.filter((_, i) => i !== index)));
    item.append(shown, away);
    return item;
  }));
}

function chosen() {
  $("choices").hidden = $("task").value !== "multiple_choice";
}

function setPen(box) {
  state.pen = box;
  for (const panel of state.panels) panel.setPen(box);
  $("place").hidden = !box;
  $("place").textContent = box ? `The question is about the box [${box.map(Math.round).join(", ")}]; click the picture to drop it.` : "";
}

function body(model) {
  const form = new FormData(), options = $("task").value === "multiple_choice" ? $("options").value.split("\n") : [];
  const place = state.pen ? ` (in the box [${state.pen.map(Math.round).join(", ")}])` : "";
  form.append("question", $("question").value.trim() + place);
  form.append("task", $("task").value);
  form.append("model", model);
  for (const option of options.map((o) => o.trim()).filter(Boolean)) form.append("options", option);
  form.append("stream", "true");
  for (const file of state.files) form.append("media", file, "upload");
  return form;
}

function panelsOf(titles) {
  for (const panel of state.panels) panel.remove();
  state.panels = titles.map((title) => new Panel($("answers"), titles.length > 1 ? title : "", setPen));
  $("answers").classList.toggle("beside", titles.length > 1);
  $("empty").hidden = titles.length > 0;
  return state.panels;
}

async function ask() {
  state.asking?.abort();
  hush();
  const asking = (state.asking = new AbortController()), models = chosenModels();
  if (!models.length) return say(new Error("choose a model to ask"));
  $("go").disabled = true;
  const panels = panelsOf(models), ids = models.map(() => null);
  if (state.pen) setPen(state.pen);
  if (matchMedia("(max-width: 780px)").matches) $("answers").scrollIntoView({ block: "start" });
  await Promise.all(panels.map(async (panel, n) => {
    panel.begin(state.files[0]);
    try {
      ids[n] = await askOne(panel, models[n], asking.signal);
      if (ids.every(Boolean)) history.replaceState(null, "", `#result=${ids.join(",")}`);
    } catch (error) {
      if (error.name !== "AbortError") panel.fail(error.message);
    }
  }));
  if (asking === state.asking) $("go").disabled = false;
}

async function askOne(panel, model, signal) {
  const reply = await server("v1/ask", { method: "POST", body: body(model), signal });
  let said = "", id = null;
  for await (const { name, data } of events(reply.body)) {
    if (name === "start") panel.asked(data.task);
    if (name === "delta") panel.write((said += data.text));
    if (name === "problem") throw new Error(data.detail);
    if (name === "result") {
      id = data.id;
      await panel.finish(data);
    }
  }
  return id;
}

async function again(ids) {
  try {
    const replies = await Promise.all(ids.slice(0, 8).map(async (id) => (await server(`v1/results/${encodeURIComponent(id)}`)).json()));
    const panels = panelsOf(replies.map((reply) => reply.model));
    $("question").value = replies[0].result.question;
    await Promise.all(panels.map((panel, n) => panel.finish(replies[n])));
  } catch (error) {
    say(error);
  }
}

// ---- hands --------------------------------------------------------------------------------------------------------

$("files").addEventListener("change", () => setFiles($("files").files));
for (const kind of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") setFiles(event.dataTransfer.files);
  });
}
addEventListener("paste", (event) => event.clipboardData.files.length && setFiles(event.clipboardData.files));
$("task").addEventListener("change", chosen);
$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !$("view-ask").hidden) $("ask").requestSubmit();
});
addEventListener("token-wanted", () => {
  $("access").hidden = false;
  $("token").focus();
});
$("access").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value.trim());
  location.reload();
});
addEventListener("hashchange", show);

begin();
