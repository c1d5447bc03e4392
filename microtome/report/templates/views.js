"use strict";
/* Conveniences only: without this script all views are there, one below the other, and nothing is hidden. */
document.documentElement.classList.add("js");
addEventListener("DOMContentLoaded", () => {
  const views = [...document.querySelectorAll(".view")];
  if (!views.length) return;
  const side = document.querySelector(".side");
  const up = document.querySelector(".up");
  const links = [...side.querySelectorAll("nav a")].map((link) => [link, document.getElementById(link.hash.slice(1))]);
  const seen = new Map();
  const title = document.title;
  let current = views[0];
  let clicked = true;

  const show = (view) => {
    current = view;
    for (const other of views) other.classList.toggle("shown", other === view);
    document.documentElement.classList.toggle("one-study", view.classList.contains("study"));
    for (const item of side.querySelectorAll("nav > ul > li")) {
      item.classList.toggle("here", item.querySelector("a").hash === `#${view.id}`);
    }
    const heading = view.querySelector("h2").firstChild.textContent.trim();
    document.title = view === views[0] ? title : `${heading} · ${title}`;
  };

  /* The last of the headings above the upper third is the one that is read; at the end of a view it is the last. */
  const mark = () => {
    let [here] = links.find(([, place]) => place === current) ?? [null];
    const isAtTop = scrollY < 40;
    const inside = links.filter(([, place]) => place !== current && current.contains(place));
    for (const [link, place] of isAtTop ? [] : inside) if (place.getBoundingClientRect().top < innerHeight / 3) here = link;
    const atEnd = scrollY > 0 && scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
    if (atEnd && inside.length) [here] = inside.at(-1);
    for (const [link] of links) {
      if (link === here) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    up.hidden = scrollY < innerHeight;
  };

  const follow = () => {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const view = place?.closest(".view") ?? (place ? current : views[0]);
    show(view);
    for (let at = place; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") at.open = true;
    }
    for (const fold of place?.querySelectorAll(":scope.folded > details") ?? []) fold.open = true;
    if (!clicked && seen.has(location.hash)) scrollTo({ top: seen.get(location.hash), behavior: "instant" });
    else if (place && place !== view) place.scrollIntoView({ behavior: "instant" });
    else scrollTo({ top: 0, behavior: "instant" });
    clicked = false;
    mark();
  };

  const menu = side.querySelector(".menu");
  const unfold = (open) => {
    side.classList.toggle("open", open);
    menu.setAttribute("aria-expanded", String(open));
  };
  menu.hidden = false;
  menu.addEventListener("click", () => unfold(!side.classList.contains("open")));

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    seen.set(location.hash, scrollY);
    unfold(false);
    if (link === up) {
      event.preventDefault();
      scrollTo({ top: 0 });
      return;
    }
    clicked = true;
    if (link.hash === location.hash) {
      event.preventDefault();
      follow();
    }
  });
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      mark();
    });
  }, { passive: true });
  addEventListener("hashchange", follow);
  follow();
});
