// The frame: the menu on small screens, closing of open menus, and a question before what cannot be undone.

const button = document.getElementById("menu-button");
button?.addEventListener("click", () => {
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
});

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}
document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector("details.menu[open]");
  if (open) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});

// --- a form with data-confirm asks first
const dialog = document.getElementById("confirm");
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!dialog || !form.dataset?.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  const submitter = form.querySelector("button");
  dialog.querySelector("#confirm-title").textContent = form.dataset.confirm;
  dialog.querySelector("#confirm-text").textContent = form.dataset.confirmText ?? "";
  dialog.querySelector("#confirm-yes").textContent = submitter?.textContent.trim() ?? "";
  dialog.returnValue = "no";
  dialog.addEventListener(
    "close",
    () => {
      if (dialog.returnValue !== "yes") return;
      form.dataset.confirmed = "yes";
      form.requestSubmit();
    },
    { once: true },
  );
  dialog.showModal();
});

// --- a live part is not replaced under an open question
document.addEventListener("htmx:beforeSwap", (event) => {
  if (dialog?.open) event.detail.shouldSwap = false;
});
