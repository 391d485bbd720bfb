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

async function follow() {
  try {
    const answer = await fetch(`${element.dataset.url}?after=${figures.position}`);
    if (answer.status === 200) {
      figures = { ...(await answer.json()), words };
      paint();
    } else if (answer.status !== 204) {
      return;
    }
  } catch {
    // the site is away for a moment: ask again
  }
  if (figures.is_running) setTimeout(follow, EVERY);
}
if (figures.is_running) setTimeout(follow, EVERY);
