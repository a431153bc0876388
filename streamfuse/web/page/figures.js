// The figures of the run: state, rates, ages, counters, outputs.

import { drawLines, Series } from "./plots.js";

const byId = (id) => document.getElementById(id);
const STATES = {
  starting: "Waiting for the first fused frame.",
  running: null,
  reconnecting: "The source gives no frames and is being opened again.",
  stopping: "The run is ending.",
  stopped: "The run has ended.",
};
const SERIES = ["rate_in", "rate_out", "age_p50", "age_p95"];

const whole = (value) => value.toLocaleString("en");
const fixed = (value, digits) => (value === null ? "–" : value.toFixed(digits));

function duration(seconds) {
  const s = Math.floor(seconds);
  const [days, hours, minutes] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${s % 60} s` : `${s} s`;
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

export class Figures {
  constructor() {
    this.series = Object.fromEntries(SERIES.map((name) => [name, new Series()]));
    this.last = null;
    new ResizeObserver(() => this.draw()).observe(byId("rate-plot"));
  }

  fill(history) {
    for (const name of SERIES) history[name].forEach((value) => this.series[name].add(value));
  }

  // The figures of this second; null if the run could not be asked.
  show(status) {
    const sample = status
      ? { rate_in: status.rate_in, rate_out: status.rate_out, age_p50: status.age_ms[0], age_p95: status.age_ms[1] }
      : {};
    for (const name of SERIES) this.series[name].add(sample[name] ?? null);
    this.draw();
    this.showState(status);
    if (!status) return;
    byId("source").textContent = status.source;
    byId("source").title = status.source;
    byId("rate-out").textContent = fixed(status.rate_out, 1);
    byId("rate-in").textContent = fixed(status.rate_in, 1);
    byId("bracket-rate").textContent = fixed(status.bracket_rate, 1);
    ["age-p50", "age-p95", "age-p99"].forEach((id, index) => {
      byId(id).textContent = fixed(status.age_ms[index], 0);
    });
    byId("version").textContent = `streamfuse ${status.web.version}`;
    this.showCounters(status);
    this.showOutputs(status.outputs);
  }

  draw() {
    const { rate_in, rate_out, age_p50, age_p95 } = this.series;
    drawLines(byId("rate-plot"), rate_in.values, rate_out.values);
    drawLines(byId("age-plot"), age_p95.values, age_p50.values);
  }

  showState(status) {
    const state = status ? status.state : "lost";
    const text = status ? STATES[state] : "streamfuse does not answer; trying again.";
    byId("state").dataset.state = state;
    byId("state").textContent = state === "lost" ? "no connection" : state;
    byId("banner").textContent = [text, status?.error].filter(Boolean).join(" ");
    byId("banner").hidden = !byId("banner").textContent;
    byId("stage").classList.toggle("stale", state !== "running");
    document.title = state === "running" ? `${status.rate_out.toFixed(0)} fps · streamfuse` : `${state} · streamfuse`;
  }

  showCounters(status) {
    const rows = {
      "Running for": duration(status.uptime),
      Picture: status.width ? `${status.width} × ${status.height}` : "–",
      "Fused by": `${status.fuser} (${status.preset}${status.coarse ? ", coarser" : ""}${status.thinned ? ", one frame of each bracket" : ""}, ${status.device})`,
      Exposures: status.order.length ? status.order.join(" · ") : "–",
      "Exposures apart": status.cycle ? `${fixed(status.gap_ev, 1)} EV` : "–",
      "Look-ahead": `${status.delay_frames} frames`,
      Captured: whole(status.frames_in),
      Fused: whole(status.frames_out),
      "Left out, late": whole(status.dropped),
      "Not used (start, or exposure changing)": whole(status.discarded),
      "Fused across a loss": whole(status.repaired),
      Reconnects: whole(status.reconnects),
    };
    byId("counters").replaceChildren(
      ...Object.entries(rows).map(([name, value]) => {
        const row = document.createElement("div");
        row.append(element("dt", name), element("dd", value));
        return row;
      }),
    );
  }

  showOutputs(outputs) {
    byId("no-outputs").hidden = outputs.length > 0;
    byId("outputs").closest("table").hidden = outputs.length === 0;
    byId("outputs").replaceChildren(
      ...outputs.map((output) => {
        const row = document.createElement("tr");
        const name = element("td", output.name);
        if (output.error) name.append(element("small", output.error));
        const state = document.createElement("td");
        state.append(element("span", output.state, { class: "state", "data-state": output.state }));
        row.append(
          name,
          state,
          element("td", whole(output.frames), { "data-label": "Frames" }),
          element("td", whole(output.dropped), { "data-label": "Dropped" }),
          element("td", whole(output.restarts), { "data-label": "Reopened" }),
        );
        return row;
      }),
    );
  }
}
