// The text on the page: segments, words that can be pressed, the word that is heard now.

import { onLanguage, spelled } from "./look.js";

export const COLOURS = 6; // of speakers, before they begin again

const DOUBTFUL = 0.8;
const WEAK = 0.5;
const READ_OUT = 5; // segments that are kept for screen readers

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** What is in Cyrillic is read out by a Russian voice, whatever the language of the page. */
function languageOf(text) {
  return /[а-яё]/i.test(text) ? "ru" : "";
}

export class Transcript {
  /**
   * `place` shows the text, `aloud` is what screen readers read as it comes: were it `place`, they
   * would call each word a button. Words jump in `player` unless it is hidden. `names` knows what
   * speakers are called.
   */
  constructor(place, aloud, player, names) {
    Object.assign(this, { place, aloud, player, names });
    this.clear();
    player.addEventListener("timeupdate", () => this.follow());
    player.addEventListener("seeked", () => this.follow());
    player.addEventListener("play", () => this.watch());
    place.addEventListener("click", ({ target }) => this.press(target.closest("[data-start]")));
    place.addEventListener("keydown", (event) => this.steer(event));
    onLanguage(() => this.words.forEach((word) => this.label(word)));
    names.onChange(() => {
      for (const name of place.querySelectorAll("b")) name.textContent = names.of(name.dataset.speaker);
    });
  }

  clear() {
    this.place.replaceChildren();
    this.aloud.replaceChildren();
    this.words = [];
    this.spans = []; // start and end of each word
    this.partial = null;
    this.now = -1;
    this.speakers = []; // in the order in which they come
    this.speaker = null; // of the segment before
  }

  get isEmpty() {
    return !this.place.querySelector(".segment");
  }

  get hasConfidences() {
    return this.words.some((word) => word.dataset.confidence);
  }

  /** All of it as plain text, a segment per line, as the server writes it. */
  get text() {
    const lines = [...this.place.querySelectorAll(".segment")].map((segment) => {
      const { speaker } = segment.dataset;
      const text = segment.lastElementChild.textContent.trim();
      return speaker === undefined ? `${text}\n` : `[${this.names.inFiles(speaker)}] ${text}\n`;
    });
    return lines.join("");
  }

  add({ text, start, words, channel, speaker }) {
    this.partial?.remove();
    this.partial = null;
    if (!text.trim()) return;
    const segment = this.row(start, channel);
    const line = segment.lastElementChild;
    line.lang = languageOf(text);
    const name = speaker ? this.tellSpeaker(segment, speaker) : "";
    if (words?.length) for (const word of words) line.append(this.word(word), " ");
    else line.append(text);
    this.place.append(segment);
    this.read(name ? `${name}: ${text}` : text);
  }

  /** The colour of who speaks, and the name where somebody else did before, which is returned. */
  tellSpeaker(segment, speaker) {
    if (!this.speakers.includes(speaker)) this.speakers.push(speaker);
    segment.dataset.colour = this.speakers.indexOf(speaker) % COLOURS;
    segment.dataset.speaker = speaker;
    if (speaker === this.speaker) return "";
    this.speaker = speaker;
    const name = document.createElement("b");
    name.dataset.speaker = speaker;
    name.textContent = this.names.of(speaker);
    segment.lastElementChild.before(name);
    return name.textContent;
  }

  read(text) {
    const line = document.createElement("p");
    line.lang = languageOf(text);
    line.textContent = text;
    this.aloud.append(line);
    if (this.aloud.children.length > READ_OUT) this.aloud.firstElementChild.remove();
  }

  /** Words that are being spoken: those that stay, and those that may change. */
  show({ committed, tentative, start }) {
    this.partial ??= this.row(start);
    const line = this.partial.lastElementChild;
    line.lang = languageOf(committed + tentative);
    const open = document.createElement("span");
    open.className = "tentative";
    open.textContent = tentative;
    line.replaceChildren(committed, committed && tentative ? " " : "", open);
    this.place.append(this.partial);
  }

  row(start, channel) {
    const segment = document.createElement("p");
    segment.className = "segment";
    const time = document.createElement("button");
    time.type = "button";
    time.className = "time";
    time.dataset.start = start;
    time.tabIndex = this.place.firstElementChild ? -1 : 0;
    time.textContent = clock(start) + (channel == null ? "" : ` · ${channel + 1}`);
    segment.append(time, document.createElement("span"));
    return segment;
  }

  word({ text, word, start, end, confidence }) {
    const element = document.createElement("span");
    element.className = "word";
    element.textContent = text ?? word;
    element.dataset.start = start;
    element.dataset.end = end;
    element.tabIndex = -1;
    element.setAttribute("role", this.player.hidden ? "note" : "button");
    if (confidence != null) {
      element.dataset.confidence = confidence;
      element.dataset.percent = `${Math.round(confidence * 100)} %`;
      element.classList.toggle("doubtful", confidence < DOUBTFUL);
      element.classList.toggle("weak", confidence < WEAK);
    }
    this.label(element);
    this.words.push(element);
    this.spans.push([start, end]);
    return element;
  }

  label(element) {
    const { confidence } = element.dataset;
    if (!confidence) return;
    element.title = spelled("confidence", Math.round(confidence * 100));
    element.setAttribute("aria-label", `${element.textContent}, ${element.title}`);
  }

  // ── keys: the text is one stop of Tab, within which arrows go ──────────────────────────────────

  steer(event) {
    const at = event.target.closest("[data-start]");
    if (!at || event.ctrlKey || event.altKey || event.metaKey) return;
    if ((event.key === "Enter" || event.key === " ") && at.localName !== "button") this.press(at);
    else if (!this.go(at, event.key)) return;
    event.preventDefault();
  }

  go(at, key) {
    const isByRow = key === "ArrowUp" || key === "ArrowDown";
    const stops = [...this.place.querySelectorAll(isByRow ? "button.time" : "[data-start]")];
    const from = stops.indexOf(isByRow ? at.closest(".segment").firstElementChild : at);
    const steps = { ArrowLeft: from - 1, ArrowRight: from + 1, ArrowUp: from - 1, ArrowDown: from + 1 };
    const to = { ...steps, Home: 0, End: stops.length - 1 }[key];
    if (to === undefined) return false;
    if (stops[to]) this.stopAt(stops[to]);
    return true;
  }

  stopAt(stop) {
    this.place.querySelectorAll('[data-start][tabindex="0"]').forEach((old) => (old.tabIndex = -1));
    stop.tabIndex = 0;
    stop.focus();
  }

  // ── the player ────────────────────────────────────────────────────────────────────────────────

  press(stop) {
    if (!stop) return;
    this.stopAt(stop);
    if (this.player.hidden) return;
    this.player.currentTime = Number(stop.dataset.start);
    this.player.play().catch(() => {}); // what cannot be played is told by the player
    this.follow();
  }

  /** While it plays, with each frame: "timeupdate" comes four times a second, words are shorter. */
  watch() {
    this.follow();
    if (!this.player.paused) requestAnimationFrame(() => this.watch());
  }

  follow() {
    const at = this.player.currentTime;
    const isNow = ([start, end]) => at >= start && at < end;
    if (this.spans[this.now] && isNow(this.spans[this.now])) return;
    const now = this.spans.findIndex(isNow);
    if (now === this.now) return;
    this.words[this.now]?.classList.remove("now");
    this.words[now]?.classList.add("now");
    this.now = now;
  }
}
