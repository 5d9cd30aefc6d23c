// The gallery: rows in true aspect, stars in place, the selection's count, arrow keys, the slider of two pictures.
(() => {
  const tiles = () => [...document.querySelectorAll("[data-grid] [data-row]")];

  // The policy of the site forbids styles in the page, not those that a script sets on what is drawn.
  function lay() {
    for (const tile of document.querySelectorAll("[data-ratio]")) tile.style.setProperty("--ratio", tile.dataset.ratio);
    count();
  }

  function count() {
    const shown = document.querySelector("[data-selected]");
    if (shown) shown.textContent = document.querySelectorAll("[name=pick]:checked").length;
  }

  let before = null;
  lay();
  document.addEventListener("htmx:after:swap", () => {
    lay();
    if (before === null || tiles().length <= before) return;
    // The button that brought more is gone; go on at the first of what it brought.
    tiles()[before].focus({ preventScroll: true });
    before = null;
  });

  document.addEventListener("change", ({ target }) => { if (target.name === "pick") count(); });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-star]");
    if (button) {
      event.preventDefault();
      star(button);
    }
    if (event.target.closest("[data-more]")) before = tiles().length;
    if (event.target.closest("[data-clear-selection]")) {
      for (const box of document.querySelectorAll("[name=pick]:checked")) box.checked = false;
      count();
    }
  });

  async function star(button) {
    const sent = new URLSearchParams({ csrf_token: button.form.elements.csrf_token.value, starred: button.value });
    const answer = await fetch(button.formAction, { method: "POST", body: sent, headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok) return button.form.requestSubmit(button);
    const focused = document.activeElement === button;
    const { id } = button;
    button.outerHTML = await answer.text();
    if (focused) document.getElementById(id).focus();
  }

  // Arrow keys go by what is seen: across a row, and to the nearest picture of the row above or below.
  document.addEventListener("keydown", (event) => {
    const tile = event.target.closest?.("[data-grid] .shot");
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!tile || !way || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const all = tiles();
    const at = all.indexOf(tile.querySelector("[data-row]"));
    const next = way[0] ? all[at + way[0]] : beside(all, all[at], way[1]);
    next?.focus();
  });

  function beside(all, from, way) {
    const middle = (each) => { const box = each.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; };
    const [x, y] = middle(from);
    const far = from.getBoundingClientRect().height / 2;
    let best = null;
    let least = Infinity;
    for (const each of all) {
      const [left, top] = middle(each);
      const down = (top - y) * way;
      // A row further away counts much more than a picture that is not quite above.
      const distance = down * 1000 + Math.abs(left - x);
      if (down > far && distance < least) [best, least] = [each, distance];
    }
    return best;
  }

  document.addEventListener("input", ({ target }) => {
    if (target.matches("[data-slide]")) document.querySelector("[data-slider]").style.setProperty("--at", `${target.value}%`);
  });
})();
