// <listen-box>: audio from the microphone or a file goes to the recogniser, and its text is shown as it grows.

import { acceptDrops } from "./dropped.js";
import { Microphone, refusal } from "./microphone.js";
import { element, Said } from "./said.js";

const EVERY = 250;
const PATIENT = 1000;
const AWAY = 3000;
const DONE = new Set(["succeeded", "failed", "cancelled"]);

const language = document.documentElement.lang;
const number = (value, digits = 1) => new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const filled = (words, told) => words.replace(/\{(\w+)\}/g, (_, name) => told[name]);

class ListenBox extends HTMLElement {
  connectedCallback() {
    this.told = JSON.parse(document.getElementById("listen-told").textContent);
    this.words = this.told.words;
    this.token = this.querySelector("[name=csrfmiddlewaretoken]").value;
    this.find = (name) => this.querySelector(`[data-part="${name}"]`);
    this.said = new Said(this.find, this.told);
    this.microphone = new Microphone(this.find("meter"));
    new ResizeObserver(() => this.microphone.draw()).observe(this.find("meter"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.microphone.draw());
    this.find("record").addEventListener("click", () => this.record());
    this.find("discard").addEventListener("click", () => this.endRecording(false));
    this.find("choose").addEventListener("click", () => this.find("file").click());
    this.find("file").addEventListener("change", (event) => this.chosen(event.target));
    this.find("stop").addEventListener("click", () => this.stop());
    this.find("copy").addEventListener("click", () => this.copy());
    acceptDrops(this.find("zone"), ({ files: [file] }) => {
      if (file && !this.isBusy && !this.isRecording) this.send(file, file.name);
    });
    this.classList.add("ready");
  }

  // --- where audio comes from
  async record() {
    if (this.isRecording) return this.endRecording(true);
    this.complain();
    if (!navigator.mediaDevices) return this.complain(this.words.insecure);
    this.find("record").disabled = true;
    try {
      await this.microphone.start((seconds, isSilent) => this.recording(seconds, isSilent));
      this.isRecording = true;
    } catch (error) {
      this.complain(filled(this.words[refusal(error)], { reason: error.message }));
    }
    this.find("record").disabled = false;
    this.shape();
  }

  recording(seconds, isSilent) {
    this.find("time").textContent = clock(seconds);
    this.find("hint").textContent = isSilent && seconds > 2 ? this.words.quiet : "";
    if (seconds >= this.told.most_seconds - 1) this.endRecording(true);
  }

  async endRecording(isWanted) {
    if (!this.isRecording) return;
    this.isRecording = false;
    const blob = await this.microphone.stop();
    this.microphone.clear();
    this.find("time").textContent = clock(0);
    this.find("hint").textContent = "";
    this.shape();
    if (isWanted) this.send(blob, `${this.words.recorded}.${blob.type.split("/")[1] || "webm"}`);
  }

  chosen(input) {
    const [file] = input.files;
    input.value = "";
    if (file) this.send(file, file.name);
  }

  // --- there
  send(blob, name) {
    if (this.isBusy) return;
    this.complain();
    if (blob.size === 0) return this.complain(filled(this.words.empty, { name }));
    const most = this.told.most_bytes;
    if (blob.size > most) {
      const told = { name, size: number(blob.size / 1e6, 0), most: number(most / 1e6, 0) };
      return this.complain(filled(this.words.too_large, told), "recognition:listen:too-large");
    }
    this.isBusy = true;
    this.key = null;
    this.final = 0;
    this.clips = new Map();
    this.said.begin(blob);
    this.find("name").textContent = name;
    this.find("facts").hidden = this.find("copy").hidden = true;
    this.find("result").hidden = false;
    this.find("progress").hidden = false;
    this.find("progress").removeAttribute("value");
    this.shape();
    this.post(blob, name);
  }

  post(blob, name) {
    const form = new FormData();
    form.append("language", this.find("language").value);
    form.append("model", this.find("model").value);
    form.append("audio", blob, name);
    const request = new XMLHttpRequest();
    this.request = request;
    request.open("POST", this.dataset.send);
    request.setRequestHeader("X-CSRFToken", this.token);
    request.upload.addEventListener("progress", (event) => {
      const share = event.lengthComputable ? `${Math.floor((100 * event.loaded) / event.total)}%` : "";
      this.state(filled(this.words.sending, { percent: share }));
    });
    request.addEventListener("load", () => {
      if (request.status === 202) {
        this.key = JSON.parse(request.responseText).key;
        this.follow();
      } else this.fail(this.problem(request.responseText, request.status));
    });
    request.addEventListener("error", () => this.fail({ detail: filled(this.words.refused, { status: "–" }) }));
    request.send(form);
    this.state(filled(this.words.sending, { percent: "" }));
  }

  problem(text, status) {
    try {
      return JSON.parse(text);
    } catch {
      return { detail: filled(this.words.refused, { status }) };
    }
  }

  // --- and back
  get address() {
    return this.dataset.follow.replace(/[0-]{36}/, this.key);
  }

  async follow() {
    const key = this.key;
    let wait = EVERY;
    try {
      const answer = await fetch(`${this.address}?after=${this.final}`, { headers: { Accept: "application/json" } });
      if (key !== this.key || !this.isBusy) return;
      if (answer.status === 404) return this.fail({ detail: this.words.gone });
      if (!answer.ok) return this.fail(this.problem(await answer.text(), answer.status));
      const told = await answer.json();
      if (key !== this.key || !this.isBusy) return;
      this.take(told);
      if (DONE.has(told.status)) return this.finish(told);
      if (told.status === "queued" && told.running_before) wait = PATIENT;
    } catch {
      this.state(this.words.away);
      wait = AWAY;
    }
    setTimeout(() => key === this.key && this.isBusy && this.follow(), wait);
  }

  take(told) {
    for (const clip of told.heard) {
      this.clips.set(clip.number, clip);
      this.said.show(clip, told.clips > 1);
    }
    while (this.clips.get(this.final)?.is_final) this.final += 1;
    this.said.seconds = told.seconds ?? 0;
    const bar = this.find("progress");
    if (told.clips > 1) bar.value = told.progress;
    else bar.removeAttribute("value");
    this.state(this.stage(told));
  }

  stage(told) {
    if (told.status === "queued") return told.running_before ? this.words.queued_behind : this.words.queued;
    if (told.status !== "running") return "";
    if (told.clips === null) return this.words.cutting;
    const n = Math.min(told.clips, this.final + 1);
    return told.clips > 1 ? filled(this.words.hearing_clip, { n, all: told.clips }) : this.words.hearing;
  }

  finish(told) {
    if (told.status === "failed") return this.fail({ detail: told.error, error_id: told.error_id });
    this.done(told.status === "cancelled" ? this.words.stopped : "");
    if (told.status !== "succeeded") return;
    if (told.clips === 0) this.find("said").append(element("p", "muted", this.words.nothing));
    this.find("copy").hidden = !navigator.clipboard || !this.said.text;
    this.facts(told);
  }

  facts(told) {
    const clips = [...this.clips.values()];
    const length = clips.reduce((sum, clip) => sum + clip.seconds, 0);
    const sure = clips.reduce((sum, clip) => sum + clip.seconds * (clip.said.confidence ?? 0), 0) / (length || 1);
    const [low, high] = this.told.confidence;
    const bar = element("progress", `thin listen-bar ${sure < low ? "low" : sure < high ? "middle" : "high"}`);
    Object.assign(bar, { max: 1, value: sure });
    bar.setAttribute("aria-hidden", "true");
    this.find("confidence").replaceChildren(bar, clips.length ? sure.toFixed(2) : "–", element("span", "muted", this.expected(clips, length)));
    const flags = [...new Set(clips.flatMap((clip) => clip.said.flags))];
    const tags = flags.map((flag) => element("span", "tag warn", this.told.flags[flag] ?? flag));
    this.find("flags").replaceChildren(...(tags.length ? tags : ["–"]));
    const spoken = [...new Set(clips.map((clip) => clip.said.language).filter(Boolean))];
    const asked = this.told.languages[told.language] ?? told.language;
    this.find("spoken").textContent = spoken.map((code) => this.told.languages[code] ?? code).join(", ") || asked;
    this.find("by").textContent = told.model;
    const times = told.took_seconds ? told.seconds / told.took_seconds : 0;
    const pace = { audio: number(told.seconds), took: number(told.took_seconds, 2), times: number(times, times < 10 ? 1 : 0) };
    this.find("took").textContent = filled(times > 1 ? this.words.took : this.words.slow, pace);
    this.find("facts").hidden = false;
  }

  /** What the confidence says of errors: nothing, before the model was calibrated in this collection. */
  expected(clips, length) {
    if (!clips.length) return "";
    if (clips.some((clip) => clip.said.expected_error_rate === null)) return this.words.uncalibrated;
    const rate = clips.reduce((sum, clip) => sum + clip.seconds * clip.said.expected_error_rate, 0) / length;
    const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(rate);
    return filled(this.words.expected, { percent });
  }

  // --- the end
  async stop() {
    const key = this.key;
    this.request?.abort();
    this.done(this.words.stopped);
    if (!key) return;
    try {
      await fetch(this.address, { method: "DELETE", headers: { "X-CSRFToken": this.token } });
    } catch {
      // what is not forgotten now is forgotten within the hour
    }
  }

  fail({ detail, hint = "", error_id: id = "" }) {
    this.done("");
    this.find("result").hidden = !this.clips.size;
    this.complain(`${detail} ${hint}`.trim(), id);
  }

  done(state) {
    this.isBusy = false;
    this.find("progress").hidden = true;
    for (const line of this.querySelectorAll(".is-growing")) line.classList.remove("is-growing");
    this.state(state);
    this.shape();
  }

  async copy() {
    await navigator.clipboard.writeText(this.said.text);
    this.state(this.words.copied);
  }

  // --- how it looks
  state(text) {
    if (this.find("state").textContent !== text) this.find("state").textContent = text;
  }

  complain(text = "", id = "") {
    const box = this.find("problem");
    box.hidden = !text;
    box.replaceChildren(element("span", "", text), ...(id ? [element("code", "", id)] : []));
  }

  shape() {
    const { isRecording = false, isBusy = false } = this;
    this.classList.toggle("is-recording", isRecording);
    this.classList.toggle("is-busy", isBusy);
    this.find("record-start").hidden = isRecording;
    this.find("record-stop").hidden = this.find("discard").hidden = !isRecording;
    this.find("record").disabled = isBusy;
    this.find("choose").disabled = isBusy || isRecording;
    this.find("stop").hidden = !isBusy;
  }
}

customElements.define("listen-box", ListenBox);
