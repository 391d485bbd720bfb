// Files dropped on a zone of the page: what was dropped, [relative path, File] of every file, those in folders too.

async function walk(entry, before, found) {
  const path = before + entry.name;
  if (entry.isFile) {
    found.push([path, await new Promise((give, refuse) => entry.file(give, refuse))]);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((give, refuse) => reader.readEntries(give, refuse));
    if (some.length === 0) return;
    for (const one of some) await walk(one, `${path}/`, found);
  }
}

export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return [...transfer.files].map((file) => [file.name, file]);
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

/** Call `take(transfer)` with what is dropped on `zone`, which shows that it would take it. */
export function acceptDrops(zone, take) {
  const over = (event, on) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    zone.classList.toggle("is-over", on);
  };
  addEventListener("dragover", (event) => over(event, zone.contains(event.target)));
  zone.addEventListener("dragleave", (event) => over(event, false));
  addEventListener("drop", (event) => {
    over(event, false);
    if (event.dataTransfer && zone.contains(event.target)) take(event.dataTransfer);
  });
}
