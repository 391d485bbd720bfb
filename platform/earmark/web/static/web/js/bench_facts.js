// What stands above a clip on a desk: which it is, why it was asked and is shown, why it came back.

import { slipTag } from "./bench_answers.js";

const filled = (words, told) => words.replace(/\{(\w+)\}/g, (_, name) => told[name]);

/** Why a clip was asked, in a line: the kind of choice, then what the strategy weighed. */
function whyOf({ reason, why }, told) {
  const named = Object.keys(told.why);
  const weighed = Object.entries(why)
    .filter(([name, value]) => value && name !== "cluster")
    .sort(([one], [other]) => named.indexOf(one) - named.indexOf(other));
  const amounts = weighed.map(([name, value]) => {
    const amount = typeof value === "number" ? Number(value.toPrecision(3)) : value;
    return `${told.why[name] ?? name.replaceAll("_", " ")} ${amount}`;
  });
  return [told.why[reason] ?? reason, ...amounts].join(" · ");
}

/** `address` is the clip's own page, for who may see there what others wrote. */
export function showFacts(find, told, sheet, address) {
  const { words } = told;
  const clip = find("clip-link");
  clip.textContent = `#${sheet.clip.id}`;
  if (address) clip.href = address;
  const length = filled(words.seconds, { n: sheet.clip.seconds.toFixed(1) });
  const about = [filled(words.round, { n: sheet.round }), sheet.clip.language, sheet.clip.dialect, length];
  find("about").textContent = about.filter(Boolean).join(" · ");
  const waits = find("waits");
  const [newest] = sheet.decisions ?? [];
  waits.textContent = newest && newest.kind !== "return" ? words.seen : (told.waits_for[sheet.waits_for] ?? "");
  waits.hidden = !waits.textContent;
  find("why").textContent = sheet.chosen ? whyOf(sheet.chosen, told) : "";
  find("own-slips")?.replaceChildren(...(sheet.slips ?? []).map(slipTag));
  const back = sheet.returned;
  find("returned").hidden = !back;
  if (!back) return;
  const reason = [told.reasons[back.code] ?? back.code, back.note].filter(Boolean).join(" · ");
  find("returned-told").textContent = filled(words.returned, { reason });
}
