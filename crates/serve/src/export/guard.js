// Without the worker, the page has no data: the first page of the site registers it.
"use strict";

if (!navigator.serviceWorker?.controller) location.replace(`index.html${location.hash}`);

// A browser does not ask the worker for the target of a link that is saved. So the answer is fetched, and then saved.
document.addEventListener(
  "click",
  async (event) => {
    const isLink = (node) => node instanceof HTMLAnchorElement && node.hasAttribute("download");
    const link = event.composedPath().find(isLink);
    const data = new URL("data/", location).href;
    if (!link?.href.startsWith(data)) return;
    event.preventDefault();
    const answer = await fetch(link.href);
    if (!answer.ok) throw new Error(`${link.href}: ${await answer.text()}`);
    const saved = document.createElement("a");
    saved.href = URL.createObjectURL(await answer.blob());
    saved.download = link.download;
    saved.click();
    setTimeout(() => URL.revokeObjectURL(saved.href), 60_000);
  },
  true,
);
