/* The search shows the index with what holds all words; emptied, it leads back to where one was. */
addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form.search");
  const found = document.getElementById("found");
  if (!form || !found) return;
  const input = form.querySelector("input");
  const groups = [...document.querySelectorAll("#index .listed")].map((group) => ({
    group,
    title: group.querySelector("h3").textContent.toLowerCase(),
    items: [...group.querySelectorAll("li")].map((item) => [item, item.textContent.toLowerCase()]),
  }));
  const all = found.textContent;
  let before = null;

  const filter = (words) => {
    let count = 0;
    for (const { group, title, items } of groups) {
      let here = 0;
      for (const [item, text] of items) {
        item.hidden = !words.every((word) => text.includes(word) || title.includes(word));
        here += !item.hidden;
      }
      group.hidden = !here;
      count += here;
    }
    found.textContent = words.length ? `${count || "No"} ${count === 1 ? "table or figure has" : "tables and figures have"} “${words.join(" ")}”.` : all;
  };

  /* As a link does, but the field keeps the focus. */
  const go = (address) => {
    history.pushState(null, "", address);
    dispatchEvent(new HashChangeEvent("hashchange"));
  };
  const search = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && location.hash !== "#index") {
      before = location.hash || "#overview";
      go("#index");
    } else if (!words.length && before) {
      go(before);
      before = null;
    }
    filter(words);
  };

  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const first = document.querySelector("#index .listing li:not([hidden]) a");
    if (input.value && first) first.click();
  });
  input.addEventListener("input", search);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !input.value) return;
    event.preventDefault();
    input.value = "";
    search();
  });
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, dialog");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
});
