// <upload-box>: files chosen or dropped go to the server piece by piece (tus), and on where they stopped.
/* global tus */

import { acceptDrops, filesOf } from "./dropped.js";

const AT_ONCE = 3;
const PIECE = 32 * 2 ** 20;
const DELAYS = [0, 1000, 3000, 5000, 10000, 20000, 30000, 30000, 30000, 60000, 60000, 60000, 60000];
const SHOWN = 200;
const MANIFEST = /\.(csv|tsv|jsonl)$/i;

const language = document.documentElement.lang;

export function amount(bytes) {
  const step = Math.min(4, Math.floor(Math.log(Math.max(bytes, 1)) / Math.log(1000)));
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: step && bytes / 1000 ** step < 10 ? 1 : 0 });
  return `${number.format(bytes / 1000 ** step)} ${["B", "kB", "MB", "GB", "TB"][step]}`;
}

function span(seconds) {
  const [value, unit] = seconds < 90 ? [seconds, "second"] : seconds < 5400 ? [seconds / 60, "minute"] : [seconds / 3600, "hour"];
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(Math.max(1, Math.round(value)));
}

class UploadBox extends HTMLElement {
  connectedCallback() {
    this.words = JSON.parse(document.getElementById("upload-words").textContent);
    this.token = this.querySelector("[name=csrfmiddlewaretoken]").value;
    this.rows = new Map();
    this.sending = 0;
    this.find = (name) => this.querySelector(`[data-part="${name}"]`);
    this.find("files").addEventListener("change", (event) => this.take(event.target));
    this.find("folder").addEventListener("change", (event) => this.take(event.target));
    for (const [button, input] of [["choose", "files"], ["choose-folder", "folder"]]) {
      this.find(button).addEventListener("click", () => this.find(input).click());
    }
    this.find("retry").addEventListener("click", () => this.again());
    this.find("give-up").addEventListener("click", () => this.giveUp());
    this.find("form").addEventListener("submit", (event) => this.finish(event));
    addEventListener("online", () => this.again());
    addEventListener("beforeunload", (event) => this.isBusy && event.preventDefault());
    acceptDrops(this.find("zone"), async (transfer) => this.add(await filesOf(transfer)));
    this.known();
  }

  get isBusy() {
    return this.sending > 0;
  }

  /** Show what the server has of an earlier, unfinished upload. */
  async known() {
    const answer = await fetch(this.dataset.uploads, { headers: { Accept: "application/json" } });
    if (!answer.ok) return this.complain(await answer.json());
    for (const one of await answer.json()) {
      const state = one.offset === one.length ? "there" : "missing";
      this.rows.set(one.path, { path: one.path, size: one.length, sent: one.offset, modified: one.modified, url: one.url, state });
    }
    this.draw();
  }

  take(input) {
    this.add([...input.files].map((file) => [file.webkitRelativePath || file.name, file]));
    input.value = "";
  }

  add(pairs) {
    this.find("problem").hidden = true;
    for (const [path, file] of pairs) {
      if (path.split("/").some((name) => name.startsWith("."))) continue;
      const held = this.rows.get(path);
      if (held?.state === "sending") continue;
      const isSame = held && held.size === file.size && held.modified === file.lastModified;
      if (isSame && held.state === "there") continue;
      const row = { path, file, size: file.size, modified: file.lastModified, sent: isSame ? held.sent : 0, state: "waiting" };
      if (isSame) row.url = held.url;
      this.rows.set(path, row);
    }
    this.began = performance.now();
    this.begunAt = this.sentBytes();
    this.pump();
  }

  again() {
    for (const row of this.rows.values()) if (row.state === "failed" && row.file) row.state = "waiting";
    this.pump();
  }

  pump() {
    for (const row of this.rows.values()) {
      if (this.sending >= AT_ONCE) break;
      if (row.state === "waiting") this.send(row);
    }
    this.draw();
  }

  send(row) {
    row.state = "sending";
    this.sending += 1;
    const ended = (state, why) => {
      Object.assign(row, { state, why });
      this.sending -= 1;
      this.pump();
    };
    row.upload = new tus.Upload(row.file, {
      endpoint: this.dataset.uploads,
      uploadUrl: row.url ?? null,
      headers: { "X-CSRFToken": this.token },
      metadata: { path: row.path, modified: String(row.modified) },
      chunkSize: PIECE,
      uploadDataDuringCreation: true,
      storeFingerprintForResuming: false,
      retryDelays: DELAYS,
      onShouldRetry: (error) => {
        const status = error.originalResponse?.getStatus() ?? 0;
        row.trying = status === 0;
        this.later();
        return status === 0 || status === 409 || status === 423 || (status >= 500 && status !== 507);
      },
      onUploadUrlAvailable: () => Object.assign(row, { url: row.upload.url }),
      onProgress: (sent) => {
        Object.assign(row, { sent, trying: false });
        this.later();
      },
      onSuccess: () => {
        row.sent = row.size;
        ended("there");
      },
      onError: (error) => ended("failed", this.reason(error)),
    });
    row.upload.start();
  }

  /** What the server said of a refused file, or what the browser said. */
  reason(error) {
    try {
      const told = JSON.parse(error.originalResponse.getBody());
      return `${told.detail} ${told.hint} (${told.error_id})`;
    } catch {
      return this.words.trying;
    }
  }

  async remove(row) {
    await row.upload?.abort();
    if (row.state === "sending") this.sending -= 1;
    this.rows.delete(row.path);
    if (row.url) await this.ask(row.url, "DELETE");
    this.pump();
  }

  async giveUp() {
    for (const row of this.rows.values()) await row.upload?.abort();
    this.sending = 0;
    if (await this.ask(this.dataset.uploads, "DELETE")) this.rows.clear();
    this.draw();
  }

  async finish(event) {
    event.preventDefault();
    const sent = Object.fromEntries(new FormData(event.target));
    delete sent.csrfmiddlewaretoken;
    const button = this.find("import");
    button.disabled = true;
    const answer = await this.ask(this.dataset.import, "POST", JSON.stringify(sent));
    if (answer) location.assign(this.dataset.page.replace("/0/", `/${(await answer.json()).import.id}/`));
    else this.draw();
  }

  async ask(address, method, body) {
    const headers = { "X-CSRFToken": this.token, "Tus-Resumable": "1.0.0", Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    try {
      const answer = await fetch(address, { method, headers, body });
      if (answer.ok) return answer;
      this.complain(await answer.json());
    } catch {
      this.complain({ detail: this.words.trying, hint: "", error_id: "" });
    }
    return null;
  }

  complain(told) {
    const box = this.find("problem");
    box.hidden = false;
    box.replaceChildren(element("span", "", `${told.detail} ${told.hint}`), element("code", "", told.error_id));
  }

  sentBytes() {
    return [...this.rows.values()].reduce((all, row) => all + row.sent, 0);
  }

  later() {
    this.due ??= requestAnimationFrame(() => {
      this.due = null;
      this.draw();
    });
  }

  draw() {
    const rows = [...this.rows.values()];
    const all = rows.reduce((sum, row) => sum + row.size, 0);
    const count = (state) => rows.filter((row) => row.state === state).length;
    const there = count("there");
    const isComplete = rows.length > 0 && there === rows.length;
    this.classList.toggle("has-files", rows.length > 0);
    this.find("list").hidden = this.find("form").hidden = rows.length === 0;
    this.find("retry").hidden = count("failed") === 0;
    this.find("all").max = Math.max(1, all);
    this.find("all").value = isComplete ? Math.max(1, all) : this.sentBytes();
    this.find("summary").textContent = this.summary(rows.length, there, all, count("missing"), isComplete);
    this.find("import").disabled = !isComplete;
    this.find("import").textContent = this.words.import.replace("{n}", rows.length || "");
    const order = { failed: 0, sending: 1, missing: 2, waiting: 3, there: 4 };
    const shown = rows.sort((a, b) => order[a.state] - order[b.state]).slice(0, SHOWN);
    this.find("rows").replaceChildren(...shown.map((row) => this.line(row)));
    this.find("more").textContent = rows.length > SHOWN ? this.words.more.replace("{n}", rows.length - SHOWN) : "";
    this.offerManifests();
  }

  summary(n, done, all, missing, isComplete) {
    if (n === 0) return "";
    if (isComplete) return this.words.all_there.replace("{n}", n);
    if (missing && !this.isBusy) return this.words.to_choose.replace("{n}", missing);
    const sent = this.sentBytes();
    const speed = (sent - this.begunAt) / ((performance.now() - this.began) / 1000);
    const words = this.isBusy && speed > 0 ? this.words.under_way : this.words.paused;
    const told = { done, n, sent: amount(sent), all: amount(all), left: speed > 0 ? span((all - sent) / speed) : "" };
    return words.replace(/\{(\w+)\}/g, (_, name) => told[name]);
  }

  line(row) {
    const item = element("li", `upload is-${row.state}`);
    const name = element("span", "upload-name", row.path);
    name.title = row.path;
    const state = row.state === "sending" && row.trying ? this.words.trying : this.words[row.state];
    const told = row.state === "sending" && !row.trying ? `${Math.floor((100 * row.sent) / Math.max(1, row.size))}%` : state;
    const bar = document.createElement("progress");
    Object.assign(bar, { className: "thin", max: Math.max(1, row.size), value: row.state === "there" ? Math.max(1, row.size) : row.sent });
    bar.setAttribute("aria-label", row.path);
    const remove = element("button", "button quiet", "×");
    Object.assign(remove, { type: "button", title: this.words.remove });
    remove.setAttribute("aria-label", `${this.words.remove}: ${row.path}`);
    remove.addEventListener("click", () => this.remove(row));
    item.append(name, element("span", "upload-size", amount(row.size)), bar, element("span", "upload-state", told), remove);
    if (row.why) item.append(element("span", "upload-why", row.why));
    return item;
  }

  offerManifests() {
    const select = this.find("form").elements.manifest;
    const paths = [...this.rows.keys()].filter((path) => MANIFEST.test(path)).sort();
    if (select.dataset.paths === String(paths)) return;
    select.dataset.paths = String(paths);
    const chosen = select.value;
    select.replaceChildren(new Option(this.words.none, ""), ...paths.map((path) => new Option(path, path)));
    select.value = paths.includes(chosen) ? chosen : (paths.find((path) => /(^|\/)manifest\.\w+$/i.test(path)) ?? "");
  }
}

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text) made.textContent = text;
  return made;
}

customElements.define("upload-box", UploadBox);
