// The envelope of a clip as a waveform: one bar a pixel, red where the recorder was set too high.

import { colour, withAlpha } from "./chart.js";

/** A pen on `canvas`, which is made as fine as the screen. */
export function sized(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
  canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
  return canvas.getContext("2d");
}

/** Draw `peaks`, the JSON of audiowaveform, over the whole canvas; a line where there are none yet. */
export function paintWave(canvas, peaks) {
  const pen = sized(canvas);
  const { width, height } = canvas;
  const middle = height / 2;
  pen.fillStyle = withAlpha(colour("faint"), 0.35);
  pen.fillRect(0, Math.round(middle), width, 1);
  if (!peaks) return pen;
  const { data, length } = peaks;
  const loudest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  const scale = (0.94 * middle) / Math.max(loudest, 24);
  const [plain, bad] = [colour("accent"), colour("bad")];
  for (let x = 0; x < width; x += 1) {
    const first = Math.floor((x * length) / width);
    const last = Math.max(first + 1, Math.ceil(((x + 1) * length) / width));
    let [low, high] = [127, -128];
    for (let i = first; i < Math.min(last, length); i += 1) {
      low = Math.min(low, data[2 * i]);
      high = Math.max(high, data[2 * i + 1]);
    }
    pen.fillStyle = low <= -127 || high >= 127 ? bad : plain;
    pen.fillRect(x, middle - high * scale, 1, Math.max(devicePixelRatio, (high - low) * scale));
  }
  return pen;
}
