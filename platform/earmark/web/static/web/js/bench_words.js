// What was heard, as words to walk along, click and loop, coloured by doubt; and the answers beside the text in the box.

import { clock } from "./bench_sound.js";
import { compare } from "./diff.js";
import { doubtOf, element } from "./said.js";

/** The words of what was heard; `asked(word)` is called for a word that is to be looped. */
export class HeardWords {
  constructor(find, told, asked) {
    this.find = find;
    this.told = told;
    this.box = find("words");
    this.cursor = -1;
    this.box.addEventListener("click", (event) => {
      const at = this.spans.indexOf(event.target.closest(".bench-word"));
      if (at < 0) return;
      this.move(at);
      asked(this.words[at]);
    });
  }

  show(sheet, slips) {
    this.words = sheet.heard?.words ?? [];
    this.box.lang = sheet.clip.language;
    this.cursor = -1;
    this.spans = this.words.map((word) => {
      const made = element("span", `bench-word doubt doubt-${doubtOf(word.probability, this.told.doubts)}`, word.text);
      made.setAttribute("role", "button");
      if (slips.some(({ at }) => word.start !== null && at >= word.start && at <= word.end)) made.classList.add("has-slip");
      return made;
    });
    this.box.replaceChildren(...this.spans.flatMap((made, at) => [this.words[at].before, made]));
    if (sheet.heard && !this.words.length) this.box.append(element("span", "muted", this.told.words.silent));
    this.find("heard").hidden = !sheet.heard;
    this.tell();
  }

  get word() {
    return this.words[this.cursor];
  }

  step(by) {
    if (!this.words.length) return null;
    this.move(Math.min(this.words.length - 1, Math.max(0, this.cursor + by)));
    return this.word;
  }

  move(at) {
    this.spans[this.cursor]?.classList.remove("is-current");
    this.cursor = at;
    this.spans[at]?.classList.add("is-current");
    this.spans[at]?.scrollIntoView({ block: "nearest" });
    this.tell();
  }

  /** The word that sounds now; the cursor goes along while it plays. */
  follow(seconds, isPlaying) {
    if (!isPlaying) return;
    const at = this.words.findIndex((word) => word.start !== null && seconds >= word.start && seconds < word.end);
    if (at >= 0 && at !== this.cursor) this.move(at);
  }

  tell() {
    const { word } = this;
    const { words } = this.told;
    if (!word) return void this.find("word").replaceChildren();
    const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" });
    const sure = word.probability === null ? "" : words.sure.replace("{percent}", percent.format(word.probability));
    const times = word.start === null ? words.no_time : `${clock(word.start)} – ${clock(word.end)}`;
    this.find("word").replaceChildren(element("b", "", word.text), ` ${[sure, times].filter(Boolean).join(" · ")}`);
  }
}

/** Write `text` into `box` so that what differs from `base` stands out. */
export function showDifference(box, base, text) {
  const pieces = compare(base, text).map(({ before, text: said, kind, missing }) => {
    if (kind === "same") return before + said;
    const made = element("span", `diff-${kind}`, kind === "gap" ? "" : said);
    if (kind === "gap") made.title = missing;
    return kind === "gap" ? made : [before, made];
  });
  box.replaceChildren(...pieces.flat());
}
