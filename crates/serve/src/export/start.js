// Registers the worker that answers for the server, and then goes to the page.
"use strict";

(async () => {
  const note = (text) => {
    const show = () => (document.getElementById("note").textContent = text);
    document.readyState === "loading" ? addEventListener("DOMContentLoaded", show) : show();
  };
  if (!("serviceWorker" in navigator)) {
    note("This site needs a service worker: open it by https:// or from localhost.");
    return;
  }
  try {
    await navigator.serviceWorker.register("worker.js");
    if (!navigator.serviceWorker.controller) {
      await new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done));
    }
    location.replace(`page.html${location.hash}`);
  } catch (error) {
    note(`The service worker of this site does not start: ${error}`);
  }
})();
