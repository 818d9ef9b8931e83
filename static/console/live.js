// Keeps parts of a page up to date. An element with data-live-url is fetched again when its topic (data-live) has
// another version, and now and then in any case; while there is no socket, every data-live-seconds. Nothing is asked
// while the page is hidden. When that fails, a banner says since when the page is out of date.
(() => {
    "use strict";

    const LONGEST_PAUSE_MS = 30000;
    // With a socket: somebody may have lost a wake-up, or a number may change without a topic.
    const SLOW_LOOK_S = 30;
    const LEAST_PAUSE_MS = 1000;
    const ANNOUNCE_MS = 10000;
    const BANNER_AFTER_MS = 1500;

    class Part {
        constructor(element, page) {
            this.element = element;
            this.page = page;
            this.topic = element.dataset.live || "";
            this.pause = Number(element.dataset.liveSeconds || 2) * 1000;
            this.slowPause = Number(element.dataset.liveSlow || SLOW_LOOK_S) * 1000;
            this.etag = null;
            this.version = null;
            this.failures = 0;
            this.updatedAt = new Date();
            this.askedAt = 0;
            this.isAsking = false;
            this.isDue = false;
            this.isPressed = false;
            this.rows = document.querySelectorAll("tr input.action-select").length;
            this.watchPresses();
            this.followEnds(() => {}, true);
            this.plan();
        }

        get isDone() {
            return this.element.querySelector("[data-live-done]") !== null;
        }

        get isTold() {
            return this.topic !== "" && this.page.isLive;
        }

        // The topic has another version: ask soon, but not more often than once a second.
        changed(version) {
            if (version === this.version) return;
            this.version = version;
            this.isDue = true;
            if (!document.hidden) this.planIn(Math.max(0, this.askedAt + LEAST_PAUSE_MS - Date.now()) + 150 * Math.random());
        }

        plan() {
            clearTimeout(this.timer);
            if (document.hidden || this.page.isEnded) return;
            if (this.isDue) this.planIn(LEAST_PAUSE_MS);
            else if (this.failures) this.planIn(Math.min(this.pause * 2 ** this.failures, LONGEST_PAUSE_MS));
            else if (!this.isDone) this.planIn(this.isTold ? this.slowPause : this.pause);
        }

        planIn(pause) {
            clearTimeout(this.timer);
            this.timer = setTimeout(() => this.update(), pause);
        }

        async update() {
            if (this.isAsking) return;
            this.isAsking = true;
            this.isDue = false;
            this.askedAt = Date.now();
            try {
                const response = await fetch(this.element.dataset.liveUrl, {
                    credentials: "same-origin",
                    redirect: "manual",
                    cache: "no-store",
                    headers: { "X-Live": this.version ?? "1", ...(this.etag ? { "If-None-Match": this.etag } : {}) },
                    signal: AbortSignal.timeout(10000),
                });
                // A redirect goes to the login page: the session has ended.
                if (response.type === "opaqueredirect") this.page.end("signed-out", this.updatedAt);
                else if (response.status === 304) this.stillTrue(response);
                else if (response.ok) this.take(await response.text(), response);
                else throw new Error(response.statusText);
            } catch {
                this.failures += 1;
                this.page.failed();
            }
            this.isAsking = false;
            this.plan();
        }

        stillTrue(response) {
            this.recovered();
            const shown = this.element.querySelector("[data-live-asof] time");
            const text = response.headers.get("X-As-Of");
            if (shown && text) {
                shown.textContent = text;
                shown.dateTime = new Date(response.headers.get("Date") ?? Date.now()).toISOString();
            }
        }

        take(html, response) {
            this.recovered();
            if (this.isBusy()) {
                // What was not shown is asked for again.
                this.isDue = true;
                return;
            }
            this.etag = response.headers.get("ETag");
            const said = this.announcement();
            this.followEnds(() => window.dcLive.morph(this.element, html, this.element.dataset.liveParts));
            this.countRows();
            if (this.announcement() !== said) this.page.announce(this.announcement());
            this.element.dispatchEvent(new CustomEvent("dc:live", { bubbles: true }));
        }

        // Django's script counts the rows it found when the page came; it is told when there are more or fewer.
        countRows() {
            const boxes = document.querySelectorAll("tr input.action-select");
            const isOther = boxes.length !== this.rows;
            this.rows = boxes.length;
            // It looks for the button of the actions, which somebody who may do nothing does not have.
            const button = document.querySelector("#changelist-form button[name=index]");
            if (isOther && boxes.length && button && window.Actions) window.Actions(boxes);
        }

        recovered() {
            this.failures = 0;
            this.updatedAt = new Date();
            this.page.recovered();
        }

        announcement() {
            const said = this.element.querySelector("[data-live-announce]")?.cloneNode(true);
            // That time passes is no news.
            for (const time of said?.querySelectorAll("time") ?? []) time.remove();
            return said?.textContent.replace(/\s+/g, " ").trim() ?? "";
        }

        // Between the press and the release of a button it must stay the same button, or there is no click.
        watchPresses() {
            const release = () => (this.isPressed = false);
            this.element.addEventListener("pointerdown", (event) => (this.isPressed = event.button === 0));
            this.element.addEventListener("keydown", (event) => (this.isPressed = event.key === " "));
            for (const type of ["pointerup", "pointercancel", "keyup"]) window.addEventListener(type, release, true);
            window.addEventListener("blur", release);
        }

        // Nor must somebody who selects text lose the selection, or who has chosen rows find others under the marks.
        isBusy() {
            if (this.isPressed || this.element.querySelector("input.action-select:checked")) return true;
            const selection = document.getSelection();
            return selection !== null && !selection.isCollapsed && this.element.contains(selection.anchorNode);
        }

        // Boxes whose end somebody looks at show their end afterwards as well.
        followEnds(change, isFirst = false) {
            const boxes = [...this.element.querySelectorAll("[data-live-scroll]")];
            const atEnd = new Set(boxes.filter((box) => isFirst || box.scrollHeight - box.scrollTop - box.clientHeight < 8));
            change();
            for (const box of this.element.querySelectorAll("[data-live-scroll]")) {
                if (atEnd.has(box) || !boxes.includes(box)) box.scrollTop = box.scrollHeight;
            }
        }
    }

    class LivePage {
        constructor() {
            this.banner = document.querySelector("[data-live-banner]");
            this.isLive = this.isEnded = false;
            this.lostAt = null;
            this.announcedAt = 0;
            this.parts = [...document.querySelectorAll("[data-live-url]")].map((element) => new Part(element, this));
            const topics = [...new Set(this.parts.map((part) => part.topic).filter(Boolean))];
            const url = this.banner?.dataset.liveSocket;
            if (url && topics.length) this.socket = new window.dcLive.Socket(url, topics, this.ear());
            document.addEventListener("visibilitychange", () => this.seen());
            window.addEventListener("online", () => {
                for (const part of this.parts) if (part.failures && !document.hidden) part.update();
            });
        }

        ear() {
            return {
                open: () => this.opened(),
                changed: (topic, version) => {
                    for (const part of this.parts) if (part.topic === topic) part.changed(version);
                },
                lost: () => this.lost(),
                ended: (reason) => this.end(reason, new Date()),
            };
        }

        opened() {
            this.isLive = true;
            this.lostAt = null;
            clearTimeout(this.bannerTimer);
            this.recovered();
        }

        lost() {
            if (this.lostAt !== null) return;
            this.isLive = false;
            this.lostAt = new Date();
            this.bannerTimer = setTimeout(() => this.recovered(), BANNER_AFTER_MS);
            for (const part of this.parts) if (part.topic) part.plan();
        }

        seen() {
            for (const part of this.parts) {
                if (document.hidden) clearTimeout(part.timer);
                else if (!part.isDone || part.isDue) part.update();
            }
        }

        end(reason, since) {
            this.isEnded = true;
            for (const part of this.parts) clearTimeout(part.timer);
            this.show(reason, since);
        }

        failed() {
            if (!this.isEnded) this.show("cut-off", new Date(Math.min(...this.parts.map((part) => part.updatedAt))));
        }

        // Everything that was asked for was answered: what is left to say is that there is no socket.
        recovered() {
            if (this.isEnded || this.parts.some((part) => part.failures)) return;
            if (this.lostAt !== null && Date.now() - this.lostAt >= BANNER_AFTER_MS) this.show("polling", this.lostAt);
            else this.hide();
        }

        show(reason, since) {
            const text = this.banner?.getAttribute(`data-text-${reason}`);
            if (!text) return;
            const clock = since.toLocaleTimeString([], { hour12: false });
            if (this.banner.dataset.shown === `${reason} ${clock}`) return;
            this.banner.dataset.shown = `${reason} ${clock}`;
            const time = document.createElement("time");
            time.textContent = clock;
            time.dateTime = since.toISOString();
            const [before, after] = text.split("%s");
            this.banner.replaceChildren(before, time, after ?? "");
            this.banner.hidden = false;
        }

        hide() {
            if (!this.banner) return;
            this.banner.hidden = true;
            this.banner.dataset.shown = "";
        }

        // Read out when the reader is done with what it reads, and not more often than somebody can listen to.
        announce(text) {
            const place = document.querySelector("[data-live-status]");
            if (!place || !text) return;
            clearTimeout(this.announcing);
            const say = () => {
                this.announcedAt = Date.now();
                place.textContent = text;
            };
            this.announcing = setTimeout(say, Math.max(0, this.announcedAt + ANNOUNCE_MS - Date.now()));
        }
    }

    // A button that was pressed says so until its answer is there.
    function watchButtons() {
        document.addEventListener("submit", (event) => {
            const button = event.submitter;
            const text = document.querySelector("[data-live-banner]")?.getAttribute("data-text-requested");
            if (event.defaultPrevented || !button || !text || !button.closest("[data-live-url]")) return;
            button.setAttribute("aria-busy", "true");
            button.setAttribute("data-live-keep", "");
            // After the form was sent: a disabled button sends no value.
            setTimeout(() => {
                button.disabled = true;
                button.textContent = text;
            });
        });
        // Somebody who comes back finds buttons that can be pressed.
        window.addEventListener("pageshow", (event) => event.persisted && location.reload());
    }

    document.addEventListener("DOMContentLoaded", () => {
        if (document.querySelector("[data-live-url]")) {
            new LivePage();
            watchButtons();
        }
        for (const field of document.querySelectorAll("[data-select-on-focus]")) {
            field.addEventListener("focus", () => field.select());
        }
    });
})();
