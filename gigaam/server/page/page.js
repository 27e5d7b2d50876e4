// The page: what is pressed, what is told.

import { NoSound, Session } from "./microphone.js";
import * as server from "./server.js";
import { TEXTS } from "./texts.js";
import { Transcript } from "./transcript.js";

const FORMATS = ["txt", "srt", "vtt", "json"];
const element = (id) => document.getElementById(id);

let language = localStorage.getItem("gigaam-language") || (navigator.language.startsWith("ru") ? "ru" : "en");
let stateKey = null;
let titleKey = null;
let work = null; // {cancel} of the recording at work
let session = null;

const spelled = (key, value) => TEXTS[language][key].replace("{value}", value);
const transcript = new Transcript(element("transcript"), element("player"), spelled);

function speakLanguage() {
  document.documentElement.lang = language;
  for (const place of document.querySelectorAll("[data-text]")) place.textContent = spelled(place.dataset.text);
  for (const place of document.querySelectorAll("[data-label]")) place.setAttribute("aria-label", spelled(place.dataset.label));
  const other = language === "ru" ? "en" : "ru";
  element("language").textContent = TEXTS[other].name;
  element("language").lang = other;
  element("legend").textContent = spelled("legend");
  if (stateKey) element("state-text").textContent = spelled(stateKey);
  if (titleKey) element("result-title").textContent = spelled(titleKey);
  transcript.respell();
  showTheme();
}

function showTheme(chosen = localStorage.getItem("gigaam-theme")) {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const theme = chosen || system;
  document.documentElement.dataset.theme = theme;
  element("theme").textContent = spelled(theme === "dark" ? "toLight" : "toDark");
}

function tell(key, { busy = false, fraction = null } = {}) {
  stateKey = key;
  element("state").hidden = key === null;
  element("state-text").textContent = key === null ? "" : spelled(key);
  element("cancel").hidden = !busy;
  const progress = element("progress");
  progress.hidden = !busy;
  if (fraction === null) progress.removeAttribute("value");
  else progress.value = fraction;
}

function message(text, kind = "error") {
  const place = document.createElement("p");
  place.className = `message ${kind}`;
  place.textContent = text;
  element("messages").append(place);
}

function complain(error) {
  if (error.name === "AbortError") return;
  if (error instanceof NoSound) return message(spelled(error.code));
  if (!(error instanceof server.Refused)) return message(String(error.message || error));
  if (error.status === 401) return askForKey(error);
  if (error.status === 0) return message(spelled("unreachable"));
  if (error.status === 503 || error.status === 429) return message(spelled("busy", error.retryS ?? 10));
  message(error.message);
}

function askForKey(error) {
  element("key-form").hidden = false;
  element("key").focus();
  if (server.apiKey()) message(error.message);
}

function begin(title) {
  element("messages").replaceChildren();
  element("downloads").hidden = true;
  element("downloads").replaceChildren();
  element("legend").hidden = true;
  element("result").hidden = false;
  element("result-title").textContent = title;
  element("player").hidden = true;
  element("player").pause();
  transcript.clear();
}

function offer(files) {
  const place = element("downloads");
  const stem = (element("result-title").dataset.stem || "gigaam").replace(/\.\w{1,5}$/, "");
  for (const format of FORMATS.filter((each) => each in files)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = format;
    button.setAttribute("aria-label", `${spelled("download")} ${format}`);
    button.onclick = async () => {
      try {
        save(await files[format](), `${stem}.${format}`);
      } catch (error) {
        complain(error);
      }
    };
    place.append(button);
  }
  place.hidden = !place.children.length;
  element("legend").hidden = !transcript.words.length;
}

function save(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function wishes() {
  const hotwords = element("hotwords").value.split("\n").map((line) => line.trim()).filter(Boolean);
  return { model: element("model").value, hotwords };
}

function isFree() {
  if (!work && !session) return true;
  element("messages").replaceChildren();
  message(spelled("oneAtATime"), "warning");
  return false;
}

// ── a file ──────────────────────────────────────────────────────────────────────────────────────

async function recognise(file) {
  if (!isFree()) return;
  const upload = new AbortController();
  work = { cancel: () => upload.abort() };
  titleKey = null;
  begin(file.name);
  element("result-title").dataset.stem = file.name;
  play(file);
  tell("uploading", { busy: true, fraction: 0 });
  try {
    const told = (fraction) => tell("uploading", { busy: true, fraction });
    const job = await server.upload(file, wishes(), told, upload.signal);
    await follow(job);
  } catch (error) {
    tell(error.name === "AbortError" ? "cancelled" : null);
    complain(error);
  } finally {
    work = null;
  }
}

function play(file) {
  const player = element("player");
  if (player.src) URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(file);
  player.hidden = false;
}

async function follow(job) {
  work.cancel = () => server.cancelJob(job.id).catch(complain);
  tell(job.status, { busy: true });
  for await (const { type, data } of server.jobEvents(job.id)) {
    if (type === "segment") transcript.add(data);
    else if (type === "progress") {
      const fraction = data.total_s ? Math.min(1, data.done_s / data.total_s) : null;
      tell("running", { busy: true, fraction });
    } else if (type === "status") {
      job = data;
      if (!server.isOver(job)) tell(job.status, { busy: true });
    }
  }
  finish(job);
}

function finish(job) {
  for (const warning of job.warnings ?? []) message(warning, "warning");
  if (job.status === "failed") {
    tell(null);
    message(job.error?.message ?? job.status);
    return;
  }
  tell(job.status === "succeeded" && transcript.isEmpty ? "nothing" : job.status);
  if (job.status !== "succeeded") return;
  const wanted = { txt: "text", srt: "srt", vtt: "vtt", json: "json" };
  offer(Object.fromEntries(FORMATS.map((format) => [format, () => server.resultOf(job.id, wanted[format])])));
}

// ── the microphone ──────────────────────────────────────────────────────────────────────────────

async function speak() {
  if (!isFree()) return;
  titleKey = "live";
  begin(spelled("live"));
  element("result-title").dataset.stem = "gigaam";
  tell("connecting");
  showSpeaking(true);
  session = {};
  try {
    await server.models(); // a browser does not tell why it was refused a websocket
    session = await Session.open(wishes(), hear);
  } catch (error) {
    endSpeaking(null);
    complain(error);
  }
}

function showSpeaking(speaking) {
  element("speak").hidden = element("choose").hidden = speaking;
  element("stop").hidden = element("level").hidden = !speaking;
  if (speaking) element("stop").focus();
}

function endSpeaking(key) {
  session = null;
  showSpeaking(false);
  tell(key);
}

function hear(told) {
  if (told.type === "started") tell("listening");
  else if (told.type === "level") element("level").firstElementChild.style.width = `${Math.round(Math.sqrt(told.peak) * 100)}%`;
  else if (told.type === "partial") transcript.show(told);
  else if (told.type === "final") transcript.add(told);
  else if (told.type === "finished") {
    endSpeaking(transcript.isEmpty ? "nothing" : "succeeded");
    offer(Object.fromEntries(Object.entries(told.files ?? {}).map(([format, text]) => [format, async () => text])));
  } else if (told.type === "error") {
    endSpeaking(null);
    message(told.error.message);
    message(spelled("lost"), "warning");
  } else if (told.type === "lost") {
    endSpeaking(null);
    message(spelled("lost"));
  }
}

// ── what is pressed ─────────────────────────────────────────────────────────────────────────────

element("language").onclick = () => {
  language = language === "ru" ? "en" : "ru";
  localStorage.setItem("gigaam-language", language);
  speakLanguage();
};
element("theme").onclick = () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("gigaam-theme", theme);
  showTheme(theme);
};
element("choose").onclick = () => element("file").click();
element("file").onchange = ({ target }) => {
  if (target.files.length) recognise(target.files[0]);
  target.value = "";
};
element("speak").onclick = speak;
element("stop").onclick = () => {
  tell("finishing");
  session?.stop?.();
};
element("cancel").onclick = () => work?.cancel();
element("key-form").onsubmit = (event) => {
  event.preventDefault();
  server.rememberKey(element("key").value.trim());
  element("key-form").hidden = true;
  element("messages").replaceChildren();
  listModels();
};

const drop = element("drop");
for (const name of ["dragenter", "dragover"])
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
for (const name of ["dragleave", "drop"])
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.remove("over");
  });
document.addEventListener("drop", ({ dataTransfer }) => {
  if (dataTransfer.files.length) recognise(dataTransfer.files[0]);
});
window.addEventListener("beforeunload", (event) => {
  if (session || work) event.preventDefault();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => showTheme());

async function listModels() {
  try {
    const names = await server.models();
    element("model").replaceChildren(...names.map((name) => new Option(name, name)));
    element("model-field").hidden = names.length < 2;
  } catch (error) {
    complain(error);
  }
}

speakLanguage();
listModels();
