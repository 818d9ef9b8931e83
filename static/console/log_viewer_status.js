// What is said around the lines: the run, the connection, counts, complaints, and what a screen reader hears.

import { MOST_MATCHES } from "./log_viewer_scans.js";

const ANNOUNCE_MS = 5000;

export class Status {
    constructor(viewer) {
        this.viewer = viewer;
        this.texts = viewer.texts;
        this.unannounced = 0;
        this.announcedAt = -ANNOUNCE_MS;
    }

    set(name, text) {
        const part = this.viewer.part(name);
        if (part.textContent !== text) part.textContent = text;
        return part;
    }

    counted(name, count) {
        return this.texts[count === 1 ? `${name}_one` : `${name}_many`].replace("{n}", count.toLocaleString());
    }

    showCounts() {
        const { viewer, texts } = this;
        const { source, scan } = viewer;
        viewer.part("follow").setAttribute("aria-pressed", String(viewer.isFollowing));
        viewer.part("pause").setAttribute("aria-pressed", String(viewer.isPaused));
        this.set("new", `↓ ${this.counted("new", viewer.news)}`).hidden = viewer.isFollowing || viewer.news === 0;
        this.set("size", this.counted("line", viewer.all.size));
        let shown = "";
        if (scan?.isFull) shown = texts.too_many.replace("{m}", MOST_MATCHES.toLocaleString());
        else if (scan) shown = texts[scan.isDone ? "filtered" : "filtering"].replace("{n}", source.size.toLocaleString());
        this.set("filtered", shown);
        const nothing = viewer.run.is_open ? "nothing_said_open" : "nothing_said";
        const isEmpty = source.size === 0 && (scan === null || scan.isDone);
        this.set("empty", texts[scan ? "nothing_shown" : nothing]).hidden = !isEmpty;
    }

    // A reader of the screen hears a number now and then, not every line.
    announceLines(count) {
        this.unannounced += count;
        if (this.unannounced === 0 || this.timer !== undefined) return;
        const wait = Math.max(0, this.announcedAt + ANNOUNCE_MS - performance.now());
        this.timer = setTimeout(() => {
            this.timer = undefined;
            this.announcedAt = performance.now();
            this.announce(this.counted("new", this.unannounced));
            this.unannounced = 0;
        }, wait);
    }

    announce(text) {
        this.set("announcer", text);
    }

    showRun(run) {
        const { texts } = this;
        const state = this.viewer.part("state");
        const word = texts[`state_${run.state}`] ?? run.label;
        if (state.textContent.trim() !== word) {
            const label = document.createElement("span");
            label.className = `dc-lv-state dc-lv-${run.colour}`;
            label.textContent = word;
            state.replaceChildren(label);
        }
        const parts = [];
        if (run.is_open && run.progress !== null) {
            parts.push(texts.progress.replace("{p}", run.progress).replace("{size}", run.task_size.toLocaleString()));
        } else if (run.solved) parts.push(texts.done.replace("{n}", run.solved.toLocaleString()));
        if (run.failed) parts.push(texts.failed.replace("{n}", run.failed.toLocaleString()));
        this.set("progress", parts.join(", "));
        this.set("cause", run.is_open ? "" : run.cause);
    }

    showConnection(name, since, seconds) {
        this.set("connection", name === "live" && this.viewer.run.is_open ? this.texts.live : "");
        if (name === "live") {
            this.warn("");
            return;
        }
        const time = since ? since.toLocaleTimeString([], { hour12: false }) : "";
        this.warn(this.texts[name].replace("{time}", time).replace("{s}", seconds));
    }

    warn(text) {
        this.set("banner", text).hidden = text === "";
    }

    complain(text) {
        this.set("complaint", text).hidden = text === "";
    }
}
