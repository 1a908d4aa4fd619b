// Presses the reload button of the page in turns of `data-period` seconds. TensorBoard's own reload has a minimum of 30.
const period = Number(document.currentScript.dataset.period);
setInterval(() => {
  const button = document.querySelector("app-header-reload button");
  const isBusy = !button || button.disabled || button.classList.contains("loading");
  if (!document.hidden && !isBusy) button.click();
}, period * 1000);
