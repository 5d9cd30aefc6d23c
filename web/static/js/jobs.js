// Ticks all jobs of the page at once, and keeps what is ticked while the list is drawn anew. Each box works without it.
(() => {
  const list = document.getElementById("list");
  const boxes = () => [...document.querySelectorAll("input[name=pick][form=bulk]")];
  if (!list || !document.querySelector("[data-tick-all]")) return;
  const ticked = new Set();

  function show() {
    for (const box of boxes()) box.checked = ticked.has(box.value);
    const all = document.querySelector("[data-tick-all]");
    if (!all) return;
    const count = boxes().filter((box) => box.checked).length;
    all.checked = count > 0 && count === boxes().length;
    all.indeterminate = count > 0 && count < boxes().length;
  }

  function read() {
    ticked.clear();
    for (const box of boxes()) if (box.checked) ticked.add(box.value);
    show();
  }

  list.addEventListener("change", ({ target }) => {
    if (target.matches("[data-tick-all]")) for (const box of boxes()) box.checked = target.checked;
    if (target.matches(".tick")) read();
  });
  document.addEventListener("htmx:after:swap", () => {
    // A job that has left the page is not chosen any more.
    const here = new Set(boxes().map((box) => box.value));
    for (const id of ticked) if (!here.has(id)) ticked.delete(id);
    show();
  });
  read();
})();
