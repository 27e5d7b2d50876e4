// Files of the server in which people get the names that the reader gave them.

const inLine = (name) => name.trim().replace(/\s+/g, " ");
const escaped = (name) => inLine(name).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const inSrt = (name) => inLine(name).replaceAll("-->", "→");

/** How a format writes names, and what stands before and after them. */
const WRITTEN = {
  txt: [inLine, "^\\[", "\\] "],
  srt: [inSrt, "^\\[", "\\] "],
  vtt: [escaped, "<v ", ">"],
};

/** A file of the server's with the names in `given`, a map from what the server calls people. */
export function renamed(format, text, given) {
  if (!given.size) return text;
  if (format === "json") return renamedJson(text, given);
  const [write, before, after] = WRITTEN[format];
  const names = new Map([...given].map(([speaker, name]) => [write(speaker), write(name)]));
  const any = [...names.keys()].sort((one, other) => other.length - one.length).map(literally).join("|");
  const all = new RegExp(`(${before})(${any})(${after})`, "gm"); // at once: two may change names
  return text.replace(all, (_, start, speaker, end) => start + names.get(speaker) + end);
}

function literally(text) {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

function renamedJson(text, given) {
  const told = JSON.parse(text);
  for (const spoken of [...(told.segments ?? []), ...(told.words ?? [])])
    if (given.has(spoken.speaker)) spoken.speaker = given.get(spoken.speaker);
  return JSON.stringify(told);
}
