// What the page asks of the server. Addresses are relative: the server may stand behind a path.

import { remember, remembered } from "./look.js";

const KEY = "gigaam-key";
const LONGEST_PAUSE_MS = 5000;
const MOST_FAILURES = 14; // in a row: a server has a minute to start again

export function apiKey() {
  return remembered("session", KEY);
}

export function rememberKey(key) {
  remember("session", KEY, key);
}

/** An answer that is no success; `status` 0 is none at all. */
export class Refused extends Error {
  constructor(status, message, { retryS = null, code = null } = {}) {
    super(message);
    this.status = status;
    this.retryS = retryS;
    this.code = code;
  }
}

/** The refusal in an answer's text; where that is a proxy's page, its status has to do. */
function refusal(status, statusText, text, retryAfter) {
  let error = {};
  try {
    error = JSON.parse(text).error ?? {};
  } catch {
    // no JSON
  }
  const message = error.message || `${status} ${statusText}`.trim();
  return new Refused(status, message, { retryS: Number(retryAfter) || null, code: error.code ?? null });
}

async function checked(response) {
  if (response.ok) return response;
  const retryAfter = response.headers.get("Retry-After");
  throw refusal(response.status, response.statusText, await response.text(), retryAfter);
}

function headers() {
  return apiKey() ? { Authorization: `Bearer ${apiKey()}` } : {};
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "");
  }
  return checked(response);
}

export async function models() {
  return (await (await ask("v1/models")).json()).data.map((model) => model.id);
}

/** Whether the server tells speakers apart; null while it cannot say. */
export async function tellsSpeakers() {
  try {
    return (await (await ask("ready")).json()).speakers ?? null;
  } catch {
    return null;
  }
}

/** Uploads a recording as a job; fetch tells no progress of an upload, so this does not use it. */
export function upload(file, { model, hotwords, speakers }, onProgress, signal) {
  const form = new FormData();
  if (model) form.append("model", model);
  for (const word of hotwords) form.append("keywords[]", word);
  if (speakers) form.append("speakers", speakers);
  form.append("file", file, file.name || "recording");
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "v1/jobs");
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded / Math.max(event.total, 1));
    request.onload = () => {
      const { status, statusText, responseText } = request;
      if (status < 300) return resolve(JSON.parse(responseText));
      reject(refusal(status, statusText, responseText, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(new Refused(0, ""));
    request.onabort = () => reject(new DOMException("aborted", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

export async function cancelJob(id) {
  await ask(`v1/jobs/${id}/cancel`, { method: "POST" });
}

/** Has the server forget a job, so that nothing of what was said stays there. */
export async function forgetJob(id) {
  await ask(`v1/jobs/${id}`, { method: "DELETE" });
}

export async function resultOf(id, format) {
  const wanted = format === "json" ? "verbose_json&timestamp_granularities[]=word&timestamp_granularities[]=segment" : format;
  return (await ask(`v1/jobs/${id}/result?response_format=${wanted}`)).text();
}

/**
 * The events of a job to its end; connections that break are made again, from the last segment,
 * and {type: "again"} tells of it.
 */
export async function* jobEvents(id) {
  let last = null;
  for (let failures = 0; ; ) {
    try {
      const more = last === null ? {} : { "Last-Event-ID": last };
      const response = await ask(`v1/jobs/${id}/events`, { headers: more });
      for await (const event of parsed(response.body)) {
        failures = 0;
        if (event.id !== null) last = event.id;
        yield event;
        if (event.type === "status" && isOver(event.data)) return;
      }
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
    failures += 1;
    if (failures > MOST_FAILURES) throw new Refused(0, "");
    yield { type: "again" };
    const pause = Math.min(500 * failures, LONGEST_PAUSE_MS);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Whether asking again may help: no answer, a server that starts, a proxy without its server. */
function isPassing(error) {
  if (!(error instanceof Refused)) return error instanceof TypeError; // a body that broke off
  return error.status === 0 || error.status === 429 || error.status >= 500;
}

export function isOver(job) {
  return ["succeeded", "failed", "cancelled"].includes(job.status);
}

async function* parsed(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split(/\r?\n\r?\n/);
    text = blocks.pop();
    for (const block of blocks) {
      const event = { type: "message", id: null, data: "" };
      for (const line of block.split(/\r?\n/)) {
        const [, name, rest] = line.match(/^(\w*): ?(.*)$/) || [];
        if (name === "event") event.type = rest;
        else if (name === "id") event.id = rest;
        else if (name === "data") event.data += rest;
      }
      if (event.data) yield { ...event, data: JSON.parse(event.data) };
    }
  }
}

/** The address of the websocket for live speech. */
export function liveAddress(parameters) {
  const url = new URL("v1/live", document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  for (const [name, value] of parameters) url.searchParams.append(name, value);
  return url;
}

export function liveProtocols() {
  return apiKey() ? ["gigaam", `gigaam-key.${apiKey()}`] : ["gigaam"];
}
