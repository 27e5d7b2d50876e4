// The text on the page: segments, words that can be pressed, the word that is heard now.

const DOUBTFUL = 0.8;

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export class Transcript {
  /** `spelled` gives the text of a key with a value in it. */
  constructor(place, player, spelled) {
    this.place = place;
    this.player = player;
    this.spelled = spelled;
    this.words = [];
    this.partial = null;
    this.now = null;
    player.addEventListener("timeupdate", () => this.follow());
    place.addEventListener("click", (event) => this.press(event.target));
  }

  clear() {
    this.place.replaceChildren();
    this.words = [];
    this.partial = null;
    this.now = null;
  }

  get isEmpty() {
    return !this.place.querySelector(".segment");
  }

  add({ text, start, words, channel }) {
    this.partial?.remove();
    this.partial = null;
    if (!text.trim()) return;
    const segment = this.row(start, channel);
    const line = segment.lastElementChild;
    if (words?.length) for (const word of words) line.append(this.word(word), " ");
    else line.append(text);
    this.place.append(segment);
  }

  /** Words that are being spoken: those that stay, and those that may change. */
  show({ committed, tentative, start }) {
    this.partial ??= this.row(start);
    const line = this.partial.lastElementChild;
    line.setAttribute("aria-hidden", "true"); // finals are read out, not each change
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
    if (confidence != null) {
      element.dataset.confidence = confidence;
      element.classList.toggle("doubtful", confidence < DOUBTFUL);
      element.title = this.spelled("confidence", Math.round(confidence * 100));
    }
    this.words.push(element);
    return element;
  }

  /** Says the confidences in the language of the page. */
  respell() {
    for (const element of this.words) {
      const { confidence } = element.dataset;
      if (confidence) element.title = this.spelled("confidence", Math.round(confidence * 100));
    }
  }

  press(target) {
    if (!(target instanceof HTMLElement) || target.dataset.start === undefined) return;
    if (this.player.hidden) return;
    this.player.currentTime = Number(target.dataset.start);
    this.player.play().catch(() => {});
    this.follow();
  }

  follow() {
    const at = this.player.currentTime;
    const now = this.words.find((word) => at >= word.dataset.start && at < word.dataset.end) ?? null;
    if (now === this.now) return;
    this.now?.classList.remove("now");
    now?.classList.add("now");
    this.now = now;
  }
}
