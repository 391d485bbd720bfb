// The charts of the progress dashboard.

import { colour, count, data, draw, legend, look, percent, tip, withAlpha } from "./chart.js";

const { days, errors, words } = data("figures");
const at = (id) => document.getElementById(id);
const plain = { axisTick: { show: false } };

function errorOptions() {
  const style = look();
  const line = colour("series-1");
  return {
    grid: { left: 52, right: 16, top: 16, bottom: 46 },
    tooltip: {
      ...style.tooltip,
      trigger: "axis",
      formatter: ([first]) => {
        const one = errors[first.dataIndex];
        return tip(one.model, [
          [words.error_rate, percent(one.value)],
          [words.interval, `${percent(one.low)} – ${percent(one.high)}`],
          [words.test_clips, count(one.clips)],
          [words.snapshot, one.snapshot],
        ]);
      },
    },
    xAxis: {
      ...plain,
      type: "category",
      data: errors.map((one) => one.model),
      axisLine: style.axisLine,
      axisLabel: {
        ...style.text,
        lineHeight: 15,
        hideOverlap: true,
        formatter: (name, index) => `${name.length > 22 ? `${name.slice(0, 21)}…` : name}\n${errors[index].after}`,
      },
    },
    yAxis: {
      ...plain,
      type: "value",
      min: 0,
      axisLabel: { ...style.text, formatter: (value) => percent(value, 0) },
      splitLine: style.splitLine,
    },
    series: [
      {
        type: "line",
        data: errors.map((one) => one.low),
        stack: "interval",
        stackStrategy: "all",
        symbol: "none",
        lineStyle: { opacity: 0 },
        silent: true,
      },
      {
        type: "line",
        data: errors.map((one) => one.high - one.low),
        stack: "interval",
        stackStrategy: "all",
        symbol: "none",
        lineStyle: { opacity: 0 },
        areaStyle: { color: withAlpha(line, 0.16) },
        silent: true,
      },
      {
        type: "line",
        data: errors.map((one) => one.value),
        symbolSize: 8,
        symbol: "circle",
        lineStyle: { width: 2, color: line },
        itemStyle: { color: line },
        markLine: {
          silent: true,
          symbol: "none",
          label: { show: false },
          lineStyle: { color: line, type: "solid", width: 1.5, opacity: 0.5 },
          data: errors.map((one, index) => [{ coord: [index, one.low] }, { coord: [index, one.high] }]),
        },
        label: { show: errors.length <= 12, formatter: ({ value }) => percent(value), color: colour("text"), position: "right" },
      },
    ],
  };
}

function dayOptions() {
  const style = look();
  return {
    grid: { left: 40, right: 8, top: 34, bottom: 26 },
    legend: legend(days.people.map((one) => one.name), style),
    tooltip: {
      ...style.tooltip,
      trigger: "axis",
      formatter: (points) => {
        const lines = points.filter((one) => one.value).map((one) => [one.seriesName, count(one.value)]);
        const total = points.reduce((sum, one) => sum + one.value, 0);
        return tip(points[0].axisValue, [...lines, [words.total, count(total)]]);
      },
    },
    xAxis: {
      ...plain,
      type: "category",
      data: days.days,
      axisLine: style.axisLine,
      axisLabel: { ...style.text, formatter: (day) => day.slice(5) },
    },
    yAxis: { ...plain, type: "value", minInterval: 1, axisLabel: style.text, splitLine: style.splitLine },
    series: days.people.map((one, index) => ({
      name: one.name,
      type: "bar",
      stack: "day",
      data: one.clips,
      barMaxWidth: 28,
      itemStyle: { color: colour(`series-${(index % 6) + 1}`) },
    })),
  };
}

function histogramOptions(histogram) {
  const style = look();
  const edge = (bin) => (bin / histogram.length).toFixed(2);
  return {
    grid: { left: 48, right: 8, top: 12, bottom: 26 },
    tooltip: {
      ...style.tooltip,
      trigger: "axis",
      formatter: ([one]) =>
        tip(`${words.confidence} ${edge(one.dataIndex)}–${edge(one.dataIndex + 1)}`, [[words.clips, count(one.value)]]),
    },
    xAxis: {
      ...plain,
      type: "category",
      data: histogram.map((_, bin) => edge(bin)),
      axisLine: style.axisLine,
      axisLabel: { ...style.text, interval: 3 },
    },
    yAxis: { ...plain, type: "value", minInterval: 1, axisLabel: style.text, splitLine: style.splitLine },
    series: [
      {
        type: "bar",
        barCategoryGap: "12%",
        data: histogram.map((value, bin) => ({
          value,
          itemStyle: {
            color: colour(bin < histogram.length * 0.5 ? "bad" : bin < histogram.length * 0.8 ? "state-in-round" : "series-1"),
            borderRadius: [2, 2, 0, 0],
          },
        })),
      },
    ],
  };
}

function multipleOptions(one, highest) {
  const style = look();
  const line = colour("series-1");
  return {
    grid: { left: 36, right: 8, top: 8, bottom: 8 },
    tooltip: {
      ...style.tooltip,
      trigger: "axis",
      formatter: ([point]) =>
        tip(errors[point.dataIndex].model, [[words.error_rate, point.value == null ? "–" : percent(point.value)]]),
    },
    xAxis: { ...plain, type: "category", data: errors.map((each) => each.model), axisLabel: { show: false }, axisLine: style.axisLine },
    yAxis: {
      ...plain,
      type: "value",
      min: 0,
      max: highest,
      interval: highest / 2,
      axisLabel: { ...style.text, formatter: (value) => percent(value, 0) },
      splitLine: style.splitLine,
    },
    series: [
      {
        type: "line",
        data: one.values,
        symbolSize: 5,
        connectNulls: true,
        lineStyle: { width: 2, color: line },
        itemStyle: { color: line },
        areaStyle: { color: withAlpha(line, 0.1) },
      },
    ],
  };
}

if (at("errors")) draw(at("errors"), errorOptions);
if (at("days")) draw(at("days"), dayOptions);
if (at("multiples")) {
  const multiples = data("multiples");
  const most = Math.max(...multiples.flatMap((one) => one.values.map((value) => value ?? 0)));
  const highest = [0.02, 0.04, 0.06, 0.1, 0.2, 0.3].find((top) => top >= most) ?? Math.ceil(most * 5) / 5;
  for (const element of document.querySelectorAll("[data-multiple]")) {
    draw(element, () => multipleOptions(multiples[Number(element.dataset.multiple)], highest));
  }
}

if (at("confidence")) {
  const answer = await fetch(at("confidence").dataset.url);
  const { bins, source } = await answer.json();
  const heard = bins.some((clips) => clips > 0);
  at("confidence-source").textContent = source;
  at("confidence-drawn").hidden = !heard;
  at("confidence-empty").hidden = heard;
  at("confidence").replaceChildren();
  if (heard) draw(at("confidence"), () => histogramOptions(bins));
}
