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
