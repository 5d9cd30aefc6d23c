// Keeps the end of a job's log in sight while it grows, unless its reader has scrolled away from the end.
(() => {
  let atEnd = true;
  const log = () => document.getElementById("log");
  if (!log()) return;

  document.addEventListener("scroll", ({ target }) => {
    if (target.id === "log") atEnd = target.scrollHeight - target.scrollTop - target.clientHeight < 24;
  }, true);

  function follow() {
    if (atEnd && log()) log().scrollTop = log().scrollHeight;
  }
  document.addEventListener("htmx:after:swap", follow);
  follow();
})();
