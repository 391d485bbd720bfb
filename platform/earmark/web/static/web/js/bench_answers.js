// The answers one chooses between, each beside the text in the box; and what somebody else decided meanwhile.

import { showDifference } from "./bench_words.js";
import { element } from "./said.js";

const filled = (words, told) => words.replace(/\{(\w+)\}/g, (_, name) => told[name]);

/** The possible slips that have a place in the sound, in the order of time: of all answers, or of one's own. */
export function slipsOf(sheet) {
  const told = [...(sheet.candidates ?? []), { slips: sheet.slips ?? [] }].flatMap((answer) => answer.slips);
  return told.filter((slip) => slip.is_place).sort((one, other) => one.at - other.at);
}

/** A slip as something to read, and to hear where it has a place. */
export function slipTag(slip) {
  const made = element("button", "tag bad bench-slip-tag", slip.message);
  Object.assign(made, { type: "button", tabIndex: -1 });
  if (slip.is_place) made.dataset.at = slip.at;
  return made;
}

export class Answers {
  /** `chosen(answer)` is called for one that is taken, `heardAt(seconds)` for a slip that is to be heard. */
  constructor(find, told, chosen, heardAt) {
    this.find = find;
    this.told = told;
    this.box = find("candidates");
    this.box?.addEventListener("click", (event) => {
      const slip = event.target.closest("[data-at]");
      if (slip) return heardAt(Number(slip.dataset.at));
      const row = event.target.closest("[data-answer]");
      if (row) chosen(this.byId.get(row.dataset.answer));
    });
  }

  show(sheet) {
    this.list = [...(sheet.candidates ?? [])];
    this.byId = new Map(this.list.map((answer) => [String(answer.id), answer]));
    if (sheet.heard) this.byId.set("heard", { id: "heard", text: sheet.heard.text });
    this.rows = this.list.map((answer, index) => this.row(answer, index + 1, sheet));
    this.box?.replaceChildren(...this.rows.map(({ line }) => line));
  }

  row(answer, number, sheet) {
    const { words, qualities } = this.told;
    const line = element("li", "bench-answer");
    line.dataset.answer = answer.id;
    const said = element("span", "bench-said");
    said.lang = sheet.clip.language;
    const told = element("span", "bench-told");
    told.append(element("span", "bench-name", answer.annotator));
    if (answer.was_skipped) told.append(element("span", "tag", words.skipped));
    if (answer.is_blind) told.append(element("span", "tag", words.blind));
    for (const code of answer.quality) told.append(element("span", "tag warn", qualities[code] ?? code));
    told.append(...answer.slips.map(slipTag));
    line.append(element("kbd", "", number < 10 ? String(number) : "·"), said, told);
    return { line, said, answer };
  }

  /** Draw every answer beside `text`, what is in the box now. */
  compare(text) {
    for (const { line, said, answer } of this.rows) {
      if (answer.text) showDifference(said, text, answer.text);
      else said.replaceChildren(element("span", "muted", this.told.words.silent));
      line.classList.toggle("is-taken", answer.text === text.trim() && !answer.was_skipped);
    }
  }

  /** The answer whose text is in the box as it is: what would be accepted. */
  taken(text, preferred) {
    const fits = this.list.filter((answer) => answer.text && answer.text === text.trim() && !answer.was_skipped);
    return fits.find((answer) => answer.id === preferred) ?? fits[0];
  }

  /** The answer that goes back to its annotator: the one in the box, else the only one, else the newest. */
  returnable(text, preferred) {
    const able = this.list.filter((answer) => answer.may_return);
    const taken = this.taken(text, preferred);
    const asked = able.find((answer) => answer.id === preferred);
    if (asked) return asked;
    if (taken?.may_return) return taken;
    return able.sort((one, other) => (one.at < other.at ? 1 : -1))[0];
  }
}

/** Say what became of a clip while somebody looked at it; `mine` is what they have in the box. */
export function tellConflict(find, told, sheet, mine) {
  const { words } = told;
  const [newest] = sheet.decisions ?? [];
  const box = find("conflict");
  const line = find("conflict-told");
  const theirs = find("theirs");
  theirs.hidden = true;
  if (newest) {
    const reason = [told.reasons[newest.reason_code] ?? newest.reason_code, newest.note].filter(Boolean).join(" · ");
    line.textContent = filled(words.decided[newest.kind], { who: newest.by, text: newest.text, reason });
    theirs.hidden = !newest.text || newest.text === mine.trim();
    theirs.dataset.text = newest.text;
    showDifference(find("conflict-said"), mine, newest.text);
    find("conflict-said").hidden = !newest.text;
  } else {
    line.textContent = "candidates" in sheet ? words.answered : words.taken;
    find("conflict-said").hidden = true;
  }
  find("conflict-anyway").hidden = sheet.is_waiting === false;
  box.hidden = false;
}
