// Shows the offline page when the site cannot be reached at all. Keeps nothing else: what a job shows is always fresh.
const CACHE = {{ version|tojson }};
const OFFLINE = {{ url_for("offline.show")|tojson }};
const FILES = {{ files|tojson }};

addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([OFFLINE, ...FILES])).then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)))));
});

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") {
    event.respondWith(fetch(request).catch(() => caches.match(OFFLINE)));
  } else if (FILES.some((file) => request.url.endsWith(file))) {
    event.respondWith(caches.match(request).then((kept) => kept || fetch(request)));
  }
});
