// One answer: what was asked about with the answer drawn on it, a clip that scrubs, the thinking, the words, the links.

import { draw, wordsAt } from "./draw.js";
import { blobOf, made, say } from "./server.js";

const panels = new Set();

export class Panel {
  // title: above it, where there are several. onPen: told of a box that is drawn by hand, 0-1000, or null.
  constructor(place, title = "", onPen = () => {}) {
    this.root = document.getElementById("panel").content.firstElementChild.cloneNode(true);
    this.result = this.truth = this.pen = null;
    this.urls = [];
    this.onPen = onPen;
    this.part("title").textContent = title;
    this.part("title").hidden = !title;
    this.root.setAttribute("aria-label", title ? `Answer of ${title}` : "Answer");
    place.append(this.root);
    panels.add(this);
    this.listen();
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  remove() {
    panels.delete(this);
    this.urls.forEach(URL.revokeObjectURL);
    this.root.remove();
  }

  begin(file) {
    this.part("status").textContent = "asking…";
    if (!file || !/^(image|video)\/(png|jpeg|webp|gif|mp4)$/.test(file.type)) return;
    const url = URL.createObjectURL(file);  // shown before the answer is there
    this.urls.push(url);
    this.place(url, file.type.startsWith("video/"));
  }

  asked(task, why = "") {
    this.part("task").textContent = `asked as ${task.replaceAll("_", " ")}${why ? ` (${why})` : ""}`;
  }

  // Model text is text: it is set, never parsed as markup.
  write(said) {
    const [, thinking = "", text = ""] = /^\s*(?:<think>)?([^]*?)(?:<\/think>\s*(?:<answer>)?([^]*?)(?:<\/answer>\s*)?)?$/.exec(said) ?? [];
    this.part("thinking").textContent = thinking.trim();
    this.part("text").textContent = text.trim();
  }

  fail(words) {
    this.part("said").hidden = true;
    this.part("status").textContent = "";
    this.part("problem").textContent = words;
    this.part("problem").hidden = false;
  }

  // reply: as /v1/ask gives it. truth: a record that is drawn beneath.
  async finish(reply, truth = null) {
    this.result = reply.result;
    this.truth = truth;
    const { thinking, answer, status, problem, task, inferred } = reply.result;
    this.part("thinking").textContent = thinking;
    this.part("text").textContent = answer;
    this.asked(task, inferred);
    this.part("status").textContent = `${status === "ok" ? "" : `${status.replace("_", " ")}: ${problem} · `}${reply.seconds.toFixed(2)} s · ${reply.usage.completion_tokens} tokens`;
    this.turns(reply.result.turns ?? []);
    this.links(reply);
    if (reply.media.length) await this.stage(reply);
  }

  // Each turn that called a tool: its words, and the passages and pictures that came back.
  turns(all) {
    this.part("turns").replaceChildren(...all.flatMap((turn) => {
      const back = made("div", "back");
      for (const part of turn.response) {
        if (typeof part === "string") back.append(made("p", turn.failed ? "problem" : "passage", part.trim()));
        else back.append(Object.assign(new Image(), { src: `data:image/png;base64,${part.png}`, alt: `shown by ${turn.tool}` }));
      }
      return [made("h2", "", turn.tool || "call"), made("p", "thinking", turn.text.replace(/<\/?(think|tool_call)>/g, " ").trim()), back];
    }));
    this.part("turns").hidden = !all.length;
  }

  links(reply) {
    const json = URL.createObjectURL(new Blob([JSON.stringify(reply.result, null, 1)], { type: "application/json" }));
    this.urls.push(json);
    const links = [link("JSON", json, `${reply.id}.json`)];
    if (reply.drawing) links.push(this.fetched("Drawing", reply.drawing, "drawing"), this.fetched("Medium", reply.media[0], "medium"));
    const share = made("button", "", "Copy link");
    share.type = "button";
    share.addEventListener("click", async () => {
      const address = location.href.split("#")[0] + `#result=${reply.id}`;
      await navigator.clipboard.writeText(address).catch(() => prompt("The link:", address));
      share.textContent = `Copied; it works for ${Math.round(reply.expires / 60)} min`;
    });
    this.part("links").replaceChildren(...links, share);
    this.part("links").hidden = false;
  }

  fetched(words, path, name) {
    const button = made("button", "", words);
    button.type = "button";
    button.addEventListener("click", () => this.blob(path).then(({ url, kind }) => link("", url, `${name}.${kind}`).click()).catch(say));
    return button;
  }

  async blob(path) {
    const got = await blobOf(path);
    this.urls.push(got.url);
    return got;
  }

  async stage(reply) {
    const { url, kind } = await this.blob(reply.media[0]);
    await this.place(url, kind === "mp4");
    const { span, media, boxes } = reply.result;
    const first = span?.[0] ?? boxes.find((box) => box.second !== null)?.second;
    if (kind === "mp4" && first) this.part("clip").currentTime = first;
    if (kind === "mp4") {
      this.spanned("span", span, media[0].duration || 1);
      this.spanned("true-span", this.truth?.span, media[0].duration || 1);
    }
    this.redraw();
  }

  spanned(name, span, length) {
    this.part(name).hidden = !span;
    if (!span) return;
    this.part(name).style.left = `${(100 * span[0]) / length}%`;
    this.part(name).style.width = `${(100 * (span[1] - span[0])) / length}%`;
    this.part(name).title = `${span[0]} to ${span[1]} s`;
  }

  async place(url, isClip) {
    const [shown, other] = isClip ? [this.part("clip"), this.part("picture")] : [this.part("picture"), this.part("clip")];
    other.hidden = true;
    other.removeAttribute("src");
    shown.hidden = false;
    this.part("player").hidden = !isClip;
    this.part("stage").hidden = false;
    const fine = await new Promise((done) => {
      shown.addEventListener(isClip ? "loadedmetadata" : "load", () => done(true), { once: true });
      shown.addEventListener("error", () => done(false), { once: true });
      shown.src = url;
    });
    this.part("stage").hidden = !fine;
    this.fit();
  }

  // The canvas lies exactly over the picture, which may be narrower than its frame.
  fit() {
    const shown = this.isClip ? this.part("clip") : this.part("picture");
    if (shown.hidden) return;
    const width = shown.naturalWidth || shown.videoWidth || 1, height = shown.naturalHeight || shown.videoHeight || 1;
    shown.classList.toggle("small", width < 256);
    shown.style.aspectRatio = `${width} / ${height}`;
    const wide = Math.min(shown.clientWidth, (shown.clientHeight * width) / height), high = (wide * height) / width;
    Object.assign(this.part("overlay").style, {
      width: `${wide}px`, height: `${high}px`, left: `${(shown.clientWidth - wide) / 2}px`, top: `${(shown.clientHeight - high) / 2}px`,
    });
    this.redraw();
  }

  get isClip() {
    return !this.part("clip").hidden;
  }

  get now() {
    return this.isClip ? this.part("clip").currentTime : 0;
  }

  redraw() {
    draw(this.part("overlay"), this.result, this.now, this.pen, this.truth);
    if (!this.isClip) return;
    const { currentTime, duration } = this.part("clip");
    this.part("scrub").value = String((1000 * currentTime) / (duration || 1));
    this.part("second").textContent = `${currentTime.toFixed(1)} s`;
  }

  setPen(box) {
    this.pen = box;
    this.redraw();
  }

  // This one and those of other models: one clip, which is at the same second in all of them.
  beside() {
    return [...panels].filter((panel) => panel.isClip && panel.root.parentElement === this.root.parentElement);
  }

  listen() {
    const overlay = this.part("overlay"), clip = this.part("clip"), tip = this.part("tip");
    let from = null;
    const placeOf = (event) => {
      const box = overlay.getBoundingClientRect();
      return [(1000 * (event.clientX - box.left)) / box.width, (1000 * (event.clientY - box.top)) / box.height];
    };
    overlay.addEventListener("pointerdown", (event) => {
      from = placeOf(event);
      overlay.setPointerCapture(event.pointerId);
    });
    overlay.addEventListener("pointermove", (event) => {
      const [px, py] = placeOf(event), clamp = (v) => Math.max(0, Math.min(1000, v));
      if (from && Math.hypot(px - from[0], py - from[1]) > 12) {
        this.setPen([Math.min(px, from[0]), Math.min(py, from[1]), Math.max(px, from[0]), Math.max(py, from[1])].map(clamp));
      }
      const words = this.result ? wordsAt(this.result, this.now, [px, py]) : "";
      tip.hidden = !words;
      tip.textContent = words;
      tip.style.left = `${event.offsetX + overlay.offsetLeft + 14}px`;
      tip.style.top = `${event.offsetY + overlay.offsetTop + 14}px`;
    });
    overlay.addEventListener("pointerup", (event) => {
      if (!from) return;
      const [px, py] = placeOf(event);
      if (Math.hypot(px - from[0], py - from[1]) <= 12) this.pen = null;  // a click alone takes the box away
      from = null;
      this.onPen(this.pen);
      this.redraw();
    });
    overlay.addEventListener("pointerleave", () => (tip.hidden = true));
    this.part("play").addEventListener("click", () => {
      const paused = clip.paused;
      for (const panel of this.beside()) paused ? panel.part("clip").play() : panel.part("clip").pause();
    });
    for (const kind of ["play", "pause"]) {
      clip.addEventListener(kind, () => {
        this.part("play").textContent = kind === "play" ? "❚❚" : "▶";
        this.part("play").setAttribute("aria-label", kind === "play" ? "Pause" : "Play");
      });
    }
    clip.addEventListener("timeupdate", () => this.redraw());
    clip.addEventListener("seeked", () => this.redraw());
    this.part("scrub").addEventListener("input", () => {
      const second = (this.part("scrub").value / 1000) * (clip.duration || 0);
      for (const panel of this.beside()) panel.part("clip").currentTime = second;
    });
  }
}

function link(words, href, name) {
  const element = made("a", "", words);
  Object.assign(element, { href, download: name });
  return element;
}

addEventListener("resize", () => panels.forEach((panel) => panel.fit()));
(function follow() {
  for (const panel of panels) if (panel.isClip && !panel.part("clip").paused) panel.redraw();
  requestAnimationFrame(follow);
})();
