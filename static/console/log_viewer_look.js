// How lines look, remembered in this browser: wrapped, with loggers, in which time; and the whole screen.

const KEPT_AS = "dc-log-look";
const TIMES = ["local", "utc", "relative"];

// Kept with the person, not in this browser (keys.js).
function singleKeys() {
    return document.getElementById("dc-keys")?.dataset.singleKeys !== "off";
}

export class Look {
    // told: {changed()}
    constructor(root, part, told) {
        this.root = root;
        this.part = part;
        this.told = told;
        this.values = { wrap: innerWidth < 640, source: false, time: "local", ...this.kept(), keys: singleKeys() };
        part("view").addEventListener("change", ({ target }) => {
            this.set(target.type === "radio" ? { time: target.value } : { [target.name]: target.checked });
        });
        part("keys-switch").addEventListener("change", ({ target }) => {
            this.set({ keys: target.checked });
            document.dispatchEvent(new CustomEvent("dc:single-keys", { detail: target.checked }));
        });
        document.addEventListener("fullscreenchange", () => document.fullscreenElement || this.toggleFull(false));
        this.show();
    }

    kept() {
        try {
            return JSON.parse(localStorage.getItem(KEPT_AS) ?? "{}");
        } catch {
            return {};
        }
    }

    set(changes) {
        Object.assign(this.values, changes);
        try {
            localStorage.setItem(KEPT_AS, JSON.stringify(this.values));
        } catch {
            // A browser that keeps nothing shows it this way until the page is left.
        }
        this.show();
        this.told.changed();
    }

    toggle(name) {
        this.set({ [name]: !this.values[name] });
    }

    nextTime() {
        this.set({ time: TIMES[(TIMES.indexOf(this.values.time) + 1) % TIMES.length] });
    }

    show() {
        this.root.classList.toggle("dc-lv-wrap", this.values.wrap);
        this.part("keys-switch").checked = this.values.keys;
        for (const field of this.part("view").querySelectorAll("input")) {
            field.checked = field.type === "radio" ? this.values.time === field.value : this.values[field.name];
        }
    }

    get isFull() {
        return this.root.classList.contains("dc-lv-full");
    }

    toggleFull(isFull = !this.isFull) {
        this.root.classList.toggle("dc-lv-full", isFull);
        this.root.querySelector('[data-do="full"]').setAttribute("aria-pressed", String(isFull));
        // Somebody may have changed their mind before the browser was done.
        if (isFull) this.root.requestFullscreen?.().then(() => this.isFull || this.leaveFullscreen(), () => undefined);
        else this.leaveFullscreen();
    }

    leaveFullscreen() {
        if (document.fullscreenElement) document.exitFullscreen().catch(() => undefined);
    }
}
