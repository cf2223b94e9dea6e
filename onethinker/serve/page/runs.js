// Rollouts of training runs: the answers to each question beside one another with their rewards, one of them opened and
// drawn like any answer, the truth beneath it; and the runs' reports.

import { Panel } from "./panel.js";
import { $, hush, made, say, send, server } from "./server.js";

const state = { runs: [], after: "", group: null, panel: null, asking: 0, thumbs: null, urls: [] };
const BEST = 1.5;  // of the default reward; what is higher fills the bar

export async function begin() {
  state.runs = await (await server("v1/runs")).json();
  for (const { name } of state.runs) $("run").add(new Option(name === "." ? "(this folder)" : name, name));
  const [, wanted] = /^#runs=(.+)$/.exec(location.hash) ?? [];
  if (wanted && state.runs.some((run) => run.name === decodeURIComponent(wanted))) $("run").value = decodeURIComponent(wanted);
  else $("run").value = (state.runs.find((run) => run.steps) ?? state.runs[0])?.name ?? "";
  if (state.runs.length) await again();
  else $("groups").replaceChildren(made("li", "muted", "There is no run with rollouts or a report in the server's folder."));
}

// From the start, after a filter has changed.
async function again() {
  hush();
  const run = state.runs.find((one) => one.name === $("run").value);
  history.replaceState(null, "", `#runs=${encodeURIComponent(run.name)}`);
  $("open-report").hidden = !run.report;
  $("groups").replaceChildren();
  state.urls.forEach(URL.revokeObjectURL);
  Object.assign(state, { after: "", group: null, urls: [] });
  state.thumbs?.disconnect();
  state.thumbs = new IntersectionObserver((seen) => seen.filter((one) => one.isIntersecting).forEach((one) => thumb(one.target)));
  $("more").hidden = true;
  if (run.steps) await more();
  else $("groups").append(made("li", "muted", "This run has a report and no rollouts."));
}

async function more() {
  const query = new URLSearchParams({ run: $("run").value, limit: "120" }), asking = ++state.asking;
  for (const [id, key] of [["run-task", "task"], ["run-status", "status"], ["min-reward", "min_reward"], ["max-reward", "max_reward"], ["run-step", "step"]]) {
    if ($(id).value !== "" && $(id).value !== "auto") query.set(key, $(id).value);
  }
  if (state.after) query.set("after", state.after);
  try {
    const { rows, after } = await (await server(`v1/rollouts?${query}`)).json();
    if (asking !== state.asking) return;
    for (const row of rows) add(row);
    state.after = after;
    $("more").hidden = !after;
    if (!$("groups").children.length) $("groups").append(made("li", "muted", after ? "Nothing yet; look further." : "No rollout fits."));
  } catch (error) {
    say(error);
  }
}

// One rollout, into the group of its question's answers at that step.
function add(row) {
  if (!state.group || state.group.id !== row.id || state.group.step !== row.step) {
    const item = made("li", "group"), words = made("div"), chips = made("div", "chips");
    const picture = made("img", "thumb small");
    picture.alt = "";
    picture.dataset.at = row.at;
    const head = made("p", "muted", `step ${row.step} · ${row.task.replaceAll("_", " ")}`);
    words.append(head, made("p", "question", row.question.replace(/<(image|video)>/g, "").trim()), chips);
    if (row.modality !== "text") {
      item.append(picture);
      state.thumbs.observe(picture);
    }
    item.append(words);
    $("groups").append(item);
    state.group = { id: row.id, step: row.step, chips };
  }
  const chip = made("button", `chip${row.status === "ok" ? "" : " bad"}`, row.reward === null ? "–" : row.reward.toFixed(2)), bar = made("i");
  chip.type = "button";
  bar.style.width = `${100 * Math.max(0, Math.min(1, (row.reward ?? 0) / BEST))}%`;
  chip.append(bar);
  chip.title = `answer ${row.index}: ${row.status.replace("_", " ")}, accuracy ${row.accuracy?.toFixed(2) ?? "–"}`;
  chip.setAttribute("aria-label", `reward ${chip.firstChild.textContent}, ${chip.title}`);
  chip.addEventListener("click", () => open(row, chip));
  state.group.chips.append(chip);
}

async function thumb(picture) {
  state.thumbs.unobserve(picture);
  try {
    const query = new URLSearchParams({ run: $("run").value, at: picture.dataset.at });
    picture.src = URL.createObjectURL(await (await server(`v1/rollouts/thumb?${query}`)).blob());
    state.urls.push(picture.src);
  } catch {
    picture.remove();  // its data are not here
  }
}

async function open(row, chip) {
  hush();
  for (const other of $("groups").querySelectorAll("[aria-pressed]")) other.removeAttribute("aria-pressed");
  chip.setAttribute("aria-pressed", "true");
  const asking = ++state.asking;
  try {
    const told = await (await send("v1/rollouts/open", "POST", { run: $("run").value, at: row.at })).json();
    if (asking !== state.asking) return;
    state.panel?.remove();
    $("rollout-empty").hidden = true;
    facts(told);
    state.panel = new Panel($("rollout"));
    await state.panel.finish(told.answered, told.truth);
    if (matchMedia("(max-width: 780px)").matches) $("rollout").scrollIntoView({ block: "start" });
  } catch (error) {
    say(error);
  }
}

function facts({ row, note }) {
  const number = (value) => (value === null ? "–" : value.toFixed(3));
  const rows = [
    ["Reward", number(row.reward)], ["Accuracy", number(row.accuracy)], ["Advantage", number(row.advantage)],
    ["Format", String(row.format)], ["Structure", number(row.structure)],
    ...Object.entries(row.components).map(([name, value]) => [name.replaceAll("_", " "), number(value)]),
  ];
  $("facts").replaceChildren(...rows.map(([name, value]) => {
    const fact = made("div");
    fact.append(made("dt", "", name), made("dd", "", value));
    return fact;
  }));
  $("rollout-question").textContent = row.question.replace(/<(image|video)>/g, "").trim();
  $("rollout-truth").textContent = row.truth;
  $("rollout-note").textContent = note;
  $("rollout-about").hidden = false;
}

async function report() {
  const tab = open_tab();
  try {
    const { address } = await (await server(`v1/reports?run=${encodeURIComponent($("run").value)}`, { method: "POST" })).json();
    tab.location = new URL(address.replace(/^\//, ""), location.href);
  } catch (error) {
    tab.close();
    say(error);
  }
}

// Within the click, or a browser holds it for an advertisement.
const open_tab = () => window.open("about:blank", "_blank");

$("filters").addEventListener("change", () => again().catch(say));
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("more").addEventListener("click", more);
$("open-report").addEventListener("click", report);
