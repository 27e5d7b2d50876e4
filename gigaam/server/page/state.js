// What the page tells of its work: a line of state, the progress, and messages that stay.

import { element, spelled } from "./look.js";
import { NoSound } from "./microphone.js";
import { Refused } from "./server.js";

/** Shows the state of a key, or none; work that is `busy` can be cancelled. */
export function tell(key, { busy = false, fraction = null } = {}) {
  element("state").hidden = key === null;
  const line = element("state-text");
  if (key === null) delete line.dataset.text;
  else if (line.dataset.text !== key) {
    line.dataset.text = key; // the same again would be read out again
    line.textContent = spelled(key);
  }
  element("cancel").hidden = !busy;
  const progress = element("progress");
  progress.hidden = !busy;
  if (fraction === null) progress.removeAttribute("value");
  else progress.value = fraction;
}

/** A message that stays until the next recording; `value` is put into it. */
export function say(key, kind = "error", value = "") {
  const place = document.createElement("p");
  place.className = `message ${kind}`;
  place.dataset.text = key;
  place.dataset.value = value;
  place.textContent = spelled(key, value);
  element("messages").append(place);
}

export function forgetMessages() {
  element("messages").replaceChildren();
}

/** Says what went wrong; of a wrong key the caller has to ask. */
export function complain(error) {
  if (error.name === "AbortError") return;
  if (error instanceof NoSound) return say(error.code);
  if (!(error instanceof Refused)) return say("fault", "error", String(error.message || error));
  if (error.status === 0) return say("unreachable");
  if ((error.status === 503 || error.status === 429) && error.retryS) {
    say("busy", "error", error.retryS);
  }
  if (error.status === 413) say("tooLarge");
  say("serverSays", "error", error.message || error.status);
}
