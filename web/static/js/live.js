// Keeps what is shown up to date: a job by its event stream, lists by asking every few seconds while somebody looks.
(() => {
  const EVERY_MS = 3000;
  const lost = document.getElementById("lost");
  const announce = document.getElementById("announce");
  let streaming = false;

  document.addEventListener("htmx:sse:after:connection", (event) => {
    streaming = event.detail.connection?.status === 200;
    setLost(false);
  });
  document.addEventListener("htmx:sse:before:connection", () => { streaming = false; });
  document.addEventListener("htmx:sse:close", () => { streaming = false; });
  document.addEventListener("htmx:sse:error", () => { streaming = false; });

  function setLost(isLost) {
    if (lost) lost.hidden = !isLost;
  }

  async function refresh(part) {
    const asked = part.dataset.poll;
    const answer = await fetch(asked, { headers: { "HX-Request": "true" } }).catch(() => null);
    setLost(!answer || answer.status >= 502);
    if (!answer || answer.status === 204) return;
    const elsewhere = answer.headers.get("HX-Redirect");
    if (elsewhere) location.href = elsewhere;
    // A search or a click may have redrawn the part meanwhile: then this answer is of no use any more.
    if (!answer.ok || !part.isConnected || part.dataset.poll !== asked) return;
    await show(part.parentElement, await answer.text());
  }

  function show(place, text) {
    return htmx.swap({ target: place, text, swap: "innerMorph", sourceElement: place });
  }

  let busy = false;
  setInterval(async () => {
    if (document.hidden || busy || streaming) return;
    busy = true;
    try {
      await Promise.all([...document.querySelectorAll("[data-poll]")].map(refresh));
    } finally {
      busy = false;
    }
  }, EVERY_MS);

  // Search as one types, and keep the address that says the same.
  let waiting;
  document.addEventListener("input", ({ target }) => {
    const form = target.closest("[data-filters]");
    if (!form) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => search(form), 250);
  });

  async function search(form) {
    const asked = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    history.replaceState(null, "", `${form.getAttribute("action")}?${asked}`);
    const answer = await fetch(`${form.dataset.part}?${asked}`, { headers: { "HX-Request": "true" } }).catch(() => null);
    setLost(!answer);
    if (answer?.ok) await show(document.getElementById(form.dataset.into), await answer.text());
  }

  // Say a change of state, and nothing else: not every step.
  let said = document.getElementById("panel")?.dataset.state;
  document.addEventListener("htmx:after:swap", () => {
    const panel = document.getElementById("panel");
    if (!panel || panel.dataset.state === said) return;
    said = panel.dataset.state;
    announce.textContent = panel.dataset.says;
  });
})();
