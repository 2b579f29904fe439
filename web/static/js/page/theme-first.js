// @ts-check
// Not a module, so that it runs before anything is drawn and a chosen theme never flashes by.
(() => {
  try {
    const theme = localStorage.getItem("sysmonstm.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (error) {
    // Storage can be forbidden; then the system's theme it is.
    if (!(error instanceof DOMException)) throw error;
  }
})();
