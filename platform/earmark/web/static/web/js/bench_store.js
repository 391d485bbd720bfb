// What the desks ask of the site: which clips wait, all about one, drafts, decisions. The next clips are fetched ahead.

const KEPT = 12;

export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? "");
    this.status = status;
    this.problem = problem;
  }

  /** Whether somebody was quicker. */
  get isStale() {
    return this.status === 412;
  }
}

export class Store {
  constructor(told, token) {
    this.told = told;
    this.token = token;
    this.held = new Map();
  }

  address(name, id) {
    return this.told.urls[name].replace(/\/0\//, `/${id}/`);
  }

  /** Ids that wait, in their order, without those in `skip`. */
  async waiting(skip) {
    const asked = new URLSearchParams({ queue: this.told.queue, skip: skip.slice(-200).join(","), limit: "20" });
    const found = await this.ask(`${this.told.urls.queue}?${asked}`);
    return found.waiting.map((one) => one.id);
  }

  /** Everything about one clip: what the site tells, its envelope, its sound ready to play. */
  get(id) {
    if (!this.held.has(id)) this.held.set(id, this.fetch(id).catch((error) => (this.held.delete(id), Promise.reject(error))));
    for (const old of [...this.held.keys()].slice(0, -KEPT)) this.held.delete(old);
    return this.held.get(id);
  }

  async fetch(id) {
    const sheet = await this.ask(this.address("one", id));
    const audio = new Audio();
    Object.assign(audio, { preload: "auto", src: sheet.clip.audio_url });
    const peaks = await fetch(sheet.clip.peaks_url).then((answer) => (answer.ok ? answer.json() : null));
    return { id, sheet, audio, peaks };
  }

  forget(id) {
    this.held.delete(id);
  }

  /** What the site tells of a clip now, without its sound anew. */
  refresh(id) {
    return this.ask(this.address("one", id));
  }

  saveDraft(entry, draft, options = {}) {
    const sent = this.send("PUT", this.address("draft", entry.id), entry.sheet.version, draft, options);
    entry.writing = Promise.allSettled([entry.writing, sent]);
    return sent;
  }

  /** Not before what is being saved of the same clip has arrived: a draft that a decision overtakes is stale. */
  async decide(entry, decision) {
    await entry.writing;
    return this.send("POST", this.address("send", entry.id), entry.sheet.version, decision, { keepalive: true });
  }

  send(method, address, version, body, options = {}) {
    const headers = { "Content-Type": "application/json", "If-Match": `"${version}"`, "X-CSRFToken": this.token };
    return this.ask(address, { method, headers, body: JSON.stringify(body), ...options });
  }

  async ask(address, options = {}) {
    const answer = await fetch(address, { headers: { Accept: "application/json" }, ...options });
    if (answer.ok) return answer.json();
    throw new Refusal(answer.status, await answer.json().catch(() => ({})));
  }
}
