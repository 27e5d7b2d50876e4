// A picture of who speaks when: a row for each speaker, which leads to the sound.

import { spelled } from "./look.js";
import { clock, COLOURS } from "./transcript.js";

const LONGEST_GAP_S = 1; // within a turn

export class Turns {
  /** `place` is the section, of which the others are parts; turns jump in `player`. */
  constructor({ place, rows, scale, template }, player, names) {
    Object.assign(this, { place, rows, scale, player, names });
    this.blank = template.content.firstElementChild; // a row with one turn
    this.clear();
    names.onChange(() => this.label());
    for (const event of ["timeupdate", "seeked"]) player.addEventListener(event, () => this.follow());
    rows.addEventListener("click", (event) => this.press(event));
    rows.addEventListener("keydown", (event) => this.steer(event));
    rows.addEventListener("change", ({ target }) => this.names.give(target.dataset.speaker, target.value));
  }

  clear() {
    this.turns = []; // {speaker, start, end}, in order of time
    this.total = 0;
    this.place.hidden = true;
    this.rows.replaceChildren();
  }

  /** A segment of the transcript. */
  add({ speaker, start, end }) {
    if (!speaker) return;
    const last = this.turns.at(-1);
    if (last?.speaker === speaker && start - last.end <= LONGEST_GAP_S) last.end = Math.max(last.end, end);
    else this.turns.push({ speaker, start, end });
  }

  /** Shows all that was added, of a recording of so many seconds. */
  draw(duration) {
    if (!this.turns.length) return;
    this.total = Math.max(duration ?? 0, ...this.turns.map((turn) => turn.end));
    const speakers = [...new Set(this.turns.map((turn) => turn.speaker))];
    this.rows.replaceChildren(...speakers.map((speaker, n) => this.row(speaker, n % COLOURS)));
    this.marks().forEach((mark, n) => mark.setAttribute("tabindex", n ? -1 : 0));
    this.scale.replaceChildren(...[0, 0.5, 1].map((part) => this.time(part * this.total)));
    this.label();
    this.place.hidden = false;
    this.follow();
  }

  time(seconds) {
    const mark = document.createElement("span");
    mark.textContent = clock(seconds);
    return mark;
  }

  row(speaker, colour) {
    const row = this.blank.cloneNode(true);
    row.dataset.colour = colour;
    row.querySelector("input").dataset.speaker = speaker;
    const mark = row.querySelector(".turn");
    for (const turn of this.turns) if (turn.speaker === speaker) mark.before(this.marked(mark.cloneNode(true), turn));
    mark.remove();
    return row;
  }

  marked(mark, { start, end }) {
    mark.setAttribute("x", this.part(start));
    mark.setAttribute("width", this.part(end - start));
    Object.assign(mark.dataset, { start, end });
    return mark;
  }

  part(seconds) {
    return `${(100 * seconds) / this.total}%`;
  }

  /** Names and what is read out, in the page's language. */
  label() {
    for (const row of this.rows.children) {
      const [name, share, band] = row.children;
      const { speaker } = name.dataset;
      name.value = this.names.of(speaker);
      name.setAttribute("aria-label", spelled("nameOf", this.names.plain(speaker)));
      share.textContent = this.share(speaker);
      band.setAttribute("aria-label", `${this.names.of(speaker)}: ${share.textContent}`);
      for (const mark of band.querySelectorAll(".turn")) {
        const { start, end } = mark.dataset;
        const told = `${this.names.of(speaker)}, ${clock(start)} – ${clock(end)}`;
        mark.setAttribute("aria-label", told);
        mark.firstElementChild.textContent = told;
      }
    }
  }

  /** How long somebody speaks, and which part of all speech that is. */
  share(speaker) {
    const length = (turns) => turns.reduce((sum, { start, end }) => sum + end - start, 0);
    const own = length(this.turns.filter((turn) => turn.speaker === speaker));
    return `${clock(own)} · ${Math.round((100 * own) / length(this.turns))} %`;
  }

  // ── keys: all turns are one stop of Tab, within which arrows go ────────────────────────────────

  /** All turns as they are drawn, in order of time. */
  marks() {
    const at = (mark) => Number(mark.dataset.start);
    return [...this.rows.querySelectorAll(".turn")].sort((one, other) => at(one) - at(other));
  }

  steer(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const { key, target } = event;
    if (target.localName === "input") {
      if (key === "Escape") target.value = this.names.of(target.dataset.speaker);
      if (key === "Escape" || key === "Enter") target.blur();
      return;
    }
    if (!target.matches(".turn")) return;
    if (key === "Enter" || key === " ") this.hear(Number(target.dataset.start));
    else if (!this.go(target, key)) return;
    event.preventDefault();
  }

  go(mark, key) {
    if (key === "ArrowUp" || key === "ArrowDown") {
      const row = mark.closest(".of-one");
      const beside = key === "ArrowUp" ? row.previousElementSibling : row.nextElementSibling;
      if (beside) this.stopAt(nearest(beside, Number(mark.dataset.start)));
      return true;
    }
    const marks = this.marks();
    const from = marks.indexOf(mark);
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: marks.length - 1 }[key];
    if (to === undefined) return false;
    if (marks[to]) this.stopAt(marks[to]);
    return true;
  }

  stopAt(mark) {
    for (const old of this.rows.querySelectorAll('.turn[tabindex="0"]')) old.setAttribute("tabindex", -1);
    mark.setAttribute("tabindex", 0);
    mark.focus();
  }

  // ── the player ────────────────────────────────────────────────────────────────────────────────

  /** What is pressed is heard from that place on; what a screen reader presses, from its start. */
  press(event) {
    const band = event.target.closest(".band");
    if (!band) return;
    const mark = event.target.closest(".turn");
    if (mark) this.stopAt(mark);
    const { left, width } = band.getBoundingClientRect();
    if (event.detail) this.hear((this.total * (event.clientX - left)) / width);
    else if (mark) this.hear(Number(mark.dataset.start));
  }

  hear(seconds) {
    if (this.player.hidden) return;
    this.player.currentTime = Math.max(0, Math.min(seconds, this.total));
    this.player.play().catch(() => {}); // what cannot be played is told by the player
    this.follow();
  }

  follow() {
    if (this.place.hidden) return;
    const at = this.part(Math.min(this.player.currentTime, this.total));
    for (const head of this.rows.querySelectorAll(".head")) head.setAttribute("x", at);
  }
}

function nearest(row, start) {
  const distance = (mark) => Math.abs(Number(mark.dataset.start) - start);
  return [...row.querySelectorAll(".turn")].reduce((best, mark) => (distance(mark) < distance(best) ? mark : best));
}
