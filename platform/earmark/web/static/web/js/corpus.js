// The charts of the corpus page: bars of hours, each of which leads to the clips behind it.

import { colour, count, data, draw, language, look, tip } from "./chart.js";

const { charts, words } = data("figures");
const ROW = 24;

const hours = (value) => {
  const digits = value < 1 ? 2 : value < 100 ? 1 : 0;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value)} ${words.hours_short}`;
};

/** One series for each part of the chart; a bar without clips is left out. */
function series(chart) {
  return chart.parts.map((part) => ({
    name: part.name,
    type: "bar",
    stack: "all",
    barMaxWidth: chart.lies ? 14 : 44,
    cursor: "pointer",
    itemStyle: { color: colour(part.colour), borderRadius: 2 },
    emphasis: { itemStyle: { opacity: 0.75 } },
    data: chart.labels.map((label) => {
      const bar = chart.bars.find((one) => one.label === label && one.part === part.key);
      return bar?.clips ? { value: bar.hours, bar } : { value: null };
    }),
  }));
}

/** The hours of a whole bar, at its end. */
function totals(chart) {
  const sums = chart.labels.map((label) =>
    chart.bars.filter((one) => one.label === label).reduce((sum, one) => sum + one.hours, 0),
  );
  return {
    type: "bar",
    stack: "all",
    silent: true,
    tooltip: { show: false },
    data: sums.map(() => 0),
    itemStyle: { color: "transparent" },
    label: {
      show: true,
      position: chart.lies ? "right" : "top",
      color: colour("muted"),
      fontSize: 11,
      formatter: ({ dataIndex }) => (sums[dataIndex] >= 0.005 ? hours(sums[dataIndex]) : ""),
    },
  };
}

function options(chart) {
  const style = look();
  const names = {
    type: "category",
    data: chart.labels,
    inverse: chart.lies,
    axisTick: { show: false },
    axisLine: style.axisLine,
    axisLabel: { ...style.text, interval: 0, width: chart.lies ? 110 : 52, overflow: chart.lies ? "truncate" : "break" },
  };
  const amounts = {
    type: "value",
    axisLabel: { ...style.text, show: !chart.lies },
    splitLine: { ...style.splitLine, show: !chart.lies },
  };
  return {
    grid: chart.lies
      ? { left: 122, right: 64, top: 4, bottom: 4 }
      : { left: 44, right: 8, top: 22, bottom: 36 },
    tooltip: {
      ...style.tooltip,
      trigger: "item",
      formatter: ({ data: point, seriesName }) => {
        if (!point.bar) return "";
        const title = chart.parts.length > 1 ? `${point.bar.label} · ${seriesName}` : point.bar.label;
        return tip(title, [
          [words.hours, hours(point.bar.hours)],
          [words.clips, count(point.bar.clips)],
        ]);
      },
    },
    xAxis: chart.lies ? amounts : names,
    yAxis: chart.lies ? names : amounts,
    series: [...series(chart), totals(chart)],
  };
}

for (const element of document.querySelectorAll("[data-chart]")) {
  const one = charts.find((each) => each.key === element.dataset.chart);
  if (one.lies) element.style.height = `${ROW * Math.max(2, one.labels.length) + 12}px`;
  const { chart } = draw(element, () => options(one));
  chart.on("click", ({ data: point }) => {
    if (point?.bar?.url) location.assign(point.bar.url);
  });
}
