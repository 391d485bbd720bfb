// What was dropped: [relative path, File] of every file, those in folders too.

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
