// Time somebody spent on a clip: what lies between two signs of life counts, up to the seconds after which they idle.

export class Stopwatch {
  constructor(idleSeconds, now = () => performance.now() / 1000) {
    this.idle = idleSeconds;
    this.now = now;
    this.begin();
  }

  begin() {
    this.spent = 0;
    this.last = this.now();
  }

  /** A key, a click, or sound that plays. */
  touch() {
    const now = this.now();
    this.spent += Math.min(now - this.last, this.idle);
    this.last = now;
  }

  get seconds() {
    this.touch();
    return Math.round(this.spent * 100) / 100;
  }
}
