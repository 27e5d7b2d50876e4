// The page: what is pressed, what is told.

import { offer, withdraw } from "./downloads.js";
import { element, onLanguage, showLook, spelled } from "./look.js";
import { Session } from "./microphone.js";
import { Names } from "./names.js";
import { renamed } from "./renaming.js";
import * as server from "./server.js";
import * as state from "./state.js";
import { Transcript } from "./transcript.js";
import { Turns } from "./turns.js";

const { say, tell } = state;
const player = element("player");
const names = new Names();
const transcript = new Transcript(element("transcript"), element("aloud"), player, names);
const turns = new Turns(
  { place: element("turns"), rows: element("turns-rows"), scale: element("turns-scale"), template: element("turns-row") },
  player,
  names,
);

const ASK_AGAIN_MS = 3000;

let work = null; // {cancel} of the recording at work
let session = null;
let again = null; // what the server refused for want of a key
let learning = 0; // the timer of `learnSpeakers`

function complain(error, retry = null) {
  if (!(error instanceof server.Refused) || error.status !== 401) return state.complain(error);
  again = retry;
  element("key-form").hidden = false;
  element("key").focus();
  if (server.apiKey()) say("wrongKey");
}

function begin(title, isLive) {
  state.forgetMessages();
  withdraw();
  const heading = element("result-title");
  if (isLive) heading.dataset.text = "live";
  else delete heading.dataset.text;
  heading.textContent = isLive ? spelled("live") : title;
  element("result").hidden = false;
  player.pause();
  player.hidden = true;
  element("legend").hidden = true;
  element("legend-hear").hidden = isLive;
  transcript.clear();
  turns.clear();
  names.clear();
}

function add(segment) {
  transcript.add(segment);
  turns.add(segment);
  element("legend").hidden = !transcript.hasConfidences;
}

/** What is there of a text that was not finished: as it stands on the page. */
function offerWhatThereIs(stem) {
  if (transcript.isEmpty) return;
  offer({ txt: () => transcript.text }, stem, complain);
}

function wishes() {
  const hotwords = element("hotwords").value.split("\n").map((line) => line.trim()).filter(Boolean);
  return { model: element("model").value, hotwords, speakers: element("speakers").value };
}

function isFree() {
  if (!work && !session) return true;
  state.forgetMessages();
  say("oneAtATime", "warning");
  return false;
}

// ── a file ──────────────────────────────────────────────────────────────────────────────────────

async function recognise(files) {
  if (!files.length || !isFree()) return;
  const file = files[0];
  const upload = new AbortController();
  work = { cancel: () => upload.abort() };
  begin(file.name, false);
  play(file);
  if (files.length > 1) say("onlyFirst", "warning", file.name);
  let job = null;
  try {
    const told = (fraction) => tell("uploading", { busy: true, fraction });
    told(0);
    job = await server.upload(file, wishes(), told, upload.signal);
    await follow(job, stemOf(file));
  } catch (error) {
    tell(error.name === "AbortError" ? "uploadCancelled" : null);
    if (job && error.status === 0) say("lostJob");
    else if (!job && error.status === 404 && error.code !== "model_not_found") say("noJobs");
    else complain(error, () => recognise([file]));
    offerWhatThereIs(stemOf(file));
  } finally {
    work = null;
  }
}

function stemOf(file) {
  return file.name.replace(/\.\w{1,5}$/, "") || "recording";
}

function play(file) {
  if (player.src) URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(file);
  player.hidden = false;
}

async function follow(job, stem) {
  work.cancel = () => server.cancelJob(job.id).catch(complain);
  tell(job.status, { busy: true });
  let fraction = null;
  for await (const { type, data } of server.jobEvents(job.id)) {
    if (type === "segment") add(data);
    else if (type === "again") tell("again", { busy: true, fraction });
    else if (type === "progress") {
      fraction = data.total_s ? Math.min(1, data.done_s / data.total_s) : null;
      tell("running", { busy: true, fraction });
    } else if (type === "status") {
      job = data;
      if (!server.isOver(job)) tell(job.status, { busy: true, fraction });
    }
  }
  await finish(job, stem);
  server.forgetJob(job.id).catch(() => {}); // it will in time
}

async function finish(job, stem) {
  turns.draw(job.duration);
  for (const warning of job.warnings ?? []) say("serverSays", "warning", warning);
  if (job.ignored?.length) say("ignored", "warning", job.ignored.join(", "));
  if (job.status === "succeeded") {
    const formats = { txt: "text", srt: "srt", vtt: "vtt", json: "json" };
    const files = await Promise.all(
      Object.entries(formats).map(async ([format, name]) => [format, await server.resultOf(job.id, name)]),
    );
    const named = files.map(([format, text]) => [format, () => renamed(format, text, names.given)]);
    offer(Object.fromEntries(named), stem, complain);
    tell(transcript.isEmpty ? "nothing" : "succeeded");
    return;
  }
  tell(job.status === "cancelled" ? "cancelled" : null);
  if (job.status === "failed") say("serverSays", "error", job.error?.message ?? job.status);
  offerWhatThereIs(stem);
}

// ── the microphone ──────────────────────────────────────────────────────────────────────────────

async function speak() {
  if (!isFree()) return;
  begin("", true);
  tell("connecting");
  const opened = new Session((told) => session === opened && hear(told));
  session = opened;
  showSpeaking(true);
  try {
    await server.models(); // a browser does not tell why it was refused a websocket
    if (!opened.isOver) await opened.open(wishes());
  } catch (error) {
    if (session !== opened) return;
    endSpeaking(null);
    complain(error, speak);
  }
}

function showSpeaking(isSpeaking) {
  for (const id of ["lead", "choose", "speak"]) element(id).hidden = isSpeaking;
  element("stop").hidden = element("level").hidden = !isSpeaking;
  element("stop").disabled = false;
  showLevel(0);
  element(isSpeaking ? "stop" : "speak").focus();
}

function showLevel(peak) {
  const percent = Math.round(Math.sqrt(peak) * 100); // so that quiet speech is seen
  element("level").setAttribute("aria-valuenow", percent);
  element("level").firstElementChild.style.width = `${percent}%`;
}

function endSpeaking(key) {
  session = null;
  showSpeaking(false);
  tell(key);
}

function hear(told) {
  if (told.type === "started") tell("listening");
  else if (told.type === "level") showLevel(told.peak);
  else if (told.type === "partial") transcript.show(told);
  else if (told.type === "final") add(told);
  else if (told.type === "unplugged") say("unplugged", "warning");
  else hearEnd(told);
}

function hearEnd(told) {
  const wasAsked = session.isStopped;
  const wasListening = session.isListening;
  if (told.type === "stopped") return endSpeaking("stopped");
  if (told.type === "finished") {
    endSpeaking(transcript.isEmpty ? "nothingHeard" : "succeeded");
    if (!wasAsked) say("ended", "warning");
    for (const warning of told.warnings ?? []) say("serverSays", "warning", warning);
    if (!told.files) return offerWhatThereIs("gigaam");
    const files = Object.entries(told.files).map(([format, text]) => [format, async () => text]);
    return offer(Object.fromEntries(transcript.isEmpty ? [] : files), "gigaam", complain);
  }
  endSpeaking(null);
  if (told.type === "error") say("serverSays", "error", told.error.message);
  if (told.type === "notConnected") say("notConnected");
  else if (wasListening) say("lost", told.type === "error" ? "warning" : "error");
  offerWhatThereIs("gigaam");
}

// ── what is pressed ─────────────────────────────────────────────────────────────────────────────

element("choose").onclick = () => element("file").click();
element("file").onchange = ({ target }) => {
  recognise([...target.files]);
  target.value = "";
};
element("speak").onclick = speak;
element("stop").onclick = () => {
  element("stop").disabled = true;
  tell("finishing");
  session?.stop();
};
element("cancel").onclick = () => work?.cancel();
element("key-form").onsubmit = (event) => {
  event.preventDefault();
  server.rememberKey(element("key").value.trim());
  element("key-form").hidden = true;
  state.forgetMessages();
  listModels().then((isLet) => {
    if (!isLet) return;
    const retry = again;
    again = null;
    retry?.();
  });
};

function isOfFiles(event) {
  return [...(event.dataTransfer?.types ?? [])].includes("Files"); // and not text for a field
}

for (const name of ["dragenter", "dragover", "dragleave", "drop"])
  document.addEventListener(name, (event) => {
    if (!isOfFiles(event)) return;
    event.preventDefault();
    element("drop").classList.toggle("over", name === "dragenter" || name === "dragover");
    if (name === "drop") recognise([...event.dataTransfer.files]);
  });
window.addEventListener("beforeunload", (event) => {
  if (session || work) event.preventDefault();
});

/** Whether the server lets this page ask. */
async function listModels() {
  try {
    const models = await server.models();
    element("model").replaceChildren(...models.map((name) => new Option(name, name)));
    element("model-field").hidden = models.length < 2;
    showMore();
    return true;
  } catch (error) {
    complain(error, again);
    return false;
  }
}

/** Offers speakers where they are told apart; a server that is about to start cannot say it yet. */
async function learnSpeakers() {
  clearTimeout(learning);
  const told = await server.tellsSpeakers();
  if (told === null) {
    learning = setTimeout(learnSpeakers, ASK_AGAIN_MS);
    return;
  }
  element("speakers-field").hidden = !told;
  if (!told) element("speakers").value = "";
  showMore();
}

/** Says what is behind it: a model can be chosen only where there are several, speakers if they are told apart. */
function showMore() {
  const shown = ["speakers", "model"].filter((name) => !element(`${name}-field`).hidden);
  element("more-title").textContent = [spelled("more"), ...shown.map((name) => spelled(name).toLowerCase())].join(", ");
}

element("unscripted").remove();
element("more").addEventListener("toggle", ({ target }) => {
  if (target.open) learnSpeakers(); // it may be another server by now, with the nets
});
onLanguage(showMore);
showLook();
listModels();
learnSpeakers();
