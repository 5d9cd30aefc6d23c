// Theme, dialogs, copying, keys. The words are the server's; nothing here writes text of its own.
(() => {
  const root = document.documentElement;
  const find = (selector) => document.querySelector(selector);

  function onClick(selector, act) {
    document.addEventListener("click", (event) => {
      const target = event.target.closest(selector);
      if (target) act(target, event);
    });
  }

  onClick("[data-theme-toggle]", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
  });

  onClick("[data-dialog]", (button) => document.getElementById(button.dataset.dialog).showModal());

  onClick("[data-copy]", async (button) => {
    await copy(document.getElementById(button.dataset.copy).textContent.trim());
    const label = button.querySelector("span");
    const before = label.textContent;
    if (before === button.dataset.copied) return;
    // A name that differs from what is seen would mislead whoever speaks to the page.
    const name = button.getAttribute("aria-label");
    button.removeAttribute("aria-label");
    label.textContent = button.dataset.copied;
    setTimeout(() => {
      label.textContent = before;
      if (name) button.setAttribute("aria-label", name);
    }, 1500);
  });

  async function copy(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    // Without HTTPS there is no clipboard object; the old way still works.
    const area = document.body.appendChild(Object.assign(document.createElement("textarea"), { value: text }));
    area.select();
    document.execCommand("copy");
    area.remove();
  }

  // Keeps the offline page at hand. Browsers allow it over HTTPS and on the machine itself.
  navigator.serviceWorker?.register("/worker.js").catch(() => {});

  // Single letters can be switched off (WCAG 2.1.4): speech input may say them by accident.
  const keysSwitch = find("[data-keys-switch]");
  const remembered = () => { try { return localStorage.getItem("keys") !== "off"; } catch { return true; } };
  if (keysSwitch) {
    keysSwitch.checked = remembered();
    keysSwitch.addEventListener("change", () => localStorage.setItem("keys", keysSwitch.checked ? "on" : "off"));
  }

  // Where `g` and a letter lead stands on the entries of the side bar.
  const place = (key) => find(`[data-go="${CSS.escape(key)}"]`);
  let going = false;

  const letters = {
    "?": () => find("#keys")?.showModal(),
    "/": () => find("input[type=search]")?.focus(),
    r: () => find("[data-remix]")?.click(),
    j: () => moveRow(1),
    k: () => moveRow(-1),
    g: () => { going = true; setTimeout(() => { going = false; }, 1000); },
  };

  function moveRow(by) {
    const rows = [...document.querySelectorAll("[data-row]")];
    if (!rows.length) return;
    const at = rows.indexOf(document.activeElement);
    rows[Math.min(rows.length - 1, Math.max(0, at + by))].focus();
  }

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      find("[data-submit-keys]")?.requestSubmit();
      return;
    }
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !remembered()) return;
    if (going && place(event.key)) {
      location.href = place(event.key).href;
      return;
    }
    // What has keys of its own, a picture of the gallery, comes before the page.
    const own = event.target.closest("[data-keys]")?.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (own) {
      event.preventDefault();
      own.click();
    } else if (letters[event.key]) {
      event.preventDefault();
      letters[event.key]();
    }
  });
})();
