// The live picture: one view, or an input and the fused picture on both sides of a border that can be moved.
// Each picture is asked for when the one before it has been drawn, so a slow device or network sees fewer of them,
// never old ones.

import { nextPicture, pause, visible } from "./client.js";

const NAMES = { fused: "Fused", under: "Under", over: "Over", weights: "Weights" };
const WEIGHTS = "Weights: blue from under, orange from over";
const byId = (id) => document.getElementById(id);

export class Viewer {
  constructor() {
    this.stage = byId("stage");
    this.canvas = byId("picture");
    this.context = this.canvas.getContext("2d");
    this.handle = byId("wipe");
    this.view = "fused";
    this.wiping = false;
    this.border = 0.5;
    this.shown = null; // {left, right}: what is drawn; left is null without a wipe
    this.change = new AbortController();
    byId("views").addEventListener("click", (event) => {
      if (event.target.dataset.view) this.select(event.target.dataset.view, this.wiping);
    });
    byId("compare").addEventListener("click", () => this.select(this.view, !this.wiping));
    this.listenToBorder();
    new ResizeObserver(() => this.placeBorder()).observe(this.canvas);
  }

  select(view, wiping) {
    // The fused picture is always on the right, so the left is one of the others.
    this.wiping = wiping && !(this.wiping && view === "fused");
    this.view = this.wiping && view === "fused" ? "under" : view;
    for (const button of byId("views").children)
      button.setAttribute("aria-pressed", String(button.dataset.view === this.view));
    byId("compare").setAttribute("aria-pressed", String(this.wiping));
    byId("snapshot").href = `/snapshot.jpg?view=${this.view}`;
    byId("snapshot").download = `streamfuse-${this.view}.jpg`;
    const weights = this.view === "weights" && !this.wiping;
    byId("left-label").textContent = weights ? WEIGHTS : NAMES[this.view];
    byId("right-label").textContent = NAMES.fused;
    byId("left-label").hidden = !this.wiping && !weights;
    for (const id of ["right-label", "wipe"]) byId(id).hidden = !this.wiping;
    this.canvas.setAttribute("aria-label", `Live picture: ${NAMES[this.view]}${this.wiping ? " and fused" : ""}`);
    this.change.abort();
    this.change = new AbortController();
    this.placeBorder();
  }

  async run() {
    let change = null;
    let after = -1;
    for (;;) {
      await visible();
      if (change !== this.change) [change, after] = [this.change, -1];
      try {
        const found = await this.next(after, change.signal);
        if (change !== this.change) continue;
        // Where none comes, any will do: a run that was started anew counts from the beginning.
        after = found === null ? -1 : found.right.number;
        if (found !== null) this.show(found);
      } catch (error) {
        after = -1;
        if (change === this.change) await pause(1000);
      }
    }
  }

  async next(after, signal) {
    if (!this.wiping) {
      const right = await nextPicture(this.view, after, signal);
      return right && { left: null, right };
    }
    let [left, right] = await Promise.all([
      nextPicture(this.view, after, signal),
      nextPicture("fused", after, signal),
    ]);
    // Both sides have to be of the same instant, so the one that is behind is asked for once more.
    if (left && right && left.number < right.number) left = (await nextPicture(this.view, left.number, signal)) || left;
    else if (left && right && right.number < left.number)
      right = (await nextPicture("fused", right.number, signal)) || right;
    return left && right && { left, right };
  }

  show(found) {
    this.shown?.right.bitmap.close();
    this.shown?.left?.bitmap.close();
    this.shown = found;
    byId("waiting").hidden = true;
    this.canvas.dataset.number = found.right.number;
    this.draw();
  }

  draw() {
    if (this.shown === null) return;
    const { left, right } = this.shown;
    const { width, height } = right.bitmap;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.placeBorder();
    }
    this.context.drawImage(right.bitmap, 0, 0);
    if (left === null) return;
    const { width: w, height: h } = left.bitmap;
    const part = this.border;
    if (part > 0) this.context.drawImage(left.bitmap, 0, 0, w * part, h, 0, 0, width * part, height);
  }

  // The canvas may be wider than the picture in it, which stands in the middle.
  pictureBox() {
    const { clientWidth, clientHeight, width, height } = this.canvas;
    const scale = Math.min(clientWidth / width, clientHeight / height);
    return { left: (clientWidth - width * scale) / 2, width: width * scale };
  }

  placeBorder() {
    const box = this.pictureBox();
    this.handle.style.left = `${box.left + this.border * box.width}px`;
    const percent = Math.round(100 * this.border);
    this.handle.setAttribute("aria-valuenow", percent);
    this.handle.setAttribute("aria-valuetext", `${percent} % input`);
  }

  moveBorder(border) {
    this.border = Math.min(1, Math.max(0, border));
    this.placeBorder();
    if (this.wiping) this.draw();
  }

  listenToBorder() {
    const follow = (event) => {
      const box = this.pictureBox();
      this.moveBorder((event.clientX - this.canvas.getBoundingClientRect().left - box.left) / box.width);
    };
    this.stage.addEventListener("pointerdown", (event) => {
      if (!this.wiping) return;
      const onHandle = this.handle.contains(event.target);
      if (event.pointerType !== "mouse" && !onHandle) return; // a finger on the picture scrolls the page
      this.stage.setPointerCapture(event.pointerId);
      this.handle.focus();
      follow(event);
      event.preventDefault();
    });
    this.stage.addEventListener("pointermove", (event) => {
      if (this.wiping && this.stage.hasPointerCapture(event.pointerId)) follow(event);
    });
    this.handle.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 0.1 : 0.02;
      const to = {
        ArrowLeft: this.border - step,
        ArrowDown: this.border - step,
        ArrowRight: this.border + step,
        ArrowUp: this.border + step,
        PageDown: this.border - 0.1,
        PageUp: this.border + 0.1,
        Home: 0,
        End: 1,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.moveBorder(to);
    });
  }
}
