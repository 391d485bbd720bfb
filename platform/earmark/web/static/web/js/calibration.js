// What a calibration's probabilities are worth: told against true, and the risk of accepting.

import { colour, count, data, draw, legend, look, percent, tip } from "./chart.js";

const at = (id) => document.getElementById(id);
const { reliability, risk, words } = at("calibration") ? data("calibration") : {};
const share = (style) => ({
  type: "value",
  min: 0,
  max: 1,
  axisTick: { show: false },
  axisLine: style.axisLine,
  splitLine: style.splitLine,
  axisLabel: { ...style.text, formatter: (value) => percent(value, 0) },
});
const named = (style, name) => ({ ...share(style), name, nameLocation: "middle", nameGap: 28, nameTextStyle: style.text });

function reliabilityOptions() {
  const style = look();
  const most = Math.max(...reliability.map((bin) => bin.clips));
  return {
    grid: { left: 52, right: 16, top: 16, bottom: 46 },
    tooltip: {
      ...style.tooltip,
      trigger: "item",
      formatter: ({ dataIndex }) => {
        const bin = reliability[dataIndex];
        return tip(`${words.probability} ${percent(bin.probability)}`, [
          [words.right, percent(bin.right)],
          [words.clips, count(bin.clips)],
        ]);
      },
    },
    xAxis: { ...named(style, words.probability), splitLine: { show: false } },
    yAxis: { ...share(style) },
    series: [
      {
        type: "line",
        data: reliability.map((bin) => [bin.probability, bin.right]),
        symbol: "circle",
        symbolSize: (_, { dataIndex }) => 6 + 4 * (reliability[dataIndex].clips / most),
        lineStyle: { width: 2, color: colour("series-1") },
        itemStyle: { color: colour("series-1") },
        markLine: {
          silent: true,
          symbol: "none",
          lineStyle: { color: colour("muted"), type: "dashed" },
          label: { formatter: words.perfect, color: colour("muted"), position: "insideMiddleTop" },
          data: [[{ coord: [0, 0] }, { coord: [1, 1] }]],
        },
      },
    ],
  };
}

function riskOptions() {
  const style = look();
  const shown = ["calibrated", "max_probability"].filter((name) => risk[name]);
  const highest = Math.max(...shown.flatMap((name) => risk[name].map(([, wrong]) => wrong)));
  return {
    grid: { left: 52, right: 16, top: 34, bottom: 46 },
    legend: legend(shown.map((name) => words[name]), style),
    tooltip: {
      ...style.tooltip,
      trigger: "axis",
      formatter: (points) =>
        tip(
          `${words.coverage} ${percent(points[0].value[0], 0)}`,
          points.map((one) => [one.seriesName, `${words.risk} ${percent(one.value[1])}`]),
        ),
    },
    xAxis: { ...named(style, words.coverage), splitLine: { show: false } },
    yAxis: { ...share(style), max: Math.min(1, Math.ceil(highest * 10) / 10 || 0.1) },
    series: shown.map((name, index) => ({
      name: words[name],
      type: "line",
      data: risk[name],
      symbol: "none",
      lineStyle: { width: 2, color: colour(`series-${index + 1}`), type: index ? "dashed" : "solid" },
      itemStyle: { color: colour(`series-${index + 1}`) },
    })),
  };
}

if (at("reliability")) draw(at("reliability"), reliabilityOptions);
if (at("risk")) draw(at("risk"), riskOptions);

// When the job that the page watches has ended, there is something new to draw.
document.body.addEventListener("htmx:afterSwap", () => {
  if (!at("live").hasAttribute("hx-get")) window.location.reload();
});
