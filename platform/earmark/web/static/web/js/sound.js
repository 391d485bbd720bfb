// <clip-sound>: waveform and spectrogram of a clip with a playhead; without this script the browser's player stays.

import { colour } from "./chart.js";
import { paintWave, sized } from "./wave.js";

const STEP = 1;
const FINE = 0.1;
const MEL = (hertz) => Math.log10(1 + hertz / 700);
const TOP = 8000;

/** Colours of the spectrogram from nothing to loud, light and dark. */
const STOPS = {
  light: [[255, 255, 255], [226, 240, 236], [142, 200, 188], [39, 128, 122], [17, 67, 84], [12, 24, 40]],
  dark: [[18, 20, 20], [20, 44, 46], [20, 88, 88], [54, 158, 142], [168, 220, 158], [255, 246, 200]],
};

function palette(stops) {
  const table = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i += 1) {
    const at = (i / 255) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c += 1) table[3 * i + c] = stops[low][c] + (at - low) * (stops[low + 1][c] - stops[low][c]);
  }
  return table;
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

class ClipSound extends HTMLElement {
  connectedCallback() {
    this.find = (name) => this.querySelector(`[data-part="${name}"]`);
    this.audio = this.querySelector("audio");
    this.seconds = Number(this.dataset.seconds);
    this.stage = this.find("stage");
    this.audio.removeAttribute("controls");
    this.audio.preload = "auto";
    this.audio.addEventListener("error", () => this.fail());
    for (const event of ["play", "pause", "ended", "seeked", "loadedmetadata"]) this.audio.addEventListener(event, () => this.tick());
    this.find("toggle").addEventListener("click", () => this.toggle());
    this.find("speed").addEventListener("change", (event) => (this.audio.playbackRate = Number(event.target.value)));
    this.find("repeat").addEventListener("change", (event) => (this.audio.loop = event.target.checked));
    this.stage.addEventListener("pointerdown", (event) => this.grab(event));
    this.stage.addEventListener("pointermove", (event) => this.hover(event));
    this.stage.addEventListener("pointerleave", () => (this.find("cursor").hidden = true));
    document.addEventListener("keydown", (event) => this.key(event));
    dark.addEventListener("change", () => this.paint());
    new ResizeObserver(() => this.paint()).observe(this.stage);
    this.classList.add("ready");
    this.load();
    this.tick();
  }

  async load() {
    const [peaks] = await Promise.all([fetch(this.dataset.peaks).then((answer) => (answer.ok ? answer.json() : null)), this.loadPicture()]);
    this.peaks = peaks;
    if (!peaks) this.fail();
    this.paint();
  }

  async loadPicture() {
    const picture = this.find("picture");
    try {
      await picture.decode();
    } catch {
      return;
    }
    const sheet = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight).getContext("2d", { willReadFrequently: true });
    sheet.drawImage(picture, 0, 0);
    this.cells = sheet.getImageData(0, 0, picture.naturalWidth, picture.naturalHeight);
    picture.hidden = true;
  }

  fail() {
    this.classList.add("broken");
    this.find("time").textContent = this.dataset.broken;
  }

  // --- playing
  toggle() {
    if (this.audio.paused) this.audio.play().catch((reason) => reason.name !== "AbortError" && this.fail());
    else this.audio.pause();
  }

  seek(seconds) {
    this.audio.currentTime = Math.min(this.seconds - 0.01, Math.max(0, seconds));
    this.tick();
  }

  at(event) {
    const box = this.stage.getBoundingClientRect();
    return (Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * this.seconds) || 0;
  }

  grab(event) {
    if (event.button !== 0) return;
    this.stage.setPointerCapture(event.pointerId);
    this.seek(this.at(event));
  }

  hover(event) {
    if (event.buttons & 1 && this.stage.hasPointerCapture(event.pointerId)) this.seek(this.at(event));
    const cursor = this.find("cursor");
    cursor.hidden = event.pointerType === "touch";
    cursor.dataset.at = clock(this.at(event));
    cursor.style.left = `${(100 * this.at(event)) / this.seconds}%`;
    cursor.classList.toggle("is-late", this.at(event) > 0.8 * this.seconds);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    const step = event.shiftKey ? FINE : STEP;
    if (event.key === " " && !event.target.closest("button, a, summary")) this.toggle();
    else if (event.key === "ArrowLeft") this.seek(this.audio.currentTime - step);
    else if (event.key === "ArrowRight") this.seek(this.audio.currentTime + step);
    else if (event.key === "Home" && event.target === this.stage) this.seek(0);
    else if (event.key === "End" && event.target === this.stage) this.seek(this.seconds);
    else if (event.key === "j") return void document.querySelector("a[rel=next]")?.click();
    else if (event.key === "k") return void document.querySelector("a[rel=prev]")?.click();
    else return;
    event.preventDefault();
  }

  tick() {
    const on = !this.audio.paused && !this.audio.ended;
    const at = this.audio.ended ? this.seconds : this.audio.currentTime;
    this.classList.toggle("playing", on);
    this.find("toggle").setAttribute("aria-label", on ? this.dataset.pause : this.dataset.play);
    this.find("play").toggleAttribute("hidden", on);
    this.find("pause").toggleAttribute("hidden", !on);
    if (!this.classList.contains("broken")) this.find("time").textContent = `${clock(at)} / ${clock(this.seconds)}`;
    this.find("head").style.left = `${(100 * at) / this.seconds}%`;
    this.find("veil").style.width = `${Math.max(0, 100 - (100 * at) / this.seconds)}%`;
    this.stage.setAttribute("aria-valuenow", at.toFixed(1));
    this.stage.setAttribute("aria-valuetext", clock(at));
    if (on) requestAnimationFrame(() => this.tick());
  }

  // --- drawing
  paint() {
    cancelAnimationFrame(this.due);
    this.due = requestAnimationFrame(() => {
      paintWave(this.find("wave"), this.peaks);
      this.paintSpectrogram();
    });
  }

  paintSpectrogram() {
    if (!this.cells) return;
    const canvas = this.find("spectrogram");
    const table = palette(STOPS[dark.matches ? "dark" : "light"]);
    const { width, height, data } = this.cells;
    const drawn = new ImageData(width, height);
    for (let i = 0; i < width * height; i += 1) {
      const shade = 3 * data[4 * i];
      drawn.data.set([table[shade], table[shade + 1], table[shade + 2], 255], 4 * i);
    }
    const sheet = new OffscreenCanvas(width, height);
    sheet.getContext("2d").putImageData(drawn, 0, 0);
    const pen = sized(canvas);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(sheet, 0, 0, canvas.width, canvas.height);
    const bandwidth = Number(this.dataset.bandwidth);
    if (bandwidth > 0 && bandwidth < TOP - 300) {
      pen.strokeStyle = colour("warn");
      pen.lineWidth = devicePixelRatio;
      pen.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
      const y = Math.round(canvas.height * (1 - MEL(bandwidth) / MEL(TOP))) + 0.5;
      pen.beginPath();
      pen.moveTo(0, y);
      pen.lineTo(canvas.width, y);
      pen.stroke();
    }
    for (const mark of this.querySelectorAll("[data-hertz]")) {
      mark.style.top = `${100 * (1 - MEL(Number(mark.dataset.hertz)) / MEL(TOP))}%`;
    }
  }
}

customElements.define("clip-sound", ClipSound);
