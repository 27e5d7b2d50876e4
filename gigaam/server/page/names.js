// Who speaks: by the server's labels, by the names that it knows, or by those that the reader gives.

import { onLanguage, spelled } from "./look.js";

const NUMBERED = /^SPEAKER_(\d+)$/;

export class Names {
  constructor() {
    this.given = new Map(); // speaker → name
    this.heeding = [];
    onLanguage(() => this.tell());
  }

  clear() {
    this.given.clear();
  }

  /** `change` is called whenever somebody is called otherwise. */
  onChange(change) {
    this.heeding.push(change);
  }

  tell() {
    for (const change of this.heeding) change();
  }

  /** What the page calls a speaker. */
  of(speaker) {
    return this.given.get(speaker) ?? this.plain(speaker);
  }

  /** What files call a speaker. */
  inFiles(speaker) {
    return this.given.get(speaker) ?? speaker;
  }

  /** What the page calls a speaker to whom the reader gave no name. */
  plain(speaker) {
    const number = speaker.match(NUMBERED)?.[1];
    return number === undefined ? speaker : spelled("speaker", Number(number) + 1);
  }

  /** A blank name takes the one before away. */
  give(speaker, name) {
    const tidy = name.replace(/[\s\p{Cc}]+/gu, " ").trim();
    if (!tidy || tidy === this.plain(speaker)) this.given.delete(speaker);
    else this.given.set(speaker, tidy);
    this.tell();
  }
}
