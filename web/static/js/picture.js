// Fills the form from the settings inside a PNG, chosen or dropped. The file stays in the browser.
(() => {
  const place = document.querySelector("[data-picture]");
  if (!place) return;
  const field = place.querySelector("input[type=file]");
  const MAX_ADDRESS = 6000;
  const MAX_TEXT = 256 * 1024;
  const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
  const NAMES = { Steps: "steps", "CFG scale": "guidance", Seed: "seed", Model: "model" };

  // The same file may be chosen again, once it was mended.
  field.addEventListener("click", () => { field.value = ""; });
  field.addEventListener("change", () => { if (field.files[0]) take(field.files[0]); });

  // Only files: text that is dragged into the prompt goes where it was dropped.
  const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!carriesFile(event)) return;
    event.preventDefault();
    field.files = event.dataTransfer.files;
    if (field.files[0]) take(field.files[0]);
  });

  async function take(file) {
    say(null);
    const texts = await textsOf(file).catch(() => null);
    if (!texts) return say("png");
    const found = fromRecord(texts.atelier) || fromLines(texts.parameters);
    if (!found || !place.dataset.kinds.split(" ").includes(found.kind)) return say("empty");
    const address = `${place.dataset.address}?${new URLSearchParams({ ...found, read: "picture" })}`;
    // An address has its bounds; the server can do the same with the file itself.
    if (address.length > MAX_ADDRESS) field.form.submit();
    else location.href = address;
  }

  function say(wrong) {
    for (const each of place.querySelectorAll("[data-wrong]")) each.hidden = each.dataset.wrong !== wrong;
    field.toggleAttribute("aria-invalid", Boolean(wrong));
    if (!wrong) return;
    place.open = true;
    field.focus();
  }

  // The text chunks by keyword, or null where it is no PNG. Reads headers and texts only.
  async function textsOf(file) {
    const bytes = async (from, count) => new Uint8Array(await file.slice(from, from + count).arrayBuffer());
    if ((await bytes(0, 8)).join() !== SIGNATURE.join()) return null;
    const texts = {};
    for (let at = 8, number = 0; at + 8 <= file.size && number < 20000; number += 1) {
      const head = await bytes(at, 8);
      const size = new DataView(head.buffer).getUint32(0);
      const kind = String.fromCharCode(...head.slice(4));
      if (["tEXt", "iTXt"].includes(kind) && size <= MAX_TEXT) {
        const [name, text] = textOf(kind, await bytes(at + 8, size));
        texts[name] ??= text;
      }
      at += size + 12;
    }
    return texts;
  }

  function textOf(kind, data) {
    const end = data.indexOf(0);
    const latin = new TextDecoder("latin1");
    const name = latin.decode(data.slice(0, end));
    if (kind === "tEXt") return [name, latin.decode(data.slice(end + 1))];
    if (data[end + 1] !== 0) return [name, ""];
    const language = data.indexOf(0, end + 3);
    const translated = data.indexOf(0, language + 1);
    return [name, new TextDecoder().decode(data.slice(translated + 1))];
  }

  function fromRecord(text) {
    let record;
    try { record = JSON.parse(text); } catch { return null; }
    if (!record?.prompt) return null;
    const plain = Object.entries(record).filter(([name, value]) => name !== "from" && ["string", "number", "boolean"].includes(typeof value));
    return { kind: "generate_image", ...Object.fromEntries(plain.map(([name, value]) => [name, value === false ? "" : String(value)])) };
  }

  function fromLines(text) {
    if (!text) return null;
    const lines = text.trim().split("\n");
    const found = { kind: "generate_image" };
    if (lines.at(-1).includes("Steps:")) {
      const last = Object.fromEntries([...lines.pop().matchAll(/\s*([A-Za-z][\w /-]*):\s*([^,]*)(?:,|$)/g)].map((each) => [each[1], each[2].trim()]));
      for (const [theirs, ours] of Object.entries(NAMES)) if (last[theirs]) found[ours] = last[theirs];
      const size = /^(\d{1,5})x(\d{1,5})$/.exec(last.Size ?? "");
      if (size) [, found.width, found.height] = size;
    }
    const [prompt, negative] = lines.join("\n").split("Negative prompt:");
    found.prompt = prompt.trim();
    if (negative?.trim()) found.negative_prompt = negative.trim();
    return found.prompt ? found : null;
  }
})();
