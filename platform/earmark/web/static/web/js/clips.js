// Clips: the shading of doubtful words can be put away and stays so; j and k walk through the clips.

const KEY = "earmark.show-doubt";

function shade() {
  const on = localStorage.getItem(KEY) !== "no";
  document.body.classList.toggle("show-doubt", on);
  for (const box of document.querySelectorAll("#show-doubt")) box.checked = on;
}
document.addEventListener("change", (event) => {
  if (event.target.id !== "show-doubt") return;
  localStorage.setItem(KEY, event.target.checked ? "yes" : "no");
  shade();
});
shade();

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const rows = [...document.querySelectorAll("table.clips tbody tr")];
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  if (event.key === "j" || event.key === "k") {
    const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))];
    const button = next?.querySelector(".play");
    button?.focus();
    button?.scrollIntoView({ block: "nearest" });
  } else if (event.key === "Enter" && at >= 0 && event.target.matches(".play")) {
    event.preventDefault();
    rows[at].querySelector(".row-link").click();
  }
});
