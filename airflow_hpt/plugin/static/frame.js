// What a page cannot do by itself inside of Airflow's frame: follow Airflow's choice of light or dark, and open a page
// of Airflow in the whole window. Without this script the page works, follows the system, and opens those in the frame.
"use strict";

if (window.parent !== window) {
  const outside = window.parent.document;

  const followTheme = () => {
    const theme = ["dark", "light"].find((name) => outside.documentElement.classList.contains(name));
    if (theme) {
      document.documentElement.dataset.theme = theme;
    }
  };
  followTheme();
  new MutationObserver(followTheme).observe(outside.documentElement, { attributeFilter: ["class"] });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-outside]");
    if (link && event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      const twin = outside.createElement("a"); // the frame may not move its window, a link of the window may
      twin.href = link.href;
      twin.click();
    }
  });
}
