// Owns talking to the server: requests, event streams, and turning every failure into something a person can read.

/** A failure with a title, a sentence, and whether trying again can help. */
export class Failure extends Error {
  constructor(title, detail, { canRetry = true, kind = "other" } = {}) {
    super(title);
    this.title = title;
    this.detail = detail;
    this.canRetry = canRetry;
    this.kind = kind;
  }
}

const state = { user: null, key: null, askForKey: null };

try {
  state.key = sessionStorage.getItem("strata-key");
} catch {
  // Without storage the key is asked for again after a reload.
}

/** Whom to ask as, in local mode; null leaves it to the server. */
export function setUser(user) {
  state.user = user;
}

export const currentUser = () => state.user;

/** `ask` is called when the server wants a key, and resolves to one. */
export function onKeyNeeded(ask) {
  state.askForKey = ask;
}

function headers(more = {}) {
  return state.key ? { ...more, authorization: `Bearer ${state.key}` } : more;
}

export function url(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null) query.set(name, value);
  }
  if (state.user) query.set("as", state.user);
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** What a status and an error body mean for people. */
export function explain(status, error = {}) {
  const said = [error.message, error.remedy].filter(Boolean).join(" ");
  switch (status) {
    case 401:
      return new Failure("A key is needed", "The server did not accept the key.", { kind: "key" });
    case 403:
      return new Failure("Not allowed", said || "The server refused this.", { canRetry: false });
    case 404:
      return new Failure("Not found", said || "It does not exist, or you may not read it.", { canRetry: false });
    case 409:
      return new Failure("Not possible right now", said);
    case 413:
      return new Failure("Too large", said || "The file is larger than the server accepts.", { canRetry: false });
    case 429:
      return new Failure(
        "The model is busy", "Others are asking right now. Your question was not lost: try again in a moment.",
        { kind: "busy" });
    case 503:
      return new Failure("Not ready yet", said || "The server cannot answer at the moment. Try again shortly.");
    case 400:
      if (error.code === "context_length_exceeded") {
        return new Failure("Too long for the model", "Ask a shorter question.", { canRetry: false });
      }
      return new Failure(
        "That did not work", said || "The server did not understand the request.", { canRetry: false });
    default:
      return new Failure("Something went wrong", said || `The server answered with status ${status}.`);
  }
}

/** What to tell people about any error. */
export const failureFor = (error) =>
  (error instanceof Failure ? error : new Failure("Something went wrong", String(error.message)));

const unreachable = () => new Failure(
  "The server does not answer", "It may have been stopped. Start it again, then try once more.", { kind: "offline" });

async function failureOf(response) {
  const body = await response.json().catch(() => ({}));
  return explain(response.status, body.error);
}

/** A request that asks for the key, once, when the server wants one. */
async function request(path, options = {}) {
  for (let attempt = 0; ; attempt += 1) {
    let response;
    try {
      response = await fetch(path, { ...options, headers: headers(options.headers) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw unreachable();
    }
    if (response.ok) return response;
    if (response.status === 401 && state.askForKey && attempt < 3) {
      state.key = await state.askForKey();
      try {
        sessionStorage.setItem("strata-key", state.key);
      } catch {
        // It stays in memory only.
      }
      continue;
    }
    throw await failureOf(response);
  }
}

export async function getJSON(path, parameters) {
  return (await request(url(path, parameters))).json();
}

export async function remove(path, parameters) {
  return (await request(url(path, parameters), { method: "DELETE" })).json();
}

/**
 * Asks, and calls `onEvent(name, data)` for each event until the stream ends.
 * Throws a Failure, also when the stream ends without `done`.
 */
export async function ask(question, { conversation = [], signal, onEvent }) {
  const body = { question };
  if (conversation.length) body.conversation = conversation;
  if (state.user) body.as = state.user;
  const response = await request("/api/ask", {
    method: "POST", signal, headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify(body),
  });
  let isComplete = false;
  try {
    for await (const event of events(response.body)) {
      if (event.name === "error") throw explain(statusOf(event.data), event.data);
      if (event.name === "done") isComplete = true;
      onEvent(event.name, event.data);
    }
  } catch (error) {
    if (error instanceof Failure || error.name === "AbortError") throw error;
    throw interrupted();
  }
  if (!isComplete) throw interrupted();
}

const interrupted = () => new Failure(
  "The answer broke off", "The connection to the server was lost before the answer was complete.", { kind: "offline" });

function statusOf(error) {
  return { rate_limit_error: 429, invalid_request_error: 400, permission_error: 403 }[error.type]
    ?? (error.code === "internal_error" ? 500 : 503);
}

/** The events of a `text/event-stream`. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const event = { name: "message", data: "" };
        for (const line of text.slice(0, end).split("\n")) {
          if (line.startsWith("event: ")) event.name = line.slice(7);
          else if (line.startsWith("data: ")) event.data += line.slice(6);
        }
        text = text.slice(end + 2);
        if (event.data) yield { name: event.name, data: JSON.parse(event.data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Sends a file; `onProgress` gets a fraction from 0 to 1. Uses XMLHttpRequest, which alone reports upload progress. */
export function upload(file, onProgress) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("POST", url("/api/documents", { name: file.name }));
    for (const [name, value] of Object.entries(headers())) call.setRequestHeader(name, value);
    call.setRequestHeader("content-type", "application/octet-stream");
    call.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    call.onerror = () => reject(unreachable());
    call.onload = () => {
      let body = {};
      try {
        body = JSON.parse(call.responseText);
      } catch {
        // An answer that is no JSON is explained by its status alone.
      }
      if (call.status >= 200 && call.status < 300) resolve(body);
      else reject(explain(call.status, body.error));
    };
    call.send(file);
  });
}
