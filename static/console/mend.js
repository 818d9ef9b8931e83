// What widgets leave out that are built in the browser. A field that Select2 draws is named by what is chosen in it, so an
// empty one has no name. The menu beside a field of relations is reached by the mouse alone. The lens of Django's two lists
// is a picture with words, and does not say so.
(() => {
    "use strict";

    function nameOf(field) {
        const label = field.labels?.[0] ?? document.querySelector(`label[for="${CSS.escape(field.id)}"]`);
        return label?.textContent.trim().replace(/\s+/g, " ") || field.name;
    }

    function name(field) {
        const drawn = field.nextElementSibling;
        if (!drawn?.classList.contains("select2")) return;
        for (const part of drawn.querySelectorAll("[role=combobox], [role=textbox], [role=searchbox]")) {
            part.setAttribute("aria-label", nameOf(field));
        }
    }

    function open(menu) {
        const field = menu.closest(".related-widget-wrapper")?.querySelector("select, input");
        menu.setAttribute("role", "button");
        menu.setAttribute("tabindex", "0");
        menu.setAttribute("aria-label", `${field ? nameOf(field) : ""} …`.trim());
        menu.addEventListener("keydown", (event) => {
            if (event.key !== "Enter" && event.key !== " ") return;
            event.preventDefault();
            menu.click();
        });
    }

    function nameAll() {
        document.querySelectorAll("[x-ref^=relatedWidgetWrapper]:not([role])").forEach(open);
        document.querySelectorAll("select.select2-hidden-accessible").forEach(name);
        document.querySelectorAll(".search-label-icon[aria-label]").forEach((lens) => lens.setAttribute("role", "img"));
    }

    // They are built when the page has been read, some when it has been loaded.
    window.addEventListener("load", () => setTimeout(nameAll));
    document.addEventListener("formset:added", () => setTimeout(nameAll));
})();
