// The text as files.

import { element, onLanguage, spelled } from "./look.js";

const FORMATS = ["txt", "srt", "vtt", "json"];

/**
 * Offers files to be saved.
 * `files` has a function for each format that gives its text; `failed` gets what goes wrong.
 */
export function offer(files, stem, failed) {
  withdraw();
  const place = element("downloads");
  for (const format of FORMATS.filter((each) => each in files)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = format;
    button.dataset.format = format;
    button.onclick = async () => {
      try {
        save(await files[format](), `${stem}.${format}`);
      } catch (error) {
        failed(error);
      }
    };
    place.append(button);
  }
  place.hidden = !place.children.length;
  label();
}

export function withdraw() {
  element("downloads").hidden = true;
  element("downloads").replaceChildren();
}

function label() {
  for (const button of element("downloads").children)
    button.setAttribute("aria-label", `${spelled("download")} ${button.dataset.format}`);
}

function save(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

onLanguage(label);
