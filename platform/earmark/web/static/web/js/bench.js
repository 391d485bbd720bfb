// <review-bench>: one clip after the other, by the keyboard: hear it, choose or write its text, decide.

import { Answers, slipsOf, tellConflict } from "./bench_answers.js";
import { showFacts } from "./bench_facts.js";
import { BenchSound } from "./bench_sound.js";
import { Store } from "./bench_store.js";
import { HeardWords } from "./bench_words.js";
import { element } from "./said.js";
import { Stopwatch } from "./stopwatch.js";

const SAVE_AFTER_MS = 700;
const AHEAD = 2;
const DOUBT = "earmark.show-doubt";
const NAMES = "earmark.show-names";
const filled = (words, told) => words.replace(/\{(\w+)\}/g, (_, name) => told[name]);

class ReviewBench extends HTMLElement {
  connectedCallback() {
    this.told = JSON.parse(document.getElementById("bench-told").textContent);
    this.words = this.told.words;
    this.isReview = this.told.mode === "review";
    this.find = (name) => this.querySelector(`[data-part="${name}"]`);
    this.box = this.find("text");
    this.store = new Store(this.told, this.querySelector("[name=csrfmiddlewaretoken]").value);
    this.heard = new HeardWords(this.find, this.told, (word) => this.loop(word));
    this.sound = new BenchSound(this.find, this.told, (at, on) => this.moved(at, on));
    this.answers = new Answers(this.find, this.told, (one) => this.take(one), (at) => this.sound.playFrom(at - 0.5));
    this.watch = new Stopwatch(this.told.idle_seconds);
    this.ids = this.told.first ? [Number(this.told.first)] : [];
    this.at = -1;
    this.decided = this.pending = 0;
    this.actions = this.allActions();
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("pointerdown", () => this.watch.touch());
    addEventListener("pagehide", () => this.save({ keepalive: true }));
    this.box.addEventListener("input", () => this.typed());
    this.addEventListener("click", (event) => this.clicked(event));
    this.find("return-menu")?.addEventListener("submit", (event) => (event.preventDefault(), this.sendBack()));
    this.remembered("show-doubt", DOUBT);
    this.remembered("show-names", NAMES);
    this.next();
  }

  /** What each key and each button with data-action does. */
  allActions() {
    return {
      toggle: () => this.sound.toggle(),
      back: () => this.sound.back(),
      "word-back": () => this.step(-1),
      "word-on": () => this.step(1),
      loop: () => this.loop(this.heard.word ?? this.heard.step(1)),
      slower: () => this.sound.faster(-1),
      faster: () => this.sound.faster(1),
      candidate: (press) => this.take(this.answers.list[Number(press) - 1]),
      heard: () => this.take(this.answers.byId.get("heard")),
      edit: () => this.write(),
      accept: () => (this.isReview ? this.accept() : this.submit({})),
      unintelligible: () => (this.isReview ? this.decide({ kind: "unintelligible" }) : this.submit({ quality: ["unintelligible"], text: "" })),
      skip: () => this.submit({ was_skipped: true, text: "" }),
      return: () => this.askReason(),
      quality: (press) => this.tick(press),
      next: () => this.next(),
      previous: () => this.show(this.at - 1),
      theirs: () => this.takeTheirs(),
      doubt: () => this.remembered("show-doubt", DOUBT, true),
      names: () => this.remembered("show-names", NAMES, true),
      help: () => this.find("help").showModal(),
    };
  }

  // --- from clip to clip
  async next() {
    this.asked ??= performance.now();
    this.save();
    if (this.at + 1 >= this.ids.length) await this.refill();
    if (this.at + 1 < this.ids.length) return this.show(this.at + 1);
    this.asked = undefined;
    this.sound.leave();
    this.entry = null;
    this.find("work").hidden = true;
    this.find("empty").hidden = false;
  }

  async refill() {
    try {
      this.ids.push(...(await this.store.waiting(this.ids)).filter((id) => !this.ids.includes(id)));
    } catch (error) {
      this.complain(error);
    }
  }

  async show(at) {
    if (at < 0 || at >= this.ids.length) return;
    this.asked ??= performance.now();
    if (this.entry) this.save();
    this.at = at;
    const id = this.ids[at];
    try {
      const entry = await this.store.get(id);
      if (this.ids[this.at] === id) this.display(entry);
    } catch (error) {
      this.complain(error);
    }
    this.ahead();
  }

  async ahead() {
    if (this.at + 1 + AHEAD > this.ids.length) await this.refill();
    for (const id of this.ids.slice(this.at + 1, this.at + 1 + AHEAD)) this.store.get(id).catch(() => {});
  }

  /** `isKnown`: it was shown before and came back, the site knows that it is open. */
  display(entry, { isKnown = false } = {}) {
    const { sheet } = entry;
    this.entry = entry;
    this.preferred = null;
    const slips = slipsOf(sheet);
    const draft = sheet.draft?.text;
    const isRestored = Boolean(draft) && draft !== sheet.suggestion;
    this.box.value = isRestored ? draft : sheet.suggestion;
    this.box.lang = sheet.clip.language;
    this.saved = this.box.value;
    this.find("work").hidden = false;
    this.find("empty").hidden = this.find("conflict").hidden = this.find("problem").hidden = true;
    showFacts(this.find, this.told, sheet, this.isReview && this.store.address("clip", sheet.clip.id));
    this.heard.show(sheet, slips);
    this.answers.show(sheet);
    this.sound.show(entry, slips);
    for (const one of this.querySelectorAll("[data-quality]")) one.setAttribute("aria-pressed", String((sheet.quality ?? []).includes(one.dataset.quality)));
    this.state(isRestored ? this.words.restored : "", isRestored);
    this.compare();
    this.box.blur();
    this.watch.begin();
    this.shown();
    if (!isKnown) this.open(entry);
  }

  /** How long showing took, from the key to the picture; `performance.getEntriesByName("bench:shown")` tells. */
  shown() {
    const start = this.asked;
    this.asked = undefined;
    requestAnimationFrame(() =>
      setTimeout(() => performance.measure("bench:shown", { start, end: performance.now(), detail: { id: this.entry?.id } })),
    );
  }

  /** Tell the site that somebody looks at it now; learn whether it is still as it was when it was fetched ahead. */
  async open(entry) {
    try {
      await this.store.saveDraft(entry, { is_opening: true });
    } catch (error) {
      if (error.isStale && this.entry === entry) this.conflict();
    }
  }

  // --- hearing
  moved(at, isPlaying) {
    if (isPlaying) this.watch.touch();
    this.heard.follow(at, isPlaying && !this.sound.loop);
  }

  step(by) {
    const word = this.heard.step(by);
    if (!word || word.start === null) return;
    if (this.sound.loop) this.sound.loopWord(word);
    else this.sound.seek(word.start);
  }

  loop(word) {
    if (!word || word.start === null) return;
    const on = this.sound.loopWord(word);
    this.find("looping").hidden = !on;
  }

  // --- the text
  take(answer) {
    if (!answer) return;
    this.preferred = answer.id;
    this.box.value = answer.text;
    this.typed();
  }

  takeTheirs() {
    if (this.find("conflict").hidden || this.find("theirs").hidden) return;
    this.box.value = this.find("theirs").dataset.text;
    this.typed();
  }

  write() {
    this.box.focus();
    this.box.setSelectionRange(this.box.value.length, this.box.value.length);
  }

  typed() {
    this.watch.touch();
    this.compare();
    clearTimeout(this.due);
    this.due = setTimeout(() => this.save(), SAVE_AFTER_MS);
  }

  compare() {
    const text = this.box.value;
    this.answers.compare(text);
    if (!this.isReview) return;
    const taken = this.answers.taken(text, this.preferred);
    this.find("accept-label").textContent = taken ? this.words.accept : this.words.correct;
    this.find("accept").classList.toggle("is-correction", !taken);
  }

  async save(options = {}) {
    clearTimeout(this.due);
    const { entry } = this;
    const text = this.box.value;
    if (!entry || text === this.saved) return;
    this.saved = text;
    entry.sheet.draft = { text };
    try {
      await this.store.saveDraft(entry, { text }, options);
      if (this.entry === entry) this.state(this.words.saved);
    } catch (error) {
      if (this.entry !== entry) return;
      if (error.isStale) return this.conflict();
      this.saved = null;
      this.state(this.words.unsaved, true);
    }
  }

  tick(press) {
    const one = this.querySelector(`[data-press="${press}"]`);
    one?.setAttribute("aria-pressed", String(one.getAttribute("aria-pressed") !== "true"));
    this.watch.touch();
  }

  // --- deciding
  accept() {
    const text = this.box.value.trim();
    const taken = this.answers.taken(text, this.preferred);
    return this.decide(taken ? { kind: "accept", annotation: taken.id } : { kind: "correct", text });
  }

  askReason() {
    const answer = this.answers.returnable(this.box.value, this.preferred);
    if (!answer) return this.complain({ message: this.words.nothing_to_return });
    this.backTo = answer;
    this.find("return-whom").textContent = `${this.answers.list.indexOf(answer) + 1}: ${answer.text || this.words.silent}`;
    for (const one of this.querySelectorAll("[name=reason]")) one.checked = false;
    this.find("note").value = "";
    this.find("return").showModal();
  }

  sendBack() {
    const chosen = this.querySelector("[name=reason]:checked");
    if (!chosen) return;
    this.find("return").close();
    this.decide({ kind: "return", annotation: this.backTo.id, reason_code: chosen.value, note: this.find("note").value });
  }

  submit(answer) {
    const ticked = [...this.querySelectorAll("[data-quality][aria-pressed=true]")].map((one) => one.dataset.quality);
    return this.decide({ text: this.box.value.trim(), quality: ticked, ...answer }, answer.was_skipped ? "skip" : answer.quality ? "unintelligible" : "submit");
  }

  /** Send it and go on at once: what the site refuses is brought back, with all that was written. */
  async decide(decision, said = decision.kind) {
    const { entry } = this;
    if (!entry) return;
    this.asked = performance.now();
    clearTimeout(this.due);
    const text = this.box.value;
    const sent = this.store.decide(entry, { ...decision, client_seconds: this.watch.seconds });
    this.entry = null;
    this.pending += 1;
    this.next();
    try {
      const made = await sent;
      this.decided += 1;
      this.store.forget(entry.id);
      this.find("said").textContent = this.words.done[said];
      this.find("position").textContent = filled(this.words.position, { n: this.decided });
      if (made.today) this.today(made.today);
    } catch (error) {
      this.bringBack(entry, text, error);
    }
    this.pending -= 1;
  }

  bringBack(entry, text, error) {
    this.save();
    this.at = this.ids.indexOf(entry.id);
    entry.sheet.draft = { text };
    this.display(entry, { isKnown: true });
    if (error.isStale) this.conflict();
    else this.complain(error);
  }

  /** Somebody was quicker: show what they did, keep what is in the box, let the person choose. */
  async conflict() {
    const { entry } = this;
    try {
      const sheet = await this.store.refresh(entry.id);
      if (this.entry !== entry) return;
      const mine = this.box.value;
      entry.sheet = { ...sheet, clip: entry.sheet.clip };
      this.answers.show(sheet);
      showFacts(this.find, this.told, sheet, this.isReview && this.store.address("clip", sheet.clip.id));
      this.compare();
      tellConflict(this.find, this.told, sheet, mine);
    } catch (error) {
      this.complain(error);
    }
  }

  // --- keys and buttons
  key(event) {
    this.watch.touch();
    if (event.isComposing || event.altKey || event.defaultPrevented) return;
    const dialog = this.querySelector("dialog[open]") ?? document.querySelector("dialog[open]");
    if (dialog) return this.keyInDialog(event, dialog);
    const typing = event.target.closest("textarea, input:not([type=checkbox]), select");
    const held = event.ctrlKey || event.metaKey;
    if (typing && event.key === "Escape") return typing.blur();
    const { plain, typing: whileTyping } = this.told.keys;
    const action = held ? whileTyping[event.key] : typing ? null : plain[event.key];
    if (!action || (!held && [" ", "Enter"].includes(event.key) && event.target.closest("button, a, summary"))) return;
    event.preventDefault();
    if (this.entry || ["help", "previous", "doubt", "names"].includes(action)) this.actions[action](event.key);
  }

  keyInDialog(event, dialog) {
    if (dialog === this.find("help") && event.key === "?") return dialog.close();
    if (dialog !== this.find("return") || event.target.matches("[data-part=note]")) return;
    const reason = dialog.querySelector(`[data-reason="${event.key}"]`);
    if (!reason) return;
    event.preventDefault();
    reason.checked = true;
    this.find("note").focus();
  }

  clicked(event) {
    const quality = event.target.closest("[data-press]");
    if (quality) return this.tick(quality.dataset.press);
    const slip = event.target.closest("[data-part=own-slips] [data-at]");
    if (slip) return this.sound.playFrom(slip.dataset.at - 0.5);
    const made = event.target.closest("[data-action]");
    if (made) this.actions[made.dataset.action]?.();
    if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
  }

  remembered(name, kept, isTurned = false) {
    const box = this.find(name);
    if (!box) return;
    if (isTurned) localStorage.setItem(kept, localStorage.getItem(kept) === "no" ? "yes" : "no");
    else if (localStorage.getItem(kept) === null) localStorage.setItem(kept, box.dataset.start);
    const on = localStorage.getItem(kept) !== "no";
    box.setAttribute("aria-pressed", String(on));
    this.classList.toggle(name, on);
  }

  // --- what is said
  state(text, isLoud = false) {
    const box = this.find("state");
    box.textContent = text;
    box.classList.toggle("is-loud", isLoud);
  }

  today({ seconds, target_seconds: target }) {
    const minutes = (amount) => (amount / 60).toFixed(1);
    const words = target ? this.words.today : this.words.today_done;
    this.find("today").textContent = filled(words, { done: minutes(seconds), target: minutes(target ?? 0) });
  }

  complain(error) {
    const said = error.problem ? [error.problem.detail ?? filled(this.words.refused, { status: error.status }), error.problem.hint] : [error.status === undefined && error instanceof TypeError ? this.words.away : error.message];
    const box = this.find("problem");
    box.replaceChildren(element("span", "", said.filter(Boolean).join(" ")), ...(error.problem?.error_id ? [element("code", "", error.problem.error_id)] : []));
    box.hidden = false;
  }
}

customElements.define("review-bench", ReviewBench);
