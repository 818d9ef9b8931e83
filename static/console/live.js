// Keeps parts of a page up to date: an element with data-live-url is fetched again every data-live-seconds while the
// page is visible, and its content replaced. When that fails, a banner says since when the page is out of date.
(() => {
    "use strict";

    const LONGEST_PAUSE_MS = 30000;

    class Live {
        constructor(element) {
            this.element = element;
            this.pause = Number(element.dataset.liveSeconds || 2) * 1000;
            this.failures = 0;
            this.updatedAt = new Date();
            this.timer = null;
            this.shown = element.innerHTML;
            this.banner = document.querySelector("[data-live-banner]");
            this.isPressed = false;
            this.watchPresses();
            this.scrollToEnds();
            this.plan();
        }

        get isDone() {
            return this.element.querySelector("[data-live-done]") !== null;
        }

        plan() {
            clearTimeout(this.timer);
            if (this.isDone || document.hidden) return;
            this.timer = setTimeout(() => this.update(), Math.min(this.pause * 2 ** this.failures, LONGEST_PAUSE_MS));
        }

        async update() {
            try {
                const response = await fetch(this.element.dataset.liveUrl, {
                    credentials: "same-origin",
                    redirect: "manual",
                    cache: "no-store",
                    signal: AbortSignal.timeout(10000),
                });
                // A redirect goes to the login page: the session has ended.
                if (response.type === "opaqueredirect") throw new Error("Signed out; not updated");
                if (!response.ok) throw new Error("Not updated");
                this.show(await response.text());
            } catch (error) {
                this.failures += 1;
                this.warn(error.message.startsWith("Signed out") ? error.message : "Not updated");
            }
            this.plan();
        }

        show(html) {
            this.failures = 0;
            this.updatedAt = new Date();
            if (this.banner) this.banner.hidden = true;
            if (html === this.shown || this.isBusy()) return;
            const focused = this.indexOfFocus();
            const scrolls = this.scrolls();
            this.element.innerHTML = html;
            this.shown = html;
            this.restore(scrolls);
            if (focused >= 0) this.focusable()[focused]?.focus({ preventScroll: true });
        }

        // Between the press and the release of a button it must stay the same button, or there is no click.
        watchPresses() {
            const release = () => (this.isPressed = false);
            this.element.addEventListener("pointerdown", (event) => (this.isPressed = event.button === 0));
            this.element.addEventListener("keydown", (event) => (this.isPressed = event.key === " "));
            for (const type of ["pointerup", "pointercancel", "keyup"]) window.addEventListener(type, release, true);
            window.addEventListener("blur", release);
        }

        // Nor must somebody who selects text lose the selection under the mouse.
        isBusy() {
            if (this.isPressed) return true;
            const selection = document.getSelection();
            return selection !== null && !selection.isCollapsed && this.element.contains(selection.anchorNode);
        }

        focusable() {
            return [...this.element.querySelectorAll("a, button, [tabindex]")];
        }

        indexOfFocus() {
            return this.focusable().indexOf(document.activeElement);
        }

        scrolls() {
            return new Map(
                [...this.element.querySelectorAll("[data-live-scroll]")].map((box) => [
                    box.dataset.liveScroll,
                    { top: box.scrollTop, atEnd: box.scrollHeight - box.scrollTop - box.clientHeight < 8 },
                ]),
            );
        }

        restore(scrolls) {
            for (const box of this.element.querySelectorAll("[data-live-scroll]")) {
                const before = scrolls.get(box.dataset.liveScroll);
                box.scrollTop = !before || before.atEnd ? box.scrollHeight : before.top;
            }
        }

        scrollToEnds() {
            this.restore(new Map());
        }

        warn(reason) {
            if (!this.banner) return;
            this.banner.querySelector("[data-live-reason]").textContent = reason;
            const since = this.banner.querySelector("[data-live-since]");
            since.textContent = this.updatedAt.toLocaleTimeString([], { hour12: false });
            since.dateTime = this.updatedAt.toISOString();
            this.banner.hidden = false;
        }
    }

    document.addEventListener("DOMContentLoaded", () => {
        const parts = [...document.querySelectorAll("[data-live-url]")].map((element) => new Live(element));
        document.addEventListener("visibilitychange", () => {
            for (const part of parts) {
                if (document.hidden) clearTimeout(part.timer);
                else if (!part.isDone) part.update();
            }
        });
        window.addEventListener("online", () => {
            for (const part of parts) if (part.failures && !document.hidden) part.update();
        });
        for (const field of document.querySelectorAll("[data-select-on-focus]")) {
            field.addEventListener("focus", () => field.select());
        }
    });
})();
