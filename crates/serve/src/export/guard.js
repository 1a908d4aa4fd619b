// Without the worker, the page has no data: the first page of the site registers it.
"use strict";

if (!navigator.serviceWorker?.controller) location.replace(`index.html${location.hash}`);
