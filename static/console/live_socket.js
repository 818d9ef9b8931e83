// One WebSocket for a page: tells parts of the page when a topic has another version (docs/api.md, "WebSockets").
window.dcLive = window.dcLive || {};
(() => {
    "use strict";

    const LONGEST_PAUSE_MS = 15000;
    const ENDED = { 4401: "signed-out", 4403: "not-allowed" };

    window.dcLive.Socket = class {
        // told: {changed(topic, version), open(), lost(), ended(reason)}
        constructor(url, topics, told) {
            this.url = new URL(url, location.href);
            this.url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
            this.topics = topics;
            this.told = told;
            this.failures = 0;
            this.socket = null;
            this.isEnded = false;
            window.addEventListener("online", () => this.again(0));
            // Nobody waits for a page that is being left.
            window.addEventListener("pagehide", () => this.leave());
            window.addEventListener("pageshow", (event) => event.persisted && this.again(0));
            this.connect();
        }

        connect() {
            clearTimeout(this.timer);
            if (this.isEnded || this.socket !== null) return;
            const socket = new WebSocket(this.url);
            this.socket = socket;
            socket.onmessage = (event) => this.heard(JSON.parse(event.data));
            socket.onclose = (event) => socket === this.socket && this.lost(event);
        }

        heard({ type, data }) {
            if (type === "hello") {
                this.say("subscribe", { topics: this.topics });
                this.ping = setInterval(() => this.say("ping"), data.ping_s * 1000);
            } else if (type === "subscribed") {
                this.failures = 0;
                this.told.open();
                for (const [topic, version] of Object.entries(data.topics)) this.told.changed(topic, version);
            } else if (type === "changed") {
                for (const [topic, { version }] of Object.entries(data.topics)) this.told.changed(topic, version);
            }
        }

        say(type, rest) {
            if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type, ...rest }));
        }

        lost(event) {
            this.socket = null;
            clearInterval(this.ping);
            if (event.code in ENDED) {
                this.isEnded = true;
                this.told.ended(ENDED[event.code]);
                return;
            }
            this.told.lost();
            // Somewhat later each time, and not all pages at once.
            this.again(Math.min(500 * 2 ** this.failures, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2));
            this.failures += 1;
        }

        again(pause) {
            clearTimeout(this.timer);
            this.timer = setTimeout(() => this.connect(), pause);
        }

        leave() {
            clearTimeout(this.timer);
            clearInterval(this.ping);
            const socket = this.socket;
            this.socket = null;
            socket?.close();
        }
    };
})();
