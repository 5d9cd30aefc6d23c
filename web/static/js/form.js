// What makes a form quicker to fill in. Without it every field still works.
(() => {
  const byId = (id) => document.getElementById(id);

  document.addEventListener("input", ({ target }) => {
    if (target.dataset.pair) byId(target.dataset.pair).value = target.value;
    const pair = target.id && document.querySelector(`[data-pair="${target.id}"]`);
    if (pair && target.value !== "") pair.value = target.value;
    const count = target.id && document.querySelector(`[data-count="${target.id}"]`);
    if (count) {
      count.textContent = `${target.value.length} / ${target.dataset.most}`;
      count.classList.toggle("over", target.value.length > Number(target.dataset.most));
    }
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button, a");
    if (!button) return;
    const { dice, step, addTurn, keepWords } = button.dataset;
    if (dice) byId(dice).value = crypto.getRandomValues(new Uint32Array(1))[0];
    if (step) stepBy(byId(button.dataset.for), step);
    if (addTurn !== undefined) addTurnTo(button.previousElementSibling);
    if (keepWords !== undefined) keep(button);
  });

  function stepBy(input, direction) {
    if (direction === "up") input.stepUp(); else input.stepDown();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function addTurnTo(turns) {
    const last = turns.lastElementChild;
    const copy = last.cloneNode(true);
    for (const control of copy.querySelectorAll("[name]")) {
      control.name = control.name.replace(/\.(\d+)\./, (_, number) => `.${Number(number) + 1}.`);
      control.removeAttribute("id");
    }
    const role = copy.querySelector("select");
    role.value = last.querySelector("select").value === "user" ? "assistant" : "user";
    const words = copy.querySelector("textarea");
    words.value = "";
    turns.append(copy);
    words.focus();
  }

  // What was typed goes along when another kind is chosen.
  function keep(link) {
    const words = byId("f-prompt") || byId("f-text");
    if (!words?.value || words.value.length > 1500) return;
    const address = new URL(link.href);
    address.searchParams.set("prompt", words.value);
    address.searchParams.set("text", words.value);
    link.href = address;
  }

  // A form is sent once. The page may come back from the browser's memory, and then it may be sent again.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-once]")) return;
    if (event.target.hasAttribute("data-sent")) event.preventDefault();
    event.target.setAttribute("data-sent", "yes");
    for (const button of event.target.querySelectorAll("button:not([type])")) button.setAttribute("aria-busy", "true");
  });
  addEventListener("pageshow", (event) => {
    // Coming back is a new intent: the same words may be sent again, as another job.
    const back = event.persisted || performance.getEntriesByType("navigation")[0]?.type === "back_forward";
    for (const token of back ? document.querySelectorAll("input[name=token]") : []) {
      token.value = crypto.getRandomValues(new Uint32Array(4)).join("-");
    }
    for (const form of document.querySelectorAll("[data-sent]")) {
      form.removeAttribute("data-sent");
      for (const button of form.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
    }
  });

  // Only the first [autofocus] counts, and browsers leave it where a page is shown again: an error is always shown.
  document.querySelector("[role=alert][autofocus], [aria-invalid][autofocus]")?.focus();
})();
