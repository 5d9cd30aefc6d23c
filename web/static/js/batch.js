// Counts the jobs that varied settings make, as one types. Without it a button asks the server.
(() => {
  const made = document.querySelector("[data-made]");
  if (!made) return;
  const form = made.closest("form");

  function count() {
    const lengths = [...form.querySelectorAll("[data-vary]")]
      .map((area) => area.value.split("\n").filter((line) => line.trim()).length)
      .filter((length) => length);
    if (!lengths.length) return 0;
    if (new FormData(form).get("batch.mode") === "product") return lengths.reduce((all, each) => all * each, 1);
    return new Set(lengths).size === 1 ? lengths[0] : null;
  }

  function show() {
    const number = count();
    made.textContent = number === null ? "–" : number.toLocaleString(document.documentElement.lang);
  }

  form.addEventListener("input", show);
  // A browser may bring back what was typed before.
  addEventListener("pageshow", show);
})();

// Shows the cell that is picked beside the grid, without leaving the place. Without it the link loads the page anew.
(() => {
  document.addEventListener("click", async (event) => {
    const cell = event.target.closest("[data-pick]");
    if (!cell || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const page = new URL(cell.href);
    const part = new URL(page);
    part.pathname += "/part";
    part.hash = "";
    const answer = await fetch(part, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok) {
      location.href = page;
      return;
    }
    page.hash = "";
    history.replaceState(null, "", page);
    const place = document.getElementById("batch");
    await htmx.swap({ target: place, text: await answer.text(), swap: "innerMorph", sourceElement: place });
    document.getElementById("selected").scrollIntoView({ block: "nearest" });
  });
})();
