// Draws the curves of trainings with uPlot over those that the server drew, and keeps them up to date.
(() => {
  const PAUSE_MS = 2000;
  const MANY = 4000;
  const section = () => document.getElementById("curves");
  const place = () => document.getElementById("live-charts");
  if (!section() || !place() || !window.uPlot) return;

  // Of each run, by curve, the value of each step.
  const runs = JSON.parse(section().dataset.points).map(([address, label]) => ({ address, label, curves: new Map() }));
  const drawn = new Map();
  let drawnAs = "";
  let seen = null;
  let askedAt = 0;
  let later = 0;

  async function load(run) {
    const curves = [...run.curves.values()];
    const afresh = !curves.length || Math.max(...curves.map((curve) => curve.size)) > MANY;
    // The last step of the curve that is furthest behind: what came to any of them since is after it.
    const since = afresh ? null : Math.min(...curves.map((curve) => Math.max(...curve.keys())));
    const answer = await fetch(run.address + (since === null ? "" : `?since=${since}`)).catch(() => null);
    if (!answer?.ok) return;
    const found = await answer.json();
    if (afresh) run.curves.clear();
    for (const [name, points] of Object.entries(found)) {
      if (!run.curves.has(name)) run.curves.set(name, new Map());
      for (const [step, value] of points) run.curves.get(name).set(step, value);
    }
  }

  async function update() {
    const wait = askedAt + PAUSE_MS - Date.now();
    clearTimeout(later);
    if (wait > 0) {
      later = setTimeout(update, wait);
      return;
    }
    askedAt = Date.now();
    await Promise.all(runs.map(load));
    draw();
  }

  const figure = (name) => name.replace(/^validation_/, "");
  const words = (name) => {
    const text = name.replaceAll("_per_second", "/s").replaceAll("_", " ");
    return text.charAt(0).toUpperCase() + text.slice(1);
  };

  // The charts: a title, and lines with a label, a colour and points. One run has validation beside training.
  function charts() {
    const names = [...new Set(runs.flatMap((run) => [...run.curves.keys()]))];
    names.sort((a, b) => (figure(a) !== "loss") - (figure(b) !== "loss") || a.localeCompare(b));
    const found = new Map();
    for (const name of names) {
      const title = runs.length > 1 ? name : figure(name);
      if (!found.has(title)) found.set(title, []);
      runs.forEach((run, number) => {
        const points = run.curves.get(name);
        if (!points) return;
        const colour = runs.length > 1 ? number : Number(name !== figure(name));
        found.get(title).push({ label: runs.length > 1 ? run.label : words(name), colour, points });
      });
      found.get(title).sort((a, b) => a.colour - b.colour);
    }
    return found;
  }

  function smoothed(values, weight) {
    let mean = 0, share = 0;
    return values.map((value) => {
      if (value === null) return null;
      mean = weight * mean + (1 - weight) * value;
      share = weight * share + (1 - weight);
      return mean / share;
    });
  }

  function data(lines, weight, logarithmic) {
    const steps = [...new Set(lines.flatMap((line) => [...line.points.keys()]))].sort((a, b) => a - b);
    const rows = [steps];
    for (const line of lines) {
      const raw = steps.map((step) => {
        const value = line.points.get(step);
        return value === undefined || (logarithmic && value <= 0) ? null : value;
      });
      if (weight) rows.push(raw);
      rows.push(smoothed(raw, weight));
    }
    return rows;
  }

  const colours = () => [...Array(6).keys()].map((number) => {
    const probe = document.createElement("i");
    probe.className = `probe line-${number}`;
    section().append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  });

  const faint = (colour) => colour.replace(/^rgb\((.*)\)$/, "rgba($1, 0.25)");
  function told(value) {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    const short = Number(value.toPrecision(4));
    return size && (size < 0.001 || size >= 1e6) ? short.toExponential().replace("e+", "e") : short.toLocaleString("en");
  }

  function draw() {
    const weight = Number(document.getElementById("smoothing")?.value || 0);
    const logarithmic = Boolean(document.getElementById("log-scale")?.checked);
    const found = charts();
    const shape = JSON.stringify([[...found].map(([title, lines]) => [title, lines.map((line) => line.label)]),
      weight > 0, logarithmic, document.documentElement.dataset.theme]);
    if (shape !== drawnAs) rebuild(found, weight, logarithmic);
    drawnAs = shape;
    for (const [title, lines] of found) drawn.get(title).setData(data(lines, weight, logarithmic));
  }

  function rebuild(found, weight, logarithmic) {
    for (const chart of drawn.values()) chart.destroy();
    drawn.clear();
    place().replaceChildren();
    const palette = colours();
    // All of them first: how wide one is depends on how many there are.
    const boxes = [...found.keys()].map((title) => {
      const box = document.createElement("figure");
      box.className = "chart";
      const caption = document.createElement("figcaption");
      caption.append(Object.assign(document.createElement("b"), { textContent: words(title) }));
      box.append(caption);
      box.setAttribute("aria-label", words(title));
      return box;
    });
    place().append(...boxes);
    [...found].forEach(([title, lines], number) => {
      const shape = options(lines, palette, weight, logarithmic, boxes[number].clientWidth);
      drawn.set(title, new uPlot(shape, [[]], boxes[number]));
    });
  }

  function options(lines, palette, weight, logarithmic, width) {
    const axis = { stroke: palette[5], grid: { stroke: faint(palette[5]), width: 1 }, ticks: { stroke: faint(palette[5]) } };
    const series = [{ label: section().dataset.step || "Step" }];
    for (const line of lines) {
      const stroke = palette[line.colour % palette.length];
      const plain = { spanGaps: true, points: { show: runs.length === 1 && line.points.size < 60, size: 4 }, value: (_, value) => told(value) };
      if (weight) series.push({ ...plain, class: "raw", label: "", stroke: faint(stroke), width: 1, points: { show: false } });
      series.push({ ...plain, label: line.label, stroke, width: 1.8 });
    }
    return {
      width: Math.max(width, 200), height: 220, series,
      scales: { x: { time: false }, y: { distr: logarithmic ? 3 : 1 } },
      axes: [{ ...axis, size: 32 }, { ...axis, size: 56, values: (_, values) => values.map((value) => (value === null ? "" : told(value))) }],
      cursor: { y: false },
    };
  }

  new ResizeObserver(() => {
    for (const chart of drawn.values()) chart.setSize({ width: Math.max(chart.root.parentElement.clientWidth, 200), height: 220 });
  }).observe(section());

  function again() {
    drawnAs = "";
    draw();
  }
  new MutationObserver(again).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  document.addEventListener("input", ({ target }) => {
    if (target.id === "smoothing" || target.id === "log-scale") draw();
  });
  document.addEventListener("htmx:after:swap", () => {
    if (!section() || section().dataset.version === seen) return;
    seen = section().dataset.version;
    update();
  });
  update();
})();
