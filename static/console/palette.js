// The palette: Ctrl-K, words, Enter. It goes to pages by links, and does things by POST with the token of the page; what
// destroys something asks first. The browser remembers keys of what was used, never titles: the server looks them up.
(() => {
    "use strict";

    const KEPT_AS = "dc-palette-recent";
    const MOST_KEPT = 12;
    const TYPING_PAUSE_MS = 120;
    const POLL_MS = 700;
    const POLLS = 60;

    class Palette {
        constructor(dialog) {
            this.dialog = dialog;
            this.input = dialog.querySelector("input[role=combobox]");
            this.list = dialog.querySelector("[role=listbox]");
            this.ask = dialog.querySelector(".dc-palette-ask");
            this.result = dialog.querySelector(".dc-palette-told");
            this.chosen = 0;
            this.asked = 0;
            this.timer = null;
            this.listen();
        }

        part(name) {
            return this.dialog.querySelector(`[data-part=${name}]`);
        }

        listen() {
            document.addEventListener("keydown", (event) => {
                if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
                event.preventDefault();
                this.dialog.open ? this.dialog.close() : this.open();
            });
            document.addEventListener("click", (event) => event.target.closest("[data-palette-open]") && this.open());
            this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
            this.input.addEventListener("input", () => {
                clearTimeout(this.timer);
                this.timer = setTimeout(() => this.find(), TYPING_PAUSE_MS);
            });
            this.input.addEventListener("keydown", (event) => this.pressed(event));
            this.list.addEventListener("click", (event) => {
                const option = event.target.closest("[role=option]");
                if (option) this.take(option, event.ctrlKey || event.metaKey);
            });
            this.part("yes").addEventListener("click", () => this.act(this.asking));
            this.part("no").addEventListener("click", () => this.back());
        }

        open() {
            document.querySelector("dialog[open]")?.close();
            this.dialog.showModal();
            this.back();
            this.input.value = "";
            this.input.focus();
            this.find();
        }

        back() {
            this.show("list");
            this.input.focus();
        }

        show(name) {
            this.list.hidden = name !== "list";
            this.ask.hidden = name !== "ask";
            this.result.hidden = name !== "result";
        }

        options() {
            return [...this.list.querySelectorAll("[role=option]")];
        }

        async find() {
            clearTimeout(this.timer);
            const number = (this.asked += 1);
            const query = new URLSearchParams({ s: this.input.value, recent: kept().join(",") });
            try {
                const html = await this.get(`${this.dialog.dataset.search}?${query}`, "text");
                if (number !== this.asked) return;
                this.list.innerHTML = html;
                this.found = this.input.value;
                this.show("list");
                this.choose(0);
                this.say(this.dialog.dataset.found.replace("{n}", this.options().length));
            } catch (error) {
                if (number === this.asked) this.say(error.message);
            }
        }

        async get(address, kind, options = {}) {
            const response = await fetch(address, {
                credentials: "same-origin",
                redirect: "manual",
                cache: "no-store",
                signal: AbortSignal.timeout(10000),
                ...options,
            }).catch(() => {
                throw new Error(this.dialog.dataset.noAnswer);
            });
            if (response.type === "opaqueredirect") throw new Error(this.dialog.dataset.signedOut);
            const isJson = (response.headers.get("content-type") ?? "").includes("json");
            if (!response.ok && !isJson) throw new Error(this.dialog.dataset.noAnswer);
            return kind === "text" ? response.text() : response.json();
        }

        choose(place) {
            const options = this.options();
            this.chosen = Math.max(0, Math.min(place, options.length - 1));
            options.forEach((option, number) => option.setAttribute("aria-selected", String(number === this.chosen)));
            const option = options[this.chosen];
            this.input.setAttribute("aria-activedescendant", option?.id ?? "");
            option?.scrollIntoView({ block: "nearest" });
        }

        async pressed(event) {
            const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
            if (event.key in moves) {
                event.preventDefault();
                this.choose(this.chosen + moves[event.key]);
            } else if (event.key === "Enter" && !event.isComposing) {
                event.preventDefault();
                // Enter is about what stands in the field now, not about what was found for less of it.
                if (this.found !== this.input.value) await this.find();
                const option = this.options()[this.chosen];
                if (option && this.found === this.input.value) this.take(option, event.ctrlKey || event.metaKey);
            } else if (event.key === "Escape") {
                // A search field would empty itself first, and need a second one.
                event.preventDefault();
                this.dialog.close();
            } else if (event.key === "?" && this.input.value === "") {
                event.preventDefault();
                this.dialog.close();
                document.dispatchEvent(new CustomEvent("dc:keys"));
            }
        }

        take(option, isOther = false) {
            const address = option.dataset.href;
            if (address) {
                keep(option.dataset.key);
                if (isOther) window.open(address, "_blank", "noopener");
                else location.assign(address);
                return;
            }
            this.asking = { ...option.dataset, once: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
            if (!this.asking.question) {
                this.act(this.asking);
                return;
            }
            this.part("question").textContent = this.asking.question;
            this.part("yes").textContent = this.asking.answer;
            this.show("ask");
            this.say(this.asking.question);
            this.part("yes").focus();
        }

        async act(asked) {
            keep(asked.key);
            this.show("result");
            this.input.focus();
            this.tell({ step: "", text: "", links: [] });
            const body = new URLSearchParams({ verb: asked.verb, app: asked.app, key: asked.once });
            const token = this.dialog.querySelector("[name=csrfmiddlewaretoken]").value;
            try {
                let told = await this.get(this.dialog.dataset.act, "json", {
                    method: "POST",
                    body,
                    headers: { "X-CSRFToken": token },
                });
                this.tell(told);
                for (let turn = 0; told.poll && turn < POLLS && this.dialog.open && !this.result.hidden; turn += 1) {
                    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
                    told = await this.get(told.poll, "json");
                    this.tell(told);
                }
            } catch (error) {
                this.tell({ step: "refused", text: error.message, links: [] });
            }
        }

        tell({ step, text, links }) {
            const order = ["requested", "accepted", "done"];
            for (const item of this.part("steps").children) {
                const name = item.dataset.step;
                item.hidden = name === "refused" ? step !== "refused" : step === "refused" && name !== "requested";
                item.classList.toggle("dc-step-done", name === step || (step !== "" && name === "requested") || (step !== "refused" && order.indexOf(name) <= order.indexOf(step)));
                if (name === step) item.setAttribute("aria-current", "step");
                else item.removeAttribute("aria-current");
            }
            this.part("text").textContent = text;
            this.part("links").replaceChildren(
                ...links.map(({ text: title, href }) => {
                    const link = document.createElement("a");
                    link.className = "dc-link";
                    link.href = href;
                    link.textContent = title;
                    return link;
                }),
            );
            if (step) this.say(`${this.part("steps").querySelector(`[data-step=${step}]`).textContent}: ${text}`);
        }

        say(text) {
            this.part("status").textContent = text;
        }
    }

    function kept() {
        try {
            const known = JSON.parse(localStorage.getItem(KEPT_AS) ?? "[]");
            return Array.isArray(known) ? known.filter((key) => typeof key === "string" && !key.includes(",")) : [];
        } catch {
            return [];
        }
    }

    function keep(key) {
        try {
            localStorage.setItem(KEPT_AS, JSON.stringify([key, ...kept().filter((one) => one !== key)].slice(0, MOST_KEPT)));
        } catch {
            // A browser that keeps nothing has no recent ones.
        }
    }

    document.addEventListener("DOMContentLoaded", () => {
        const dialog = document.getElementById("dc-palette");
        if (dialog) new Palette(dialog);
    });
})();
