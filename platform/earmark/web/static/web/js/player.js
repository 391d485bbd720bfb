// <clip-player>: a play button over a lazy <audio>; without this script the browser's own controls stay.

const icons = document.querySelector('link[rel="icon"]').href.replace(/mark\.svg.*/, "icons.svg");
const RING = 2 * Math.PI * 16.5;
let playing = null;

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `${icons}#${name}`);
  svg.append(use);
  return svg;
}

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

class ClipPlayer extends HTMLElement {
  connectedCallback() {
    if (this.classList.contains("ready")) return;
    this.audio = this.querySelector("audio");
    this.length = Number(this.dataset.seconds);
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "play";
    this.time = document.createElement("span");
    this.time.className = "play-time";
    this.ring = this.#drawnRing();
    this.append(this.button, this.time);
    if (this.classList.contains("wide")) this.#widen();
    this.button.addEventListener("click", () => this.toggle());
    for (const event of ["play", "pause", "ended", "timeupdate"]) {
      this.audio.addEventListener(event, () => this.#draw());
    }
    this.audio.addEventListener("error", () => this.#break());
    this.audio.removeAttribute("controls");
    this.classList.add("ready");
    this.#draw();
  }

  disconnectedCallback() {
    this.audio?.pause();
    if (playing === this) playing = null;
  }

  toggle() {
    if (!this.audio.paused) {
      this.audio.pause();
      return;
    }
    if (playing && playing !== this) playing.audio.pause();
    playing = this;
    this.classList.remove("broken");
    this.audio.play().catch((reason) => {
      if (reason.name !== "AbortError") this.#break();
    });
  }

  #drawnRing() {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    svg.setAttribute("class", "play-ring");
    svg.setAttribute("viewBox", "0 0 36 36");
    for (const [name, value] of Object.entries({ cx: 18, cy: 18, r: 16.5, "stroke-dasharray": RING })) {
      circle.setAttribute(name, value);
    }
    svg.append(circle);
    return svg;
  }

  #widen() {
    this.slider = document.createElement("input");
    Object.assign(this.slider, { type: "range", min: 0, max: this.length, step: 0.05, value: 0 });
    this.slider.setAttribute("aria-label", this.dataset.seek);
    this.slider.addEventListener("input", () => {
      this.audio.currentTime = Number(this.slider.value);
    });
    this.speed = document.createElement("select");
    this.speed.setAttribute("aria-label", this.dataset.speed);
    for (const rate of [0.5, 0.75, 1, 1.25, 1.5, 2]) {
      this.speed.append(new Option(`${rate}×`, rate, rate === 1, rate === 1));
    }
    this.speed.addEventListener("change", () => {
      this.audio.playbackRate = Number(this.speed.value);
    });
    this.button.after(this.slider);
    this.append(this.speed);
  }

  #draw() {
    const on = !this.audio.paused && !this.audio.ended;
    const at = this.audio.currentTime;
    this.classList.toggle("playing", on);
    this.button.setAttribute("aria-label", on ? this.dataset.pause : this.dataset.play);
    this.button.replaceChildren(icon(on ? "pause" : "play"), this.ring);
    this.ring.firstChild.setAttribute("stroke-dashoffset", RING * (1 - Math.min(1, at / this.length)));
    if (this.slider && document.activeElement !== this.slider) this.slider.value = at;
    this.time.textContent = at > 0 ? `${clock(at)} / ${clock(this.length)}` : clock(Math.round(this.length));
  }

  #break() {
    this.classList.add("broken");
    this.button.title = this.dataset.broken;
    this.time.textContent = this.dataset.broken;
  }
}

customElements.define("clip-player", ClipPlayer);
