// How one text differs from another, in the units people compare by: Chinese characters one by one, else words. Pure.

const HAN = "\\p{Script=Han}〇";
const PIECE = new RegExp(`[${HAN}]|[^\\s${HAN}]+`, "gu");
const QUIET = /[^\p{L}\p{M}\p{N}]/gu;

/** What two units must share to count as the same: letters and digits, whatever their case and width. */
const keyOf = (text) => text.normalize("NFKC").toLowerCase().replace(QUIET, "");

/** The units of `text`: `before + text` of all of them spell it; punctuation goes with the unit it follows. */
export function unitsOf(text) {
  const units = [];
  let end = 0;
  let opening = "";
  for (const found of text.matchAll(PIECE)) {
    const before = text.slice(end, found.index);
    const key = keyOf(found[0]);
    const last = units.at(-1);
    end = found.index + found[0].length;
    if (!key && last) last.text += before + found[0];
    else if (!key) opening += before + found[0];
    else {
      units.push({ before: opening ? "" : before, text: opening ? opening + before + found[0] : found[0], key });
      opening = "";
    }
  }
  if (opening) units.push({ before: "", text: opening, key: "" });
  if (units.length) units.at(-1).text += text.slice(end).trimEnd();
  return units;
}

/** The longest common subsequence of two lists of keys, as pairs of places in order. */
export function common(one, other) {
  const width = other.length + 1;
  const best = new Uint16Array((one.length + 1) * width);
  for (let i = one.length - 1; i >= 0; i -= 1) {
    for (let j = other.length - 1; j >= 0; j -= 1) {
      best[i * width + j] =
        one[i] === other[j]
          ? best[(i + 1) * width + j + 1] + 1
          : Math.max(best[(i + 1) * width + j], best[i * width + j + 1]);
    }
  }
  const pairs = [];
  for (let i = 0, j = 0; i < one.length && j < other.length; ) {
    if (one[i] === other[j]) pairs.push([i++, j++]);
    else if (best[(i + 1) * width + j] >= best[i * width + j + 1]) i += 1;
    else j += 1;
  }
  return pairs;
}

/** `text` in pieces `{before, text, kind}` beside `base`.
 *
 * `same`; `near` where only case, width or punctuation differ; `other` where `base` has something else or nothing
 * there; `gap`, without text of its own, where `base` has `missing` in a place where `text` has nothing.
 */
export function compare(base, text) {
  const [held, units] = [unitsOf(base), unitsOf(text)];
  const pairs = common(held.map((unit) => unit.key), units.map((unit) => unit.key));
  const pieces = [];
  let [i, j] = [0, 0];
  for (const [atBase, atText] of [...pairs, [held.length, units.length]]) {
    const own = units.slice(j, atText).map((unit) => ({ before: unit.before, text: unit.text, kind: "other" }));
    if (!own.length && atBase > i) {
      const missing = held.slice(i, atBase).map((unit) => unit.before + unit.text).join("").trim();
      pieces.push({ before: "", text: "", kind: "gap", missing });
    }
    pieces.push(...own);
    if (atText < units.length) {
      const unit = units[atText];
      pieces.push({ before: unit.before, text: unit.text, kind: unit.text === held[atBase].text ? "same" : "near" });
    }
    [i, j] = [atBase + 1, atText + 1];
  }
  return pieces;
}
