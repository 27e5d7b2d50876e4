// How the page looks and speaks: its language, its theme, and what the browser remembers of them.

import { TEXTS } from "./texts.js";

const root = document.documentElement;
const night = matchMedia("(prefers-color-scheme: dark)");
const inMemory = new Map(); // for browsers that let no page remember anything
const heeding = [];

export const element = (id) => document.getElementById(id);

/** `kind` is "local", or "session" for what is forgotten with the tab. */
export function remembered(kind, name) {
  try {
    return window[`${kind}Storage`].getItem(name) || "";
  } catch {
    return inMemory.get(name) || "";
  }
}

export function remember(kind, name, value) {
  inMemory.set(name, value);
  try {
    window[`${kind}Storage`].setItem(name, value);
  } catch {
    // then until the page is left
  }
}

let language = remembered("local", "gigaam-language");
if (!(language in TEXTS)) language = navigator.language.startsWith("ru") ? "ru" : "en";

/** The text of a key in the page's language, with a value in it. */
export function spelled(key, value) {
  return TEXTS[language][key].replace("{value}", () => value);
}

/** `respell` is called whenever the language changes. */
export function onLanguage(respell) {
  heeding.push(respell);
}

function speak() {
  root.lang = language;
  for (const place of document.querySelectorAll("[data-text]")) place.textContent = spelled(place.dataset.text, place.dataset.value);
  for (const place of document.querySelectorAll("[data-label]")) place.setAttribute("aria-label", spelled(place.dataset.label));
  const other = language === "ru" ? "en" : "ru";
  element("language").textContent = TEXTS[other].name;
  element("language").lang = other;
  showTheme();
  for (const respell of heeding) respell();
}

function showTheme() {
  const chosen = remembered("local", "gigaam-theme");
  const theme = ["dark", "light"].includes(chosen) ? chosen : night.matches ? "dark" : "light";
  root.dataset.theme = theme;
  element("theme").textContent = spelled(theme === "dark" ? "toLight" : "toDark");
}

export function showLook() {
  speak();
  root.classList.toggle("untipped", matchMedia("(hover: none)").matches); // fingers get no tooltips
  night.addEventListener("change", showTheme);
  element("language").onclick = () => {
    language = language === "ru" ? "en" : "ru";
    remember("local", "gigaam-language", language);
    speak();
  };
  element("theme").onclick = () => {
    remember("local", "gigaam-theme", root.dataset.theme === "dark" ? "light" : "dark");
    showTheme();
  };
}
