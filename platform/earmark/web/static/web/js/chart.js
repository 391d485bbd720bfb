// What every chart shares: colours from the page's tokens, a plain look, tooltips made of elements (no inline styles).
/* global echarts */

const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);

/** The colour a token stands for now, light or dark. */
export function colour(token) {
  probe.style.color = `var(--${token})`;
  return getComputedStyle(probe).color;
}

export function withAlpha(rgb, alpha) {
  const numbers = rgb.match(/[\d.]+/g).slice(0, 3);
  return `rgba(${numbers.join(", ")}, ${alpha})`;
}

export const percent = (share, digits = 1) => `${(share * 100).toFixed(digits)}%`;

export const language = document.documentElement.lang;
export const count = (n) => new Intl.NumberFormat(language).format(n);

/** A tooltip from a title and `[name, value]` lines. */
export function tip(title, lines) {
  const box = document.createElement("div");
  box.className = "chart-tip";
  const head = document.createElement("b");
  head.textContent = title;
  box.append(head);
  for (const [name, value] of lines) {
    const line = document.createElement("span");
    const label = document.createElement("i");
    label.textContent = name;
    line.append(label, document.createTextNode(value));
    box.append(line);
  }
  return box;
}

/** Axis and tooltip settings in the page's colours. */
export function look() {
  const text = { color: colour("muted"), fontSize: 11 };
  return {
    text,
    tooltip: {
      confine: true,
      backgroundColor: colour("raised"),
      borderColor: colour("line"),
      padding: [8, 10],
      textStyle: { color: colour("text"), fontSize: 12 },
      extraCssText: "box-shadow: 0 8px 30px rgba(0,0,0,.16); border-radius: 8px;",
    },
    axisLine: { lineStyle: { color: colour("line-strong") } },
    splitLine: { lineStyle: { color: colour("line") } },
  };
}

export function legend(words, look) {
  return { data: words, top: 0, right: 0, itemWidth: 14, itemHeight: 8, icon: "roundRect", textStyle: look.text };
}

/** Draw `options()` into `element`, again when it is resized or the system changes between light and dark. */
export function draw(element, options) {
  const font = getComputedStyle(document.body).fontFamily;
  const chart = echarts.init(element, null, { renderer: "canvas" });
  const paint = () =>
    chart.setOption(
      { animationDuration: 300, textStyle: { fontFamily: font }, aria: { enabled: true }, ...options() },
      { notMerge: true },
    );
  paint();
  new ResizeObserver(() => chart.resize()).observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  return { chart, paint };
}

export const data = (id) => JSON.parse(document.getElementById(id).textContent);
