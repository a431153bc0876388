// What can be asked of the run: recording and the exposures of the camera.

import { post } from "./client.js";

const byId = (id) => document.getElementById(id);

function say(id, text, problem = false) {
  byId(id).textContent = text;
  byId(id).classList.toggle("problem", problem);
}

function signed(ev) {
  return `${ev > 0 ? "+" : ev < 0 ? "−" : ""}${Math.abs(ev)} EV`;
}

function exposure([microseconds, gain]) {
  const time = microseconds >= 1000 ? `${(microseconds / 1000).toFixed(1)} ms` : `${Math.round(microseconds)} µs`;
  return `${time} × ${gain.toFixed(1)}`;
}

export class Controls {
  constructor() {
    this.recording = null;
    this.mode = "auto";
    this.touched = false; // the form holds what a person set and has not applied
    byId("record").addEventListener("click", () => this.record());
    byId("exposures").addEventListener("submit", (event) => {
      event.preventDefault();
      this.apply();
    });
    byId("exposures").addEventListener("input", () => {
      this.touched = true;
      this.showBias();
    });
    byId("modes").addEventListener("click", (event) => {
      if (!event.target.dataset.mode) return;
      this.touched = true;
      this.showMode(event.target.dataset.mode);
    });
  }

  show(status) {
    this.recording = status ? status.recording : null;
    const ended = !status || status.state === "stopping" || status.state === "stopped";
    byId("record").disabled = ended;
    byId("record").classList.toggle("on", this.recording !== null);
    byId("record").lastElementChild.textContent = this.recording === null ? "Record" : "Stop";
    if (!status) return;
    this.showExposures(status, ended);
  }

  showExposures(status, ended) {
    const controlled = status.exposures.length > 0;
    byId("exposure-fields").disabled = ended || !controlled;
    byId("exposure-list").textContent = controlled
      ? `Set: ${status.exposures.map(exposure).join("  ·  ")} (time × gain, darkest first)`
      : "Not available: the exposure of this source is not controlled by streamfuse.";
    const asked = status.web.exposures;
    if (!asked || this.touched) return;
    this.showMode(asked.mode);
    byId("bias").value = asked.bias_ev;
    byId("gap").value = asked.gap_ev ?? "";
    this.showBias();
  }

  showMode(mode) {
    this.mode = mode;
    for (const button of byId("modes").children)
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
  }

  showBias() {
    byId("bias-value").textContent = signed(Number(byId("bias").value));
  }

  async record() {
    const starting = this.recording === null;
    byId("record").disabled = true;
    try {
      const said = await post(starting ? "/recording/start" : "/recording/stop");
      say("said", starting ? `Recording ${said.recording}` : `Recorded ${said.recorded}`);
    } catch (error) {
      say("said", error.message, true);
    }
    byId("record").disabled = false;
  }

  async apply() {
    const gap = byId("gap").value;
    const wanted = { mode: this.mode, bias_ev: Number(byId("bias").value), gap_ev: gap === "" ? null : Number(gap) };
    try {
      await post("/exposures", wanted);
      this.touched = false;
      say("exposure-said", "Applied.");
    } catch (error) {
      say("exposure-said", error.message, true);
    }
  }
}
