// Reads cron back as one types, and begins with the zone of the reader's own clock.
(() => {
  const form = document.querySelector("[data-preview]");
  if (!form) return;
  const place = document.getElementById("preview");
  let waiting;
  let asked = 0;

  async function show() {
    const mine = ++asked;
    const fields = [...new FormData(form)].filter(([name, value]) => name.startsWith("s-") && value.length < 300);
    const address = `${form.dataset.preview}?${new URLSearchParams(fields)}`;
    const answer = await fetch(address, { headers: { "HX-Request": "true" } }).catch(() => null);
    // An answer that a later one has overtaken is of no use.
    if (!answer?.ok || mine !== asked) return;
    await htmx.swap({ target: place, text: await answer.text(), swap: "innerMorph", sourceElement: place });
  }

  form.addEventListener("input", ({ target }) => {
    if (!target.name?.startsWith("s-")) return;
    clearTimeout(waiting);
    waiting = setTimeout(show, 250);
  });

  const zone = form.querySelector("[data-guess-zone]");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && own && own !== zone.value) {
    zone.value = own;
    show();
  }
})();

// A question below its button: its first field is ready to type in, Escape and a click elsewhere put it away.
(() => {
  const open = () => document.querySelectorAll(".asks[open]");
  document.addEventListener("toggle", ({ target }) => {
    if (target.matches?.(".asks[open]")) target.querySelector("form .input")?.focus();
  }, true);
  document.addEventListener("click", ({ target }) => {
    for (const each of open()) if (!each.contains(target)) each.open = false;
  });
  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    for (const each of open()) {
      each.open = false;
      each.querySelector("summary").focus();
    }
  });
})();
