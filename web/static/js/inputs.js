// Sends a file as soon as it is chosen, dropped or pasted, and shows its field as the server draws it then. Without a
// script the file goes with the form. Also rows of adapters, which grow and shrink.
(() => {
  const fieldOf = (node) => node.closest?.("[data-file]");
  const fileInput = (field) => field.querySelector("input[type=file]");

  document.addEventListener("change", ({ target }) => {
    const field = fieldOf(target);
    if (!field) return;
    if (target.type === "radio") draw(field, { ref: target.value });
    else if (target.files?.[0]) draw(field, { file: target.files[0] });
  });

  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    if ("remove" in button.dataset) draw(fieldOf(button), { ref: "" });
    if ("addRow" in button.dataset) addRow(button.previousElementSibling);
    if ("removeRow" in button.dataset) removeRow(button.parentElement);
  });

  // A file that is dropped on a field is for this field; elsewhere on the page it may be a picture with settings.
  const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (fieldOf(event.target) && carriesFile(event)) event.preventDefault();
  }, true);
  document.addEventListener("drop", (event) => {
    const field = fieldOf(event.target);
    if (!field || !carriesFile(event)) return;
    event.preventDefault();
    event.stopPropagation();
    document.body.classList.remove("dropping");
    draw(field, { file: event.dataTransfer.files[0] });
  }, true);

  document.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (!file) return;
    const fields = [...document.querySelectorAll("[data-file]")];
    const takes = (field) => fileInput(field).accept.split(",").some((each) => each.startsWith(file.type.split("/")[0]));
    const field = fieldOf(document.activeElement) ?? fields.find((each) => takes(each) && !each.querySelector(".held")) ?? fields.find(takes);
    if (!field) return;
    event.preventDefault();
    draw(field, { file });
  });

  function draw(field, { file, ref = "" }) {
    const { form } = fileInput(field);
    const bar = field.querySelector("progress");
    const body = new FormData();
    body.set("kind", form.elements.kind.value);
    body.set("field", field.dataset.file);
    body.set("ref", ref);
    if (file) body.set(`${field.dataset.file}.file`, file);
    const request = new XMLHttpRequest();
    request.open("POST", field.dataset.attach);
    request.setRequestHeader("X-CSRF-Token", form.elements.csrf_token.value);
    field.setAttribute("aria-busy", "true");
    if (file) bar.hidden = false;
    // Once all is sent the server looks at it, and how long that takes is not known.
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      if (loaded < total) bar.value = (100 * loaded) / total;
      else bar.removeAttribute("value");
    });
    request.addEventListener("loadend", () => {
      if ([200, 422].includes(request.status)) return replace(field, request.responseText, Boolean(file));
      field.removeAttribute("aria-busy");
      bar.hidden = true;
      fileInput(field).value = "";
      field.querySelector("[data-failed]").hidden = false;
    });
    request.send(body);
  }

  function replace(field, html, sent) {
    const opened = field.querySelector("details")?.open && !sent;
    const drawn = document.createRange().createContextualFragment(html).querySelector("[data-file]");
    field.replaceWith(drawn);
    const recents = drawn.querySelector("details");
    if (recents && opened) recents.open = true;
    (drawn.querySelector("details[open] :checked") ?? fileInput(drawn)).focus({ preventScroll: true });
    drawn.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function addRow(rows) {
    const copy = rows.lastElementChild.cloneNode(true);
    for (const control of copy.querySelectorAll("[name]")) {
      control.name = control.name.replace(/\.(\d+)\./, (_, number) => `.${Number(number) + 1}.`);
      control.removeAttribute("id");
      control.value = "";
    }
    for (const each of copy.querySelectorAll("[aria-label]")) {
      each.setAttribute("aria-label", each.getAttribute("aria-label").replace(/\d+/, (number) => Number(number) + 1));
    }
    rows.append(copy);
    copy.querySelector("select").focus();
    copy.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function removeRow(row) {
    const rows = row.parentElement;
    if (rows.childElementCount > 1) row.remove();
    else for (const control of row.querySelectorAll("[name]")) control.value = "";
    rows.querySelector("select").focus();
    rows.dispatchEvent(new Event("input", { bubbles: true }));
  }
})();
