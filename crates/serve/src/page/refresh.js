// Presses the page's reload button every `data-period` seconds. The minimum of the page's own settings is 30. In a block,
// since names at the top would be those of the page as well.
{
  const { period } = document.currentScript.dataset;
  setInterval(() => {
    const button = document.querySelector("app-header-reload button");
    const isBusy = !button || button.disabled || button.classList.contains("loading");
    if (!document.hidden && !isBusy) button.click();
  }, period * 1000);
}
