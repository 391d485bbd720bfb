// The launch form: each setting left empty shows what the chosen recipe has.

import { data } from "./chart.js";

const defaults = data("recipe-defaults");
const form = document.getElementById("launch-form");

function show() {
  const chosen = defaults[form.elements.recipe.value];
  for (const field of form.querySelectorAll("[data-setting]")) {
    if (chosen) field.placeholder = String(chosen[field.dataset.setting]);
  }
}

form.addEventListener("change", show);
show();
