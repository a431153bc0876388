// Starts the parts of the page and asks the run for its figures once a second while the page can be seen.

import { getJson, pause, visible } from "./client.js";
import { Controls } from "./controls.js";
import { Figures } from "./figures.js";
import { drawHistogram } from "./plots.js";
import { Viewer } from "./viewer.js";

const byId = (id) => document.getElementById(id);

function percent(share) {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  return `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;
}

async function orNull(asked) {
  try {
    return await asked;
  } catch {
    return null;
  }
}

async function watchFigures(figures, controls) {
  const history = await orNull(getJson("/history.json"));
  if (history) figures.fill(history);
  for (;;) {
    const status = await orNull(getJson("/status.json", AbortSignal.timeout(4000)));
    figures.show(status);
    controls.show(status);
    await pause(1000);
    await visible();
  }
}

async function watchHistograms() {
  for (;;) {
    await visible();
    const found = await orNull(getJson("/histograms.json", AbortSignal.timeout(6000)));
    for (const view of ["under", "over", "fused"]) {
      const shown = found && found[view];
      drawHistogram(byId(`${view}-histogram`), shown && shown.luma);
      byId(`${view}-clipped`).textContent = shown ? `${percent(shown.dark)} · ${percent(shown.bright)}` : "";
    }
    await pause(1000);
  }
}

function switchTheme() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  localStorage.setItem("theme", dark ? "light" : "dark");
  document.documentElement.dataset.theme = dark ? "light" : "dark";
}

document.documentElement.dataset.theme = localStorage.getItem("theme") || "";
byId("theme").addEventListener("click", switchTheme);
const viewer = new Viewer();
viewer.run();
watchFigures(new Figures(), new Controls());
watchHistograms();
