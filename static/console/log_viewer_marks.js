// Marked lines: in the address of the page (#L120, #L120-140), copied, downloaded.

import { ask } from "./log_viewer_live.js";
import { lineAsText } from "./log_viewer_rows.js";

const MOST_COPIED = 5000;
const ASKED_AT_ONCE = 500;

export class Marks {
    constructor(viewer) {
        this.viewer = viewer;
        this.range = null;
        this.anchor = null;
        viewer.part("list").addEventListener("copy", (event) => this.copySelection(event));
        window.addEventListener("hashchange", () => {
            this.read();
            if (this.range) viewer.goTo(this.range[0]);
        });
    }

    has(number) {
        return this.range !== null && number >= this.range[0] && number <= this.range[1];
    }

    read() {
        const found = /^#L(\d{1,15})(?:-L?(\d{1,15}))?$/.exec(location.hash);
        this.range = found ? [Number(found[1]), Number(found[2] ?? found[1])].sort((a, b) => a - b) : null;
        this.show();
    }

    mark(number, isRange) {
        this.anchor = isRange && this.anchor ? this.anchor : number;
        const [low, high] = [this.anchor, number].sort((a, b) => a - b);
        this.keep(`#L${low}${high > low ? `-${high}` : ""}`);
        this.viewer.unfollow();
    }

    clear() {
        this.keep("");
    }

    keep(hash) {
        history.replaceState(history.state, "", `${location.pathname}${location.search}${hash}`);
        this.read();
    }

    show() {
        const { viewer } = this;
        viewer.part("selection").hidden = this.range === null;
        if (this.range) {
            const [low, high] = this.range;
            viewer.part("selected").textContent = viewer.texts.selected.replace("{n}", (high - low + 1).toLocaleString());
            viewer.part("selection-download").href = `${viewer.url}download/?form=text&from=${low}&to=${high}`;
        }
        viewer.remark(viewer.list.shown);
    }

    async copyLines() {
        const { viewer } = this;
        const [low, high] = this.range;
        if (high - low >= MOST_COPIED) {
            viewer.status.complain(viewer.texts.too_many_to_copy.replace("{n}", MOST_COPIED));
            return;
        }
        const texts = [];
        try {
            for (let from = low; from <= high; ) {
                const answer = await ask(`${viewer.url}lines/?from=${from}&to=${Math.min(high, from + ASKED_AT_ONCE - 1)}`);
                if (answer.lines.length === 0) break;
                texts.push(...answer.lines.map(lineAsText));
                from = answer.lines.at(-1).n + 1;
            }
        } catch {
            viewer.status.complain(viewer.texts.no_answer);
            return;
        }
        await this.copy(texts.join("\n"));
    }

    async copy(text) {
        try {
            await navigator.clipboard.writeText(text);
            this.viewer.status.announce(this.viewer.texts.copied);
        } catch {
            this.viewer.status.complain(this.viewer.texts.not_copied);
        }
    }

    // A selection over several rows becomes whole lines, without the buttons between them.
    copySelection(event) {
        const selection = document.getSelection();
        const { list, store } = this.viewer;
        if (!selection?.rangeCount || !list.box.contains(selection.getRangeAt(0).commonAncestorContainer)) return;
        const rows = [...list.rows.children].filter((row) => selection.getRangeAt(0).intersectsNode(row));
        if (rows.length < 2) return;
        const lines = rows.map((row) => store.get(Number(row.dataset.n))).filter((row) => row && !row.swept);
        event.clipboardData.setData("text/plain", lines.map(lineAsText).join("\n"));
        event.preventDefault();
    }
}
