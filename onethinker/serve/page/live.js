// Live sources: questions about one of those that the server may watch, the newest picture, a time line of the answers.

import { draw } from "./draw.js";
import { $, events, hush, made, say, send, server } from "./server.js";

const PICTURE_MS = 250, LINES = 200;
const state = { watch: null, following: null, result: null, url: "" };

export async function begin() {
  const sources = await (await server("v1/sources")).json();
  for (const { source, name } of sources) $("source").add(new Option(name, source));
  const watches = await (await server("v1/watches")).json(), open = watches.filter((watch) => !watch.ended).at(-1);
  if (open) {
    $("source").value = open.source;
    $("live-questions").value = open.questions.join("\n");
    follow(open);
  }
}

async function start() {
  hush();
  stopFollowing();
  const asked = {
    source: Number($("source").value),
    questions: $("live-questions").value.split("\n").map((line) => line.trim()).filter(Boolean),
    task: $("live-task").value,
    model: $("live-model").value,
    every: Number($("every").value),
    window: Number($("window").value),
  };
  try {
    await follow(await (await send("v1/watches", "POST", asked)).json());
  } catch (error) {
    say(error);
  }
}

async function end() {
  if (state.watch) await server(`v1/watches/${state.watch.id}`, { method: "DELETE" }).catch(say);
}

function stopFollowing() {
  state.following?.abort();
  state.watch = state.result = null;
  buttons();
}

function buttons() {
  $("end-watch").hidden = !state.watch;
  $("start-watch").hidden = Boolean(state.watch);
  $("on-air").hidden = !state.watch;
}

async function follow(watch) {
  const following = (state.following = new AbortController());
  state.watch = watch;
  $("timeline").replaceChildren();
  $("live-empty").hidden = true;
  $("live-stage").hidden = false;
  buttons();
  if (matchMedia("(max-width: 780px)").matches) $("live-stage").scrollIntoView({ block: "start" });
  pictures(watch, following.signal);
  try {
    const reply = await server(watch.events, { signal: following.signal });
    for await (const { name, data } of events(reply.body)) line(name, data);
  } catch (error) {
    if (error.name !== "AbortError") say(error);
  }
  if (state.watch === watch) {
    following.abort();
    state.watch = null;
    buttons();
  }
}

// The newest picture, again and again, the next one only when the last is shown: a slow line sees fewer.
async function pictures(watch, signal) {
  while (!signal.aborted) {
    try {
      if (!document.hidden) {
        const reply = await server(watch.picture, { signal }), url = URL.createObjectURL(await reply.blob());
        await new Promise((done) => {
          $("live-picture").onload = $("live-picture").onerror = done;
          $("live-picture").src = url;
        });
        URL.revokeObjectURL(state.url);
        state.url = url;
        fit();
      }
    } catch {
      // none yet, or the source is lost: the time line says so
    }
    await new Promise((done) => setTimeout(done, PICTURE_MS));
  }
}

function fit() {
  const shown = $("live-picture"), width = shown.naturalWidth || 1, height = shown.naturalHeight || 1;
  shown.classList.toggle("small", width < 256);
  shown.style.aspectRatio = `${width} / ${height}`;
  const wide = Math.min(shown.clientWidth, (shown.clientHeight * width) / height), high = (wide * height) / width;
  Object.assign($("live-overlay").style, {
    width: `${wide}px`, height: `${high}px`, left: `${(shown.clientWidth - wide) / 2}px`, top: `${(shown.clientHeight - high) / 2}px`,
  });
  draw($("live-overlay"), state.result, state.result?.media[0]?.duration ?? 0, null);
}

const SAID = { lost: "the source is lost", back: "the source is back", failed: "not answered", ended: "the watch has ended" };

function line(name, data) {
  const row = made("li", `event ${name}`), when = new Date(data.at);
  row.append(made("time", "", when.toLocaleTimeString([], { hour12: false })));
  row.firstChild.dateTime = data.at;
  const words = document.createElement("div");
  if (name === "answer") {
    state.result = data.result;
    const { answer, status, problem } = data.result;
    words.append(made("p", "muted", data.question), made("p", "said", status === "ok" ? answer : `${status.replace("_", " ")}: ${problem}`));
    row.append(words, made("span", "muted", `${data.latency.toFixed(2)} s`));
    row.lastChild.title = "from the frame to its answer";
  } else {
    if (name === "lost" || name === "ended") state.result = null;
    words.append(made("p", "said", SAID[name] ?? name), made("p", "muted", data.why ?? (data.after !== undefined ? `after ${data.after.toFixed(1)} s` : "")));
    row.append(words);
  }
  $("timeline").prepend(row);
  while ($("timeline").children.length > LINES) $("timeline").lastChild.remove();
}

$("watch").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
$("end-watch").addEventListener("click", end);
addEventListener("resize", () => $("live-picture").src && fit());
