// Keys that are valid on this page, the list of them (?), and the switch that turns single letters off for a person.
(() => {
    "use strict";

    const SECOND_KEY_MS = 1500;
    const ROWS = "#result_list tr.data-row, #result_list tbody tr";

    class Keys {
        constructor(dialog) {
            this.dialog = dialog;
            this.goes = 0;
            this.hideWhatIsNotHere();
            document.addEventListener("keydown", (event) => this.pressed(event));
            document.addEventListener("dc:keys", () => this.open());
            document.addEventListener("click", (event) => event.target.closest("[data-keys-open]") && this.open());
            dialog.addEventListener("click", (event) => {
                if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
            });
            dialog.querySelector("[data-part=switch]").addEventListener("change", ({ target }) => this.switch(target.checked));
            // The log viewer has a switch of its own, of the same thing.
            document.addEventListener("dc:single-keys", ({ detail }) => this.switch(detail));
        }

        get isOn() {
            return this.dialog.dataset.singleKeys === "on";
        }

        async switch(isOn) {
            if (isOn === this.isOn) return;
            this.dialog.dataset.singleKeys = isOn ? "on" : "off";
            this.dialog.querySelector("[data-part=switch]").checked = isOn;
            const token = document.querySelector("#dc-palette [name=csrfmiddlewaretoken]").value;
            await fetch(this.dialog.dataset.save, {
                method: "POST",
                credentials: "same-origin",
                headers: { "X-CSRFToken": token },
                body: new URLSearchParams({ single_keys: isOn ? "on" : "off" }),
            }).catch(() => undefined);
        }

        hideWhatIsNotHere() {
            for (const entry of this.dialog.querySelectorAll("[data-if]")) entry.hidden = !document.querySelector(entry.dataset.if);
            for (const entry of this.dialog.querySelectorAll("[data-unless]")) entry.hidden = !!document.querySelector(entry.dataset.unless);
        }

        open() {
            document.querySelector("dialog[open]")?.close();
            this.dialog.showModal();
        }

        pressed(event) {
            if (!this.isOn || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
            const typing = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
            if (event.target.closest?.(typing) || document.querySelector("dialog[open]")) return;
            // A log has keys of its own, and a list of them.
            if (document.querySelector("[data-log-viewer]")) return;
            const action = this.actionOf(event.key);
            if (!action) return;
            event.preventDefault();
            action();
        }

        actionOf(key) {
            const isSecond = performance.now() < this.goes;
            this.goes = 0;
            if (isSecond) {
                const link = [...this.dialog.querySelectorAll("[data-go]")].find((one) => one.dataset.go === key);
                return link && (() => location.assign(link.href));
            }
            const actions = {
                "?": () => this.open(),
                g: () => (this.goes = performance.now() + SECOND_KEY_MS),
            };
            const search = document.getElementById("searchbar");
            if (search) actions["/"] = () => search.focus();
            if (document.querySelector(ROWS)) {
                actions.j = () => this.row(1);
                actions.k = () => this.row(-1);
                actions.o = () => this.current()?.querySelector("th a, td a")?.click();
                actions.x = () => this.current()?.querySelector(".action-select")?.click();
            }
            return actions[key];
        }

        rows() {
            return [...new Set(document.querySelectorAll(ROWS))];
        }

        current() {
            return document.activeElement?.closest?.("#result_list tr");
        }

        row(step) {
            const rows = this.rows();
            const next = rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(this.current()) + step))];
            if (!next) return;
            const target = next.querySelector("th a, td a, .action-select") ?? next;
            target.focus();
            next.scrollIntoView({ block: "nearest" });
        }
    }

    document.addEventListener("DOMContentLoaded", () => {
        const dialog = document.getElementById("dc-keys");
        if (dialog) new Keys(dialog);
    });
})();
