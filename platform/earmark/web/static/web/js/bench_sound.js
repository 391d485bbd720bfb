// The sound of one clip on a desk: play, the last seconds again, a word in a loop, and where all that is in the waveform.

import { colour, withAlpha } from "./chart.js";
import { paintWave } from "./wave.js";

const AROUND = 0.06;
const BACK = 2;

export const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

export class BenchSound {
  /** `find(part)` gives the elements; `moved(seconds, isPlaying)` is called whenever the place changes. */
  constructor(find, told, moved) {
    this.find = find;
    this.told = told;
    this.moved = moved;
    this.rate = 1;
    this.stage = find("stage");
    this.stage.addEventListener("pointerdown", (event) => this.grab(event));
    this.stage.addEventListener("pointermove", (event) => this.hover(event));
    this.stage.addEventListener("pointerleave", () => (find("cursor").hidden = true));
    find("toggle").addEventListener("click", () => this.toggle());
    find("speed").addEventListener("change", (event) => this.setRate(Number(event.target.value)));
    this.listeners = ["play", "pause", "ended", "seeked", "loadedmetadata"].map((name) => [name, () => this.tick()]);
    this.listeners.push(["error", () => this.fail()]);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
    new ResizeObserver(() => this.paint()).observe(this.stage);
  }

  show({ sheet, audio, peaks }, slips) {
    this.leave();
    this.seconds = sheet.clip.seconds;
    this.words = (sheet.heard?.words ?? []).filter((word) => word.start !== null);
    this.peaks = peaks;
    this.audio = audio;
    audio.currentTime = 0;
    audio.playbackRate = this.rate;
    for (const [name, heard] of this.listeners) audio.addEventListener(name, heard);
    this.find("sound").classList.toggle("broken", Boolean(audio.error));
    this.find("slips").replaceChildren(...slips.map((slip) => this.mark(slip)));
    this.loop = null;
    this.paint();
    this.tick();
  }

  leave() {
    if (!this.audio) return;
    this.audio.pause();
    for (const [name, heard] of this.listeners) this.audio.removeEventListener(name, heard);
  }

  mark({ at, message }) {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", className: "bench-slip", title: message, tabIndex: -1 });
    made.setAttribute("aria-label", made.title);
    made.style.left = `${(100 * at) / this.seconds}%`;
    made.addEventListener("pointerdown", (event) => event.stopPropagation());
    made.addEventListener("click", () => this.playFrom(Math.max(0, at - 0.5)));
    return made;
  }

  fail() {
    this.find("sound").classList.add("broken");
    this.find("time").textContent = this.find("sound").dataset.broken;
  }

  // --- playing
  play() {
    this.audio.playbackRate = this.rate;
    this.audio.play().catch((reason) => reason.name !== "AbortError" && this.fail());
  }

  toggle() {
    if (this.audio.paused) this.play();
    else this.audio.pause();
  }

  playFrom(seconds) {
    this.seek(seconds);
    this.play();
  }

  back() {
    this.playFrom(this.at - BACK);
  }

  get at() {
    return this.audio.ended ? this.seconds : this.audio.currentTime;
  }

  seek(seconds) {
    this.audio.currentTime = Math.min(this.seconds - 0.01, Math.max(0, seconds));
    this.tick();
  }

  setRate(rate) {
    this.rate = rate;
    if (this.audio) this.audio.playbackRate = rate;
    this.find("speed").value = String(rate);
  }

  faster(steps) {
    const speeds = this.told.speeds;
    this.setRate(speeds[Math.min(speeds.length - 1, Math.max(0, speeds.indexOf(this.rate) + steps))]);
  }

  /** Repeat a word until told otherwise; the same word again ends it. */
  loopWord(word) {
    const same = this.loop && this.loop.word === word;
    this.loop = same ? null : { word, from: Math.max(0, word.start - AROUND), to: Math.min(this.seconds, word.end + AROUND) };
    if (this.loop) this.playFrom(this.loop.from);
    else this.audio.pause();
    this.paint();
    return Boolean(this.loop);
  }

  endLoop() {
    this.loop = null;
    this.paint();
  }

  // --- the pointer
  pointed(event) {
    const box = this.stage.getBoundingClientRect();
    return (Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * this.seconds) || 0;
  }

  grab(event) {
    if (event.button !== 0) return;
    this.stage.setPointerCapture(event.pointerId);
    this.endLoop();
    this.seek(this.pointed(event));
  }

  hover(event) {
    if (event.buttons & 1 && this.stage.hasPointerCapture(event.pointerId)) this.seek(this.pointed(event));
    const [cursor, at] = [this.find("cursor"), this.pointed(event)];
    cursor.hidden = event.pointerType === "touch";
    cursor.dataset.at = clock(at);
    cursor.style.left = `${(100 * at) / this.seconds}%`;
    cursor.classList.toggle("is-late", at > 0.8 * this.seconds);
  }

  // --- how it looks
  tick() {
    const { audio, loop } = this;
    const on = !audio.paused && !audio.ended;
    if (loop && on && (audio.currentTime >= loop.to || audio.currentTime < loop.from - 0.2)) audio.currentTime = loop.from;
    if (loop && audio.ended) this.playFrom(loop.from);
    const at = this.at;
    this.find("sound").classList.toggle("playing", on);
    this.find("toggle").setAttribute("aria-label", on ? this.told.words.pause : this.told.words.play);
    this.find("play").toggleAttribute("hidden", on);
    this.find("pause").toggleAttribute("hidden", !on);
    if (!audio.error) this.find("time").textContent = `${clock(at)} / ${clock(this.seconds)}`;
    this.find("head").style.left = `${(100 * at) / this.seconds}%`;
    this.find("veil").style.width = `${Math.max(0, 100 - (100 * at) / this.seconds)}%`;
    this.stage.setAttribute("aria-valuenow", at.toFixed(1));
    this.stage.setAttribute("aria-valuetext", clock(at));
    this.moved(at, on);
    cancelAnimationFrame(this.next);
    if (on) this.next = requestAnimationFrame(() => this.tick());
  }

  paint() {
    if (!this.audio) return;
    const canvas = this.find("wave");
    const pen = paintWave(canvas, this.peaks);
    const x = (seconds) => Math.round((seconds / this.seconds) * canvas.width);
    pen.fillStyle = withAlpha(colour("muted"), 0.3);
    for (const word of this.words) pen.fillRect(x(word.start), 0, Math.max(1, devicePixelRatio), canvas.height);
    const region = this.find("region");
    region.hidden = !this.loop;
    if (!this.loop) return;
    region.style.left = `${(100 * this.loop.from) / this.seconds}%`;
    region.style.width = `${(100 * (this.loop.to - this.loop.from)) / this.seconds}%`;
  }
}
