// The timeline is drawn by the server, and links above it move and zoom. This adds what links cannot: dragging over a
// part of the range, and keys while the picture or the links have the focus.
(() => {
    "use strict";

    const LEAST_PX = 6;
    const FOCUS = "dc-timeline-focus";
    let drag = null;

    const chartOf = (target) => target.closest?.("[data-timeline]");

    function trackOf(chart) {
        return chart.querySelector("[data-track]").getBoundingClientRect();
    }

    function mark(chart, left, right) {
        const box = chart.getBoundingClientRect();
        drag.mark.style.left = `${left - box.left}px`;
        drag.mark.style.width = `${right - left}px`;
    }

    function begin(event) {
        const chart = chartOf(event.target);
        if (!chart || event.button !== 0 || !event.target.closest(".dc-tl-track")) return;
        drag = { chart, from: event.clientX, to: event.clientX, mark: document.createElement("div"), isOn: false };
        drag.mark.className = "dc-tl-selection";
    }

    function move(event) {
        if (!drag) return;
        const track = trackOf(drag.chart);
        drag.to = Math.min(track.right, Math.max(track.left, event.clientX));
        if (!drag.isOn && Math.abs(drag.to - drag.from) < LEAST_PX) return;
        if (!drag.isOn) drag.chart.append(drag.mark);
        drag.isOn = true;
        mark(drag.chart, Math.min(drag.from, drag.to), Math.max(drag.from, drag.to));
        event.preventDefault();
    }

    function end() {
        if (!drag) return;
        const { chart, isOn, from, to } = drag;
        drag.mark.remove();
        drag = null;
        if (!isOn) return;
        // The click that follows would open the run under the mouse.
        window.addEventListener("click", (event) => event.preventDefault(), { capture: true, once: true });
        const track = trackOf(chart);
        const first = Date.parse(chart.dataset.begin);
        const length = Date.parse(chart.dataset.end) - first;
        const moment = (x) => new Date(first + (length * (x - track.left)) / track.width);
        const query = new URLSearchParams(chart.dataset.kept);
        const [low, high] = [moment(Math.min(from, to)), moment(Math.max(from, to))];
        // Shorter than a minute is no range.
        query.set("from", low.toISOString());
        query.set("to", new Date(Math.max(high, low.getTime() + 60000)).toISOString());
        location.search = query.toString();
    }

    function cancel() {
        drag?.mark.remove();
        drag = null;
    }

    function press(event) {
        if (event.key === "Escape") return cancel();
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (!chartOf(event.target) && !event.target.closest?.(".dc-tl-tools")) return;
        const key = { "=": "+", _: "-", Home: "0" }[event.key] || event.key;
        const link = document.querySelector(`.dc-tl-tools [data-key="${CSS.escape(key)}"]`);
        if (!link) return;
        event.preventDefault();
        sessionStorage.setItem(FOCUS, "1");
        link.click();
    }

    document.addEventListener("pointerdown", begin);
    document.addEventListener("pointermove", move);
    document.addEventListener("pointerup", end);
    document.addEventListener("pointercancel", cancel);
    document.addEventListener("keydown", press);
    document.addEventListener("dragstart", (event) => chartOf(event.target) && event.preventDefault());
    if (sessionStorage.getItem(FOCUS)) {
        sessionStorage.removeItem(FOCUS);
        document.querySelector("[data-timeline]")?.focus({ preventScroll: true });
    }
})();
