// Records from the microphone and shows how loud it is.

import { colour } from "./chart.js";

const KINDS = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];
const BARS_A_SECOND = 16;
const QUIETEST_DB = -60;
const SILENT_DB = -58;

/** 0 for silence to 1 for the loudest, of samples in -1..1. */
export function levelOf(samples) {
  const power = samples.reduce((sum, value) => sum + value * value, 0) / samples.length;
  const decibels = power > 0 ? 10 * Math.log10(power) : -120;
  return { share: Math.min(1, Math.max(0, 1 - decibels / QUIETEST_DB)), isSilent: decibels < SILENT_DB };
}

/** Why the microphone cannot be had, as a key of the page's words. */
export function refusal(error) {
  if (error.name === "NotAllowedError" || error.name === "SecurityError") return "denied";
  return error.name === "NotFoundError" || error.name === "OverconstrainedError" ? "no_microphone" : "broken_microphone";
}

export class Microphone {
  constructor(canvas) {
    this.canvas = canvas;
    this.levels = [];
  }

  /** Begin; `tick(seconds, isSilent)` comes with every bar. Rejects with the browser's reason. */
  async start(tick) {
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    this.recorder = new MediaRecorder(this.stream, { mimeType: KINDS.find((kind) => MediaRecorder.isTypeSupported(kind)) });
    this.pieces = [];
    this.recorder.addEventListener("dataavailable", (event) => this.pieces.push(event.data));
    this.context = new AudioContext();
    const ear = this.context.createAnalyser();
    ear.fftSize = 2048;
    this.context.createMediaStreamSource(this.stream).connect(ear);
    const samples = new Float32Array(ear.fftSize);
    this.levels = [];
    this.heardAnything = false;
    this.recorder.start(1000);
    this.began = performance.now();
    this.timer = setInterval(() => {
      ear.getFloatTimeDomainData(samples);
      const { share, isSilent } = levelOf(samples);
      this.heardAnything ||= !isSilent;
      this.levels.push(share);
      this.draw();
      tick((performance.now() - this.began) / 1000, !this.heardAnything);
    }, 1000 / BARS_A_SECOND);
  }

  /** End; resolves with what was recorded, as a Blob. */
  async stop() {
    clearInterval(this.timer);
    const stopped = new Promise((resolve) => this.recorder.addEventListener("stop", resolve, { once: true }));
    if (this.recorder.state !== "inactive") {
      this.recorder.stop();
      await stopped;
    }
    for (const track of this.stream.getTracks()) track.stop();
    await this.context.close();
    return new Blob(this.pieces, { type: this.recorder.mimeType.split(";")[0] });
  }

  clear() {
    this.levels = [];
    this.draw();
  }

  draw() {
    const { width, height } = this.canvas.getBoundingClientRect();
    this.canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
    this.canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
    const pen = this.canvas.getContext("2d");
    const step = 5 * devicePixelRatio;
    const shown = Math.floor(this.canvas.width / step);
    const middle = this.canvas.height / 2;
    const heights = this.levels.slice(-shown);
    for (let i = 0; i < shown; i += 1) {
      const level = heights[i - (shown - heights.length)];
      const half = Math.max(devicePixelRatio, (level ?? 0) * middle * 0.92);
      pen.fillStyle = colour(level === undefined ? "line-strong" : "accent");
      pen.fillRect(i * step, middle - half, 3 * devicePixelRatio, 2 * half);
    }
  }
}
