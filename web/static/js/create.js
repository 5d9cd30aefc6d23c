// Asks anew what the form has to expect, and how it reads as an API call, when it changes. htmx does the asking.
(() => {
  const form = document.getElementById("create-form");
  if (!form) return;
  const call = document.getElementById("api-call");
  const ask = (id, name) => document.getElementById(id).dispatchEvent(new CustomEvent(name));

  const typed = () => { if (call.open) ask("api-call-body", "typed"); };
  form.addEventListener("input", typed);
  // Of a search: what it would try.
  if (document.getElementById("space")) form.addEventListener("input", () => ask("space", "typed"));
  // Also what buttons change, such as a drawn seed or one more turn.
  form.addEventListener("click", ({ target }) => { if (target.closest("[data-dice], [data-step], [data-add-turn]")) typed(); });
  call.addEventListener("toggle", typed);
  // Of a training everything else too; the name of its model says nothing. (form.dataset would be the field of that name.)
  const counts = ({ name }) => name === "model" || (form.hasAttribute("data-trains") && name !== "name");
  form.addEventListener("change", ({ target }) => { if (counts(target)) ask("estimate", "expect"); });
  // A browser may bring back what was typed before.
  addEventListener("pageshow", typed);
})();
