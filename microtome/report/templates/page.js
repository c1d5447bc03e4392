"use strict";
/* Conveniences only: everything on the page is there without this script. */
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const numeric = /^[<≤≥~]?\s*[-−+]?[\d,]*\.?\d+(e[-+]?\d+)?/i;
  const key = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return null;
    const text = (cell.dataset.value ?? cell.textContent).trim();
    const found = text.match(numeric);
    return found ? Number(found[0].replace(/[,<≤≥~\s]/g, "").replace("−", "-")) : text;
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), undefined, { numeric: true });
  };
  const missing = (value) => value === null || value === "" || value === "–" || value === "NaN";
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [key(row, column), row]);
      rows.sort(([a], [b]) => missing(a) - missing(b) || (missing(a) ? 0 : sign * compare(a, b)));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
const lightbox = document.getElementById("lightbox");
if (lightbox.showModal) {
  const open = (event, image) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const copy = image.cloneNode();
    copy.removeAttribute("loading");
    lightbox.replaceChildren(copy);
    lightbox.showModal();
  };
  for (const link of document.querySelectorAll("a.zoom")) {
    link.addEventListener("click", (event) => open(event, link.querySelector("img")));
  }
  for (const image of document.querySelectorAll(".strip img")) {
    image.style.cursor = "zoom-in";
    image.addEventListener("click", (event) => open(event, image));
  }
  lightbox.addEventListener("click", () => lightbox.close());
}
const contents = document.querySelector(".side details");
if (window.matchMedia("(max-width: 900px)").matches) contents.open = false;
