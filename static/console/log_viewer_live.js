// Follows the run: over a WebSocket, and by asking while there is none. Every line is handed on once, in order.

const POLL_MS = 2000;
const LONGEST_PAUSE_MS = 15000;
// Further behind than this, the lines between are fetched when somebody looks at them.
const FAR_BEHIND = 5000;
const ENDED = { 4401: "signed_out", 4403: "not_allowed", 4404: "gone" };

export class SignedOut extends Error {}

// JSON from an address of this page. Throws SignedOut, or an Error with what the server says.
export async function ask(url, signal) {
    const timeout = AbortSignal.timeout(20000);
    const response = await fetch(url, {
        credentials: "same-origin",
        redirect: "manual",
        cache: "no-store",
        headers: { Accept: "application/json" },
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    if (response.type === "opaqueredirect") throw new SignedOut("signed_out");
    if (response.status === 403) throw new SignedOut("not_allowed");
    if (response.status === 404) throw new SignedOut("gone");
    if (response.ok) return response.json();
    const error = new Error(response.status < 500 ? (await response.json().catch(() => ({}))).error : undefined);
    error.status = response.status;
    throw error;
}

export class Live {
    // told: {lines(rows), run(run), skip(head), state(name, since), ended(name)}
    constructor(socketUrl, linesUrl, cursor, told) {
        this.socketUrl = new URL(socketUrl, location.href);
        this.socketUrl.protocol = location.protocol === "https:" ? "wss:" : "ws:";
        this.linesUrl = linesUrl;
        this.cursor = cursor;
        this.told = told;
        this.failures = 0;
        this.lostAt = null;
        this.isPolling = false;
        this.isCutOff = false;
        this.isEnded = false;
        this.socket = null;
        window.addEventListener("online", () => this.again(0));
        document.addEventListener("visibilitychange", () => {
            if (!document.hidden && this.socket === null) this.again(0);
        });
        this.connect();
    }

    connect() {
        clearTimeout(this.timer);
        if (this.isEnded || this.socket !== null) return;
        const socket = new WebSocket(this.socketUrl);
        this.socket = socket;
        socket.onmessage = (event) => this.heard(JSON.parse(event.data));
        socket.onclose = (event) => this.lost(event);
    }

    heard(frame) {
        if (frame.type === "hello") this.greeted(frame.data);
        else if (frame.type === "lines") this.take(frame.data.lines);
        else if (frame.type === "run") this.told.run(frame.data);
    }

    greeted({ head, run }) {
        this.failures = 0;
        this.lostAt = null;
        this.isPolling = this.isCutOff = false;
        clearTimeout(this.pollTimer);
        if (head - this.cursor > FAR_BEHIND) {
            this.cursor = head;
            this.told.skip(head);
        }
        this.socket.send(JSON.stringify({ type: "follow", after: this.cursor }));
        this.told.run(run);
        this.told.state("live");
    }

    take(rows) {
        const fresh = rows.filter((row) => row.n > this.cursor);
        if (fresh.length === 0) return;
        this.cursor = fresh.at(-1).n;
        this.told.lines(fresh);
    }

    lost(event) {
        this.socket = null;
        if (event.code in ENDED) {
            this.end(ENDED[event.code]);
            return;
        }
        this.lostAt ??= new Date();
        // Too slow, or a server that restarts: nothing is wrong with the address, so it is tried again at once.
        this.again(event.code === 4408 ? 0 : Math.min(500 * 2 ** this.failures, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2));
        this.failures += 1;
        if (!this.isPolling) {
            this.isPolling = true;
            this.pollTimer = setTimeout(() => this.poll(), event.code === 4408 ? POLL_MS : 200);
        }
    }

    again(pause) {
        clearTimeout(this.timer);
        if (!this.isEnded) this.timer = setTimeout(() => this.connect(), pause);
    }

    async poll() {
        if (!this.isPolling || this.isEnded) return;
        let pause = document.hidden ? 5 * POLL_MS : POLL_MS;
        try {
            const answer = await ask(`${this.linesUrl}?after=${this.cursor}`);
            if (!this.isPolling) return;
            // The server is back: the socket need not wait for its turn.
            if (this.isCutOff) this.again(0);
            this.isCutOff = false;
            if (answer.head - this.cursor > FAR_BEHIND) {
                this.cursor = answer.head;
                this.told.skip(answer.head);
            } else this.take(answer.lines);
            if (this.cursor < answer.head) pause = 100;
            this.told.run(answer.run);
            this.told.state("polling", this.lostAt, POLL_MS / 1000);
        } catch (error) {
            if (error instanceof SignedOut) {
                this.end(error.message);
                return;
            }
            // A question from before the socket was back says nothing about now.
            if (!this.isPolling) return;
            this.isCutOff = true;
            this.told.state("cut_off", this.lostAt);
        }
        this.pollTimer = setTimeout(() => this.poll(), pause);
    }

    end(name) {
        this.isEnded = true;
        clearTimeout(this.timer);
        clearTimeout(this.pollTimer);
        this.told.ended(name);
    }
}
