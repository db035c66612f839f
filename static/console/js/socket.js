// The one way to /ws/events. A subscription survives its connection: each remembers the
// position it has reached and goes on from there, so a reconnect neither loses nor repeats.

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const STABLE_MS = 5_000;
const SILENCE_MAX_MS = 75_000;
const ENDED_CODES = new Set([4401, 4403]);

/** States told to `onState`: connecting, open, waiting (reconnects by itself), ended (will not). */
export class EventSocket {
  #url;
  #onState;
  #isWelcome;
  #subscriptions = new Map();
  #socket = null;
  #failures = 0;
  #retry = null;
  #silence = null;
  #stable = null;

  /** `isWelcome()` resolves to false when the session has ended; asked after a refused connection. */
  constructor({ url = addressOf("/ws/events"), onState = () => {}, isWelcome = async () => true } = {}) {
    this.#url = url;
    this.#onState = onState;
    this.#isWelcome = isWelcome;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#hurry(); });
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (event) => { if (event.persisted) this.#connect(); });
  }

  /**
   * Ask for events: those of `streams` (prefixes of id paths; none: all) called one of `names`
   * (none: all), from after the position `after` (undefined: from now on).
   */
  subscribe(id, { streams = [], names = [], after, onEvent, onSubscribed = () => {}, onError = () => {} }) {
    this.#subscriptions.set(id, { streams, names, after, onEvent, onSubscribed, onError });
    if (this.#isOpen()) this.#ask(id);
    else this.#connect();
  }

  /** Stop asking, and return the position up to which everything was handed over. */
  unsubscribe(id) {
    const after = this.#subscriptions.get(id)?.after;
    this.#subscriptions.delete(id);
    if (this.#isOpen()) this.#send({ type: "unsubscribe", data: { sub_id: id } });
    return after;
  }

  /** Leave. `subscribe` would connect again. */
  close() {
    clearTimeout(this.#retry);
    const socket = this.#socket;
    this.#socket = null;
    this.#calm();
    socket?.close(1000);
  }

  #isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #connect() {
    if (this.#socket || this.#subscriptions.size === 0) return;
    clearTimeout(this.#retry);
    this.#onState("connecting");
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.addEventListener("open", () => this.#opened(socket));
    socket.addEventListener("message", (message) => this.#received(socket, message.data));
    socket.addEventListener("close", (event) => this.#closed(socket, event));
  }

  #opened(socket) {
    if (socket !== this.#socket) return;
    // A server that accepts and then drops us must not be asked in a tight loop.
    this.#stable = setTimeout(() => { this.#failures = 0; }, STABLE_MS);
    this.#listen();
    for (const id of this.#subscriptions.keys()) this.#ask(id);
    this.#onState("open");
  }

  #ask(id) {
    const { streams, names, after } = this.#subscriptions.get(id);
    const data = { sub_id: id, aggregate_ids: streams, event_types: names };
    if (after !== undefined) data.after = after;
    this.#send({ type: "subscribe", data });
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #received(socket, text) {
    if (socket !== this.#socket) return;
    this.#listen();
    const frame = JSON.parse(text);
    const subscription = this.#subscriptions.get(frame.sub_id);
    switch (frame.type) {
      case "subscribed":
        if (!subscription) return;
        subscription.after ??= frame.position;
        subscription.onSubscribed(frame);
        return;
      case "heartbeat":
      case "unsubscribed":
      case "lagging": // The close that follows makes us go on from where we are.
        return;
      case "error":
        if (subscription) subscription.onError(frame);
        else console.warn(`The feed refused a message: ${frame.code}`);
        return;
      default:
        this.#handOver(subscription, frame);
    }
  }

  #handOver(subscription, frame) {
    if (!subscription || frame.position <= (subscription.after ?? 0)) return;
    subscription.after = frame.position;
    subscription.onEvent(frame);
  }

  #listen() {
    clearTimeout(this.#silence);
    // The server sends heartbeats. A line that is silent for longer is dead, whatever TCP thinks.
    this.#silence = setTimeout(() => this.#socket?.close(4000, "silent"), SILENCE_MAX_MS);
  }

  #calm() {
    clearTimeout(this.#silence);
    clearTimeout(this.#stable);
  }

  #closed(socket, event) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#calm();
    if (ENDED_CODES.has(event.code)) {
      this.#end();
      return;
    }
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#failures);
    this.#failures += 1;
    const wait = ceiling / 2 + Math.random() * (ceiling / 2);
    this.#onState("waiting", { seconds: Math.ceil(wait / 1000) });
    this.#retry = setTimeout(() => this.#connect(), wait);
    this.#askWhetherWelcome();
  }

  async #askWhetherWelcome() {
    // A refused handshake does not tell the page why. The server may also be away: no verdict.
    const isWelcome = await this.#isWelcome().catch(() => true);
    if (!isWelcome) this.#end();
  }

  #end() {
    this.#subscriptions.clear();
    this.close();
    this.#onState("ended");
  }

  #hurry() {
    if (!this.#socket && this.#subscriptions.size > 0) {
      this.#failures = 0;
      this.#connect();
    }
  }
}

function addressOf(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
