// Applies the chosen theme before the first paint. Runs before everything else and knows nothing of it.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("strata-theme");
  } catch {
    // Storage can be forbidden; then the system's choice stands.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
