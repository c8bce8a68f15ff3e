/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Light or dark, as chosen in Cockpit's menu, or else as the browser says. A script of its own that runs
 * before the page is drawn, so that a dark page does not flash.
 */
(() => {
    "use strict";

    // PatternFly 4, 5 and 6 each have a name of their own for it.
    const CLASSES = ["pf-theme-dark", "pf-v5-theme-dark", "pf-v6-theme-dark"];
    const browser = window.matchMedia("(prefers-color-scheme: dark)");

    function apply(chosen) {
        const style = chosen || localStorage.getItem("shell:style") || "auto";
        const dark = style === "dark" || (style === "auto" && browser.matches);

        for (const name of CLASSES)
            document.documentElement.classList.toggle(name, dark);
        document.documentElement.classList.toggle("banger-dark", dark);
    }

    // Another frame of Cockpit wrote the choice; or this one was notified.
    window.addEventListener("storage", event => event.key === "shell:style" && apply());
    window.addEventListener("cockpit-style", event => apply(event.detail && event.detail.style));
    browser.addEventListener("change", () => apply());
    apply();
})();
