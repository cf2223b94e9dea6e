// The server as the page asks it: every request with the token of this tab, errors as the sentence that came.

export const $ = (id) => document.getElementById(id);
export const token = () => sessionStorage.getItem("token") ?? "";

export async function server(path, options = {}) {
  const headers = { ...(token() ? { Authorization: `Bearer ${token()}` } : {}), ...options.headers };
  const reply = await fetch(path.replace(/^\//, ""), { ...options, headers });
  if (reply.ok) return reply;
  const told = await reply.json().catch(() => ({}));
  if (reply.status === 401) dispatchEvent(new Event("token-wanted"));
  throw new Error(told.detail ?? `the server answered ${reply.status}`);
}

export const send = (path, method, body) =>
  server(path, { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } });

export async function blobOf(path) {
  const reply = await server(path), type = reply.headers.get("content-type");
  return { url: URL.createObjectURL(await reply.blob()), kind: type.endsWith("mp4") ? "mp4" : "png" };
}

// Server-sent events of a reply: {name, data} each.
export async function* events(stream) {
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

// An element with its text, which is text whoever wrote it.
export function made(tag, className, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

export function say(error) {
  $("problem").textContent = error.message;
  $("problem").hidden = false;
  $("problem").scrollIntoView({ block: "nearest" });
}

export function hush() {
  $("problem").hidden = true;
}
