// The live plot of a training: loss and error rate by step, stages as bands, labelling passes as lines.

import { colour, count, data, draw, legend, look, percent, tip, withAlpha } from "./chart.js";

const EVERY = 2000;
const element = document.getElementById("curves");
let figures = data("curves-data");
const { words } = figures;
const LOSSES = [
  ["loss", "series-1"],
  ["pseudo_loss", "series-3"],
  ["consistency_loss", "series-4"],
];

function bands() {
  const shades = ["line", "accent-line"];
  return figures.stages.map(([name, first, last], index) => [
    {
      name,
      xAxis: first,
      itemStyle: { color: withAlpha(colour(shades[index % 2]), 0.18) },
      label: { position: "insideTop", color: colour("muted"), fontSize: 11 },
    },
    { xAxis: last },
  ]);
}

function passes() {
  return figures.passes.map(([step, accepted, heard]) => ({
    xAxis: step,
    label: { formatter: `${count(accepted)} / ${count(heard)}`, color: colour("muted"), fontSize: 10 },
    name: `${count(accepted)} ${words.of} ${count(heard)} ${words.accepted}`,
  }));
}

function options() {
  const style = look();
  const shown = LOSSES.filter(([name]) => figures.losses[name].length);
  const axis = { axisLabel: { ...style.text, hideOverlap: true }, axisLine: style.axisLine, axisTick: { show: false } };
  return {
    grid: { left: 48, right: 52, top: element.clientWidth < 640 ? 72 : 40, bottom: 32 },
    legend: { ...legend([...shown.map(([name]) => words[name]), words.error_rate], style), left: 0, right: "auto" },
    tooltip: {
      ...style.tooltip,
      trigger: "axis",
      formatter: (points) =>
        tip(
          `${words.step} ${count(Math.round(points[0].axisValue))}`,
          points.map((one) => [
            one.seriesName,
            one.seriesId === "error_rate" ? percent(one.value[1]) : one.value[1].toPrecision(3),
          ]),
        ),
    },
    xAxis: { ...axis, type: "value", min: 0, max: figures.steps_total || "dataMax", splitLine: { show: false } },
    yAxis: [
      { ...axis, type: "value", min: 0, splitLine: style.splitLine, axisLine: { show: false } },
      {
        ...axis,
        type: "value",
        min: 0,
        splitLine: { show: false },
        axisLine: { show: false },
        axisLabel: { ...style.text, formatter: (value) => percent(value, 0) },
      },
    ],
    series: [
      ...shown.map(([name, token], index) => ({
        id: name,
        name: words[name],
        type: "line",
        data: figures.losses[name],
        showSymbol: false,
        lineStyle: { width: 1.6, color: colour(token) },
        itemStyle: { color: colour(token) },
        markArea: index ? undefined : { silent: true, data: bands() },
        markLine: index
          ? undefined
          : { symbol: "none", lineStyle: { color: colour("line-strong"), type: "dashed" }, data: passes() },
      })),
      {
        id: "error_rate",
        name: words.error_rate,
        type: "line",
        yAxisIndex: 1,
        data: figures.error_rate,
        symbolSize: 6,
        lineStyle: { width: 2, color: colour("series-2") },
        itemStyle: { color: colour("series-2") },
      },
    ],
  };
}

const { paint } = draw(element, options);

// --- the other figures, each by itself, as soon as the trainer reports them
const FIGURES = { variance_ratio: 1, learning_rate: 1, gradient_norm: 1, samples_per_second: 1, gpu_bytes: 1e9 };
const small = document.getElementById("figures");
const painted = new Map();

function figureOptions(name) {
  const style = look();
  const points = figures.figures[name].map(([step, value]) => [step, value / FIGURES[name]]);
  const axis = { axisLabel: { ...style.text, hideOverlap: true }, axisTick: { show: false }, type: "value" };
  return {
    grid: { left: 52, right: 12, top: 10, bottom: 24 },
    tooltip: {
      ...style.tooltip,
      trigger: "axis",
      formatter: ([one]) => tip(`${words.step} ${count(Math.round(one.axisValue))}`, [[words[name], one.value[1].toPrecision(3)]]),
    },
    xAxis: { ...axis, min: 0, max: figures.steps_total || "dataMax", axisLine: style.axisLine, splitLine: { show: false } },
    yAxis: { ...axis, min: 0, splitNumber: 3, axisLine: { show: false }, splitLine: style.splitLine },
    series: [{ type: "line", data: points, showSymbol: false, lineStyle: { width: 1.6, color: colour("series-1") }, itemStyle: { color: colour("series-1") } }],
  };
}

function paintFigures() {
  for (const name of Object.keys(FIGURES)) {
    const points = figures.figures[name];
    if (!points?.length) continue;
    if (!painted.has(name)) {
      const box = document.createElement("section");
      box.className = "multiple";
      const head = document.createElement("h3");
      head.append(words[name], document.createElement("span"));
      const chart = document.createElement("div");
      chart.className = "chart low";
      chart.setAttribute("role", "img");
      chart.setAttribute("aria-label", words[name]);
      box.append(head, chart);
      small.append(box);
      painted.set(name, { head, chart: draw(chart, () => figureOptions(name)) });
    }
    const { head, chart } = painted.get(name);
    head.lastChild.textContent = (points.at(-1)[1] / FIGURES[name]).toPrecision(3);
    chart.paint();
  }
}
paintFigures();

async function follow() {
  try {
    const answer = await fetch(`${element.dataset.url}?after=${figures.position}`);
    if (answer.status === 200) {
      figures = { ...(await answer.json()), words };
      paint();
      paintFigures();
    } else if (answer.status !== 204) {
      return;
    }
  } catch {
    // the site is away for a moment: ask again
  }
  if (figures.is_running) setTimeout(follow, EVERY);
}
if (figures.is_running) setTimeout(follow, EVERY);
