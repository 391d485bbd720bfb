// What was heard as words that can be pointed at, clicked, and followed while they sound.

const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

export function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The level of doubt, 0 to 4, that a probability is shown with; `doubts` are [least, level] from sure to unsure. */
export function doubtOf(probability, doubts) {
  return probability === null ? 0 : doubts.find(([least]) => probability >= least)[1];
}

export class Said {
  /** `find(part)` gives the elements; `told` the words and limits of the page. */
  constructor(find, told) {
    this.find = find;
    this.told = told;
    this.audio = find("audio");
    this.box = find("said");
    this.hint = find("word").textContent;
    this.timed = [];
    for (const event of ["play", "pause", "ended", "seeked", "loadedmetadata", "durationchange"]) {
      this.audio.addEventListener(event, () => this.tick());
    }
    this.audio.addEventListener("error", () => this.audio.src && this.cannotPlay());
    this.audio.addEventListener("loadedmetadata", () => this.findLength());
    find("toggle").addEventListener("click", () => this.toggle());
    find("seek").addEventListener("input", (event) => (this.audio.currentTime = Number(event.target.value)));
    this.box.addEventListener("click", (event) => this.hear(event.target.closest(".listen-said-word")));
    this.box.addEventListener("pointerover", (event) => this.tell(event.target.closest(".listen-said-word")));
    this.box.addEventListener("focusin", (event) => this.tell(event.target.closest(".listen-said-word")));
    this.box.addEventListener("keydown", (event) => this.key(event));
  }

  /** A new file: nothing is heard of it yet. */
  begin(blob) {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(blob);
    this.audio.src = this.url;
    this.seconds = 0;
    this.timed = [];
    this.box.replaceChildren();
    this.box.classList.remove("is-long");
    this.find("player").hidden = false;
    this.find("word").textContent = this.hint;
    this.tick();
  }

  /** A browser's own recording does not say how long it is until its end has been looked for. */
  findLength() {
    if (this.audio.duration !== Infinity) return;
    this.audio.addEventListener("timeupdate", () => (this.audio.currentTime = 0), { once: true });
    this.audio.currentTime = 1e7;
  }

  cannotPlay() {
    this.find("player").hidden = true;
    this.find("word").textContent = this.told.words.unplayable;
  }

  /** Show a clip as it is now. */
  show(clip, isLong) {
    this.box.classList.toggle("is-long", isLong);
    const line = element("div", `listen-clip${clip.is_final ? "" : " is-growing"}`);
    line.dataset.number = clip.number;
    const at = element("div", "listen-at", clock(clip.start));
    for (const flag of clip.said.flags) at.append(element("span", "tag warn", this.told.flags[flag] ?? flag));
    line.append(at, this.words(clip));
    const shown = this.box.querySelector(`[data-number="${clip.number}"]`);
    if (shown) shown.replaceWith(line);
    else this.box.append(line);
    this.timed = [...this.box.querySelectorAll("[data-start]")];
  }

  words(clip) {
    const text = element("div", "listen-text");
    if (clip.said.language && clip.said.language !== "auto") text.lang = clip.said.language;
    if (clip.is_final && !clip.said.text) text.append(element("span", "muted", this.told.words.no_text));
    clip.said.words.forEach((word, number) => {
      const doubt = doubtOf(word.probability, this.told.doubts);
      const made = element("span", `listen-said-word doubt doubt-${doubt}`, word.text);
      Object.assign(made, { role: "button", tabIndex: number === 0 && clip.number === 0 ? 0 : -1 });
      made.dataset.from = word.start ?? clip.start;
      made.dataset.sure = word.probability ?? "";
      if (word.start !== null) Object.assign(made.dataset, { start: word.start, end: word.end });
      text.append(word.before, made);
    });
    return text;
  }

  tell(word) {
    if (!word) return;
    const { words } = this.told;
    const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" });
    const sure = word.dataset.sure === "" ? "" : words.probability.replace("{percent}", percent.format(word.dataset.sure));
    const times = word.dataset.start ? `${clock(Number(word.dataset.start))} – ${clock(Number(word.dataset.end))}` : words.no_time;
    const told = [sure, times].filter(Boolean).join(" · ");
    this.find("word").replaceChildren(element("b", "", word.textContent), ` ${told}`);
    word.setAttribute("aria-label", `${word.textContent}, ${told}`);
  }

  hear(word) {
    if (!word || this.find("player").hidden) return;
    this.audio.currentTime = Number(word.dataset.from);
    this.audio.play().catch((reason) => reason.name !== "AbortError" && this.cannotPlay());
  }

  /** One stop for the tabulator; the arrows walk from word to word. */
  key(event) {
    const word = event.target.closest(".listen-said-word");
    if (!word) return;
    const all = [...this.box.querySelectorAll(".listen-said-word")];
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" || event.key === " ") this.hear(word);
    else if (step) {
      const next = all[all.indexOf(word) + step];
      if (!next) return;
      word.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    } else return;
    event.preventDefault();
  }

  toggle() {
    if (this.audio.paused) this.audio.play().catch((reason) => reason.name !== "AbortError" && this.cannotPlay());
    else this.audio.pause();
  }

  get text() {
    return [...this.box.querySelectorAll(".listen-text")].map((line) => line.textContent.trim()).join("\n");
  }

  tick() {
    const on = !this.audio.paused && !this.audio.ended;
    const at = this.audio.currentTime;
    const length = Number.isFinite(this.audio.duration) ? this.audio.duration : this.seconds;
    const toggle = this.find("toggle");
    toggle.setAttribute("aria-label", on ? this.told.words.pause : this.told.words.play);
    this.find("player").classList.toggle("playing", on);
    this.find("play").toggleAttribute("hidden", on);
    this.find("pause").toggleAttribute("hidden", !on);
    this.find("seek").max = Math.max(0.01, length || 0);
    if (document.activeElement !== this.find("seek") || on) this.find("seek").value = at;
    this.find("position").textContent = `${clock(at)} / ${clock(length || 0)}`;
    for (const word of this.timed) {
      word.classList.toggle("is-heard-now", on && at >= Number(word.dataset.start) && at < Number(word.dataset.end));
    }
    if (on) requestAnimationFrame(() => this.tick());
  }
}
