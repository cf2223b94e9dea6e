// The page of `onethinker serve`: media and a question in, the thinking as it comes, the answer drawn, kept as a link.

import { draw, wordsAt } from "./draw.js";

const $ = (id) => document.getElementById(id);
// run: the number of the question that is shown; what comes late of an earlier one is dropped.
const state = { files: [], result: null, pen: null, urls: [], asking: null, run: 0 };

// ---- the server ---------------------------------------------------------------------------------------------------

const token = () => sessionStorage.getItem("token") ?? "";

async function server(path, options = {}) {
  const headers = { ...(token() ? { Authorization: `Bearer ${token()}` } : {}), ...options.headers };
  const reply = await fetch(path.replace(/^\//, ""), { ...options, headers });
  if (reply.ok) return reply;
  const told = await reply.json().catch(() => ({}));
  if (reply.status === 401) {
    $("access").hidden = false;
    $("access").open = true;
    $("token").focus();
  }
  throw new Error(told.detail ?? `the server answered ${reply.status}`);
}

async function begin() {
  try {
    const ready = await (await server("readyz")).json();
    $("model").textContent = ready.model;
    $("state").textContent = ready.status === "ok" ? "ready" : ready.status;
    const { tasks } = await (await server("v1/tasks")).json();
    for (const task of tasks) $("task").add(new Option(task.title, task.name));
    await showExamples();
    if (location.hash.startsWith("#result=")) await again(location.hash.slice(8));
  } catch (error) {
    say(error);
  }
}

async function showExamples() {
  const examples = await (await server("page/examples")).json();
  for (const [index, example] of examples.entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = example.title;
    button.addEventListener("click", () => take(example, index).catch(say));
    $("examples").append(button);
  }
  $("examples").hidden = !examples.length;
}

async function take(example, index) {
  clear();
  const reply = await server(`page/examples/${index}`);
  const name = `${example.title}.${reply.headers.get("content-type").endsWith("mp4") ? "mp4" : "png"}`;
  setFiles([new File([await reply.blob()], name, { type: reply.headers.get("content-type") })]);
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
    const away = document.createElement("button");
    away.type = "button";
    away.textContent = "×";
    away.setAttribute("aria-label", `Remove ${file.name}`);
    away.addEventListener("click", () => setFiles(state.files.filter((_, i) => i !== index)));
    item.append(shown, away);
    return item;
  }));
}

function chosen() {
  $("choices").hidden = $("task").value !== "multiple_choice";
}

function body() {
  const form = new FormData(), options = $("task").value === "multiple_choice" ? $("options").value.split("\n") : [];
  const place = state.pen ? ` (in the box [${state.pen.map(Math.round).join(", ")}])` : "";
  form.append("question", $("question").value.trim() + place);
  form.append("task", $("task").value);
  for (const option of options.map((o) => o.trim()).filter(Boolean)) form.append("options", option);
  form.append("stream", "true");
  for (const file of state.files) form.append("media", file, "upload");
  return form;
}

async function ask() {
  state.asking?.abort();
  state.asking = new AbortController();
  $("go").disabled = true;
  clear();
  $("said").hidden = false;
  $("empty").hidden = true;
  $("status").textContent = "asking…";
  const run = state.run;
  preview(run);
  try {
    const reply = await server("v1/ask", { method: "POST", body: body(), signal: state.asking.signal });
    let said = "";
    for await (const { name, data } of events(reply.body)) {
      if (name === "start") $("task-said").textContent = `asked as ${data.task.replaceAll("_", " ")}`;
      if (name === "delta") show((said += data.text));
      if (name === "problem") throw new Error(data.detail);
      if (name === "result") await finish(data, run);
    }
  } catch (error) {
    if (error.name !== "AbortError" && run === state.run) say(error);
  } finally {
    if (run === state.run) {
      $("go").disabled = false;
      if ($("status").textContent === "asking…") $("status").textContent = "";
    }
  }
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
      const lines = rest.slice(0, end).split("\n");
      const name = lines.find((l) => l.startsWith("event: "))?.slice(7);
      const data = lines.find((l) => l.startsWith("data: "))?.slice(6);
      if (name && data) yield { name, data: JSON.parse(data) };
    }
  }
}

// ---- the answer ---------------------------------------------------------------------------------------------------

function clear() {
  for (const id of ["problem", "stage", "said", "links", "span", "turns"]) $(id).hidden = true;
  for (const id of ["thinking", "text", "status", "task-said"]) $(id).textContent = "";
  $("empty").hidden = false;
  state.run += 1;
  state.result = null;
  state.urls.forEach(URL.revokeObjectURL);
  state.urls = [];
}

// Model text is text: it is set, never parsed as markup.
function show(said) {
  const [, thinking = "", text = ""] = /^\s*(?:<think>)?([^]*?)(?:<\/think>\s*(?:<answer>)?([^]*?)(?:<\/answer>\s*)?)?$/.exec(said) ?? [];
  $("thinking").textContent = thinking.trim();
  $("text").textContent = text.trim();
}

async function finish(reply, run) {
  if (run !== state.run) return;
  state.result = reply.result;
  const { thinking, answer, status, problem, task, inferred } = reply.result;
  $("thinking").textContent = thinking;
  $("text").textContent = answer;
  $("task-said").textContent = `asked as ${task.replaceAll("_", " ")}${inferred ? ` (${inferred})` : ""}`;
  $("status").textContent = `${status === "ok" ? "" : `${status.replace("_", " ")}: ${problem} · `}${reply.seconds.toFixed(2)} s · ${reply.usage.completion_tokens} tokens`;
  turns(reply.result.turns ?? []);
  location.replace(`#result=${reply.id}`);
  links(reply);
  if (reply.media.length) await stage(reply, run);
}

// Each turn that called a tool: its words, and the passages and pictures that came back.
function turns(all) {
  const line = (name, words, kind) => Object.assign(document.createElement(name), { textContent: words, className: kind });
  $("turns").replaceChildren(...all.flatMap((turn) => {
    const back = document.createElement("div");
    back.className = "back";
    for (const part of turn.response) {
      if (typeof part === "string") back.append(line("p", part.trim(), turn.failed ? "problem" : "passage"));
      else back.append(Object.assign(new Image(), { src: `data:image/png;base64,${part.png}`, alt: `shown by ${turn.tool}` }));
    }
    return [line("h2", turn.tool || "call", ""), line("p", turn.text.replace(/<\/?(think|tool_call)>/g, " ").trim(), "thinking"), back];
  }));
  $("turns").hidden = !all.length;
}

function links(reply) {
  const json = URL.createObjectURL(new Blob([JSON.stringify(reply.result, null, 1)], { type: "application/json" }));
  state.urls.push(json);
  const made = [link("JSON", json, `${reply.id}.json`)];
  if (reply.drawing) made.push(fetched("Drawing", reply.drawing, "drawing"), fetched("Medium", reply.media[0], "medium"));
  const share = document.createElement("button");
  share.type = "button";
  share.textContent = "Copy link";
  share.addEventListener("click", async () => {
    await navigator.clipboard.writeText(location.href).catch(() => prompt("The link:", location.href));
    share.textContent = `Copied; it works for ${Math.round(reply.expires / 60)} min`;
  });
  $("links").replaceChildren(...made, share);
  $("links").hidden = false;
}

function link(words, href, name) {
  const made = document.createElement("a");
  Object.assign(made, { textContent: words, href, download: name });
  return made;
}

function fetched(words, path, name) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = words;
  made.addEventListener("click", () => blobOf(path).then(({ url, kind }) => link("", url, `${name}.${kind}`).click()).catch(say));
  return made;
}

async function blobOf(path) {
  const reply = await server(path), type = reply.headers.get("content-type");
  const url = URL.createObjectURL(await reply.blob());
  state.urls.push(url);
  return { url, kind: type.endsWith("mp4") ? "mp4" : "png" };
}

// What is asked about, before the answer is there.
function preview(run) {
  const [file] = state.files;
  if (!file || !/^(image|video)\/(png|jpeg|webp|gif|mp4)$/.test(file.type)) return;
  const url = URL.createObjectURL(file);
  state.urls.push(url);
  place(url, file.type.startsWith("video/"), run);
}

async function stage(reply, run) {
  const { url, kind } = await blobOf(reply.media[0]);
  await place(url, kind === "mp4", run);
  if (run !== state.run) return;
  const { span, media, boxes } = reply.result;
  const first = span?.[0] ?? boxes.find((box) => box.second !== null)?.second;
  if (kind === "mp4" && first) seek(first);
  if (span && kind === "mp4") {
    const length = media[0].duration || 1;
    $("span").hidden = false;
    $("span").style.left = `${(100 * span[0]) / length}%`;
    $("span").style.width = `${(100 * (span[1] - span[0])) / length}%`;
    $("span").title = `${span[0]} to ${span[1]} s`;
  }
  redraw();
}

async function place(url, isClip, run) {
  if (run !== state.run) return;
  const [shown, other] = isClip ? [$("clip"), $("picture")] : [$("picture"), $("clip")];
  other.hidden = true;
  other.removeAttribute("src");
  shown.hidden = false;
  $("player").hidden = !isClip;
  $("stage").hidden = false;
  await new Promise((done) => {
    shown.addEventListener(isClip ? "loadedmetadata" : "load", done, { once: true });
    shown.addEventListener("error", done, { once: true });
    shown.src = url;
  });
  if (run !== state.run) return;
  fit(shown);
  redraw();
}

// The canvas lies exactly over the picture, which may be narrower than its frame.
function fit(shown) {
  const width = shown.naturalWidth || shown.videoWidth || 1, height = shown.naturalHeight || shown.videoHeight || 1;
  shown.classList.toggle("small", width < 256);
  shown.style.aspectRatio = `${width} / ${height}`;
  const wide = Math.min(shown.clientWidth, (shown.clientHeight * width) / height), high = (wide * height) / width;
  Object.assign($("overlay").style, {
    width: `${wide}px`, height: `${high}px`, left: `${(shown.clientWidth - wide) / 2}px`, top: `${(shown.clientHeight - high) / 2}px`,
  });
}

const isClip = () => !$("clip").hidden;
const now = () => (isClip() ? $("clip").currentTime : 0);

function redraw() {
  draw($("overlay"), state.result, now(), state.pen);
  if (!isClip()) return;
  const { currentTime, duration } = $("clip");
  $("scrub").value = String((1000 * currentTime) / (duration || 1));
  $("second").textContent = `${currentTime.toFixed(1)} s`;
}

function seek(second) {
  $("clip").currentTime = second;
}

async function again(id) {
  const reply = await (await server(`v1/results/${encodeURIComponent(id)}`)).json();
  clear();
  $("said").hidden = false;
  $("empty").hidden = true;
  $("question").value = reply.result.question;
  await finish(reply, state.run);
}

function say(error) {
  $("problem").textContent = error.message;
  $("problem").hidden = false;
}

// ---- hands --------------------------------------------------------------------------------------------------------

function placeOf(event) {
  const box = $("overlay").getBoundingClientRect();
  return [(1000 * (event.clientX - box.left)) / box.width, (1000 * (event.clientY - box.top)) / box.height];
}

let from = null;
$("overlay").addEventListener("pointerdown", (event) => {
  from = placeOf(event);
});
$("overlay").addEventListener("pointermove", (event) => {
  const [px, py] = placeOf(event), clamp = (v) => Math.max(0, Math.min(1000, v));
  if (from && Math.hypot(px - from[0], py - from[1]) > 12) {
    state.pen = [Math.min(px, from[0]), Math.min(py, from[1]), Math.max(px, from[0]), Math.max(py, from[1])].map(clamp);
    redraw();
  }
  const words = state.result ? wordsAt(state.result, now(), [px, py]) : "";
  $("tip").hidden = !words;
  $("tip").textContent = words;
  $("tip").style.left = `${event.offsetX + $("overlay").offsetLeft + 14}px`;
  $("tip").style.top = `${event.offsetY + $("overlay").offsetTop + 14}px`;
});
addEventListener("pointerup", (event) => {
  if (!from) return;
  const [px, py] = placeOf(event);
  if (Math.hypot(px - from[0], py - from[1]) <= 12) state.pen = null;  // a click alone takes the box away
  from = null;
  $("place").hidden = !state.pen;
  $("place").textContent = state.pen ? `The question is about the box [${state.pen.map(Math.round).join(", ")}]; click the picture to drop it.` : "";
  redraw();
});
$("overlay").addEventListener("pointerleave", () => ($("tip").hidden = true));

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
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("ask").requestSubmit();
});
$("token").addEventListener("change", () => {
  sessionStorage.setItem("token", $("token").value.trim());
  location.reload();
});
$("play").addEventListener("click", () => ($("clip").paused ? $("clip").play() : $("clip").pause()));
for (const kind of ["play", "pause"]) {
  $("clip").addEventListener(kind, () => {
    $("play").textContent = kind === "play" ? "❚❚" : "▶";
    $("play").setAttribute("aria-label", kind === "play" ? "Pause" : "Play");
  });
}
$("clip").addEventListener("timeupdate", redraw);
$("clip").addEventListener("seeked", redraw);
$("scrub").addEventListener("input", () => seek(($("scrub").value / 1000) * ($("clip").duration || 0)));
addEventListener("resize", () => {
  const shown = isClip() ? $("clip") : $("picture");
  if (!shown.hidden) fit(shown);
  redraw();
});
(function follow() {
  if (!$("clip").paused) redraw();
  requestAnimationFrame(follow);
})();

begin();
