// Makes a part of a page say what its new HTML says, and leaves alone what did not change: elements stay the same, so
// focus, scroll positions, open details, what somebody typed and what scripts did to them stay too.
window.dcLive = window.dcLive || {};
(() => {
    "use strict";

    // What the server said last of an element. What a script or a person changed since is not the server's.
    const saidLast = new WeakMap();

    const attributesOf = (element) => new Map([...element.attributes].map(({ name, value }) => [name, value]));

    function patchAttributes(old, fresh) {
        const before = saidLast.get(old) ?? attributesOf(old);
        const now = attributesOf(fresh);
        for (const [name, value] of now) if (before.get(name) !== value) old.setAttribute(name, value);
        for (const name of before.keys()) if (!now.has(name)) old.removeAttribute(name);
        saidLast.set(old, now);
    }

    const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || "" : "");

    function isSame(old, fresh) {
        return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && keyOf(old) === keyOf(fresh);
    }

    function patch(old, fresh) {
        if (old.nodeType !== Node.ELEMENT_NODE) {
            if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
            return;
        }
        if (old.hasAttribute("data-live-keep")) return;
        patchAttributes(old, fresh);
        patchChildren(old, fresh);
    }

    function patchChildren(old, fresh) {
        const wanted = [...fresh.childNodes];
        const byKey = new Map([...old.childNodes].filter(keyOf).map((node) => [keyOf(node), node]));
        let place = old.firstChild;
        for (const node of wanted) {
            const known = byKey.get(keyOf(node));
            if (known && isSame(known, node)) {
                if (known === place) place = place.nextSibling;
                else old.insertBefore(known, place);
                patch(known, node);
            } else if (place && !keyOf(place) && isSame(place, node)) {
                const next = place.nextSibling;
                patch(place, node);
                place = next;
            } else old.insertBefore(document.importNode(node, true), place);
        }
        while (place) {
            const next = place.nextSibling;
            place.remove();
            place = next;
        }
    }

    // Who has the focus on a link keeps it on that link, wherever it is now.
    function keepingFocus(root, change) {
        const active = document.activeElement;
        const href = root.contains(active) ? active.getAttribute("href") : null;
        const place = root.contains(active) ? focusable(root).indexOf(active) : -1;
        change();
        if (place < 0) return;
        const now = document.activeElement;
        if (href !== null && now.getAttribute("href") !== href) {
            const moved = [...root.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === href);
            if (moved) moved.focus({ preventScroll: true });
        } else if (!root.contains(now)) focusable(root)[place]?.focus({ preventScroll: true });
    }

    const focusable = (root) => [...root.querySelectorAll("a, button, input, select, textarea, summary, [tabindex]")];

    // `selectors` name what is to be changed inside of root; where one of them is not in both, root is changed as a whole.
    window.dcLive.morph = (root, html, selectors) => {
        const fresh = new DOMParser().parseFromString(`<body>${html}</body>`, "text/html").body;
        const pairs = (selectors?.split(",") ?? []).map((one) => [root.querySelector(one), fresh.querySelector(one)]);
        keepingFocus(root, () => {
            if (!selectors) patchChildren(root, fresh);
            else if (pairs.every(([old, now]) => old && now)) for (const [old, now] of pairs) patch(old, now);
            else root.replaceChildren(...fresh.childNodes);
        });
    };
})();
