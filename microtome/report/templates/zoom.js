/* Pictures at full size, from the files beside the page: wheel, pinch, keys and buttons change the size, dragging moves. */
addEventListener("DOMContentLoaded", () => {
  const dialog = document.getElementById("zoom");
  if (!dialog?.showModal) return;
  const stage = dialog.querySelector(".zoom-stage");
  const title = document.getElementById("zoom-title");
  const size = dialog.querySelector("output");
  const file = dialog.querySelector(".zoom-file");
  const STEP = 1.25;
  const LARGEST = 24; /* times the whole picture */
  const fingers = new Map();
  let pictures = [];
  let shown = null;
  let image = null;
  let at = { x: 0, y: 0, width: 0 }; /* left and upper edge in the stage, and width, in CSS pixels */

  const ratio = () => image.naturalHeight / image.naturalWidth || 1;
  const whole = () => Math.min(stage.clientWidth, stage.clientHeight / ratio());
  const hold = (edge, length, room) => (length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, edge)));
  const draw = () => {
    const height = at.width * ratio();
    at.x = hold(at.x, at.width, stage.clientWidth);
    at.y = hold(at.y, height, stage.clientHeight);
    image.style.width = `${at.width}px`;
    image.style.height = `${height}px`;
    image.style.transform = `translate(${at.x}px, ${at.y}px)`;
    stage.classList.toggle("large", at.width > whole() * 1.001);
    image.classList.toggle("pixels", at.width > image.naturalWidth * 2 && !image.src.endsWith(".svg"));
    size.textContent = `${Math.round((100 * at.width) / image.naturalWidth)} %`;
  };
  /* The point `from` of the stage comes to lie at `to`. */
  const resize = (width, from = [stage.clientWidth / 2, stage.clientHeight / 2], to = from) => {
    const next = Math.min(Math.max(width, Math.min(whole(), image.naturalWidth)), whole() * LARGEST);
    const share = next / at.width;
    at = { x: to[0] - (from[0] - at.x) * share, y: to[1] - (from[1] - at.y) * share, width: next };
    draw();
  };
  const fit = () => {
    at = { x: 0, y: 0, width: whole() };
    draw();
  };
  const move = (x, y) => {
    at.x += x;
    at.y += y;
    draw();
  };

  /* The embedded picture at once, then the first of the files that is there. */
  const load = (sources, mine) => {
    const [source, ...others] = sources;
    if (!source) return;
    const next = new Image();
    next.addEventListener("load", () => {
      if (mine !== shown || !next.naturalWidth) return;
      image.src = next.src;
      image.decode().then(draw, draw);
    });
    next.addEventListener("error", () => load(others, mine));
    next.src = source;
  };
  const show = (picture) => {
    shown = picture;
    const embedded = picture.querySelector("img");
    const sources = [picture.getAttribute("href"), picture.dataset.svg, picture.dataset.png].filter(Boolean);
    image = new Image(embedded.width, embedded.height);
    image.alt = embedded.alt;
    image.draggable = false;
    image.src = embedded.src;
    stage.replaceChildren(image);
    title.textContent = picture.dataset.title;
    file.hidden = !sources.length;
    if (sources.length) file.href = sources[0];
    image.decode().then(fit, fit);
    load(sources, picture);
  };
  const open = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const home = event.currentTarget.closest(".view") ?? document;
    pictures = [...home.querySelectorAll(".zoom")].filter((one) => one.checkVisibility());
    dialog.showModal();
    show(event.currentTarget);
    stage.focus();
  };
  const turn = (step) => {
    const place = pictures.indexOf(shown) + step;
    if (pictures[place]) show(pictures[place]);
  };

  const commands = {
    previous: () => turn(-1),
    next: () => turn(1),
    smaller: () => resize(at.width / STEP),
    larger: () => resize(at.width * STEP),
    fit,
    full: () => resize(image.naturalWidth),
    close: () => dialog.close(),
  };
  const keys = {
    "+": commands.larger, "=": commands.larger, "-": commands.smaller, 0: fit, 1: commands.full,
    PageUp: commands.previous, PageDown: commands.next,
    ArrowLeft: () => move(60, 0), ArrowRight: () => move(-60, 0), ArrowUp: () => move(0, 60), ArrowDown: () => move(0, -60),
  };
  dialog.addEventListener("click", (event) => commands[event.target.closest("[data-do]")?.dataset.do]?.());
  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  const inStage = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    resize(at.width * Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), inStage(event));
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => {
    if (stage.classList.contains("large")) fit();
    else resize(Math.max(image.naturalWidth, whole() * 2.5), inStage(event));
  });
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, inStage(event));
  });
  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = inStage(event);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    fingers.set(event.pointerId, now);
    if (!other) {
      move(now[0] - before[0], now[1] - before[1]);
      return;
    }
    const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
    const middle = (point) => [(point[0] + other[0]) / 2, (point[1] + other[1]) / 2];
    resize((at.width * apart(now)) / apart(before), middle(before), middle(now));
  });
  for (const name of ["pointerup", "pointercancel"]) {
    stage.addEventListener(name, (event) => fingers.delete(event.pointerId));
  }
  addEventListener("resize", () => dialog.open && fit());
  for (const picture of document.querySelectorAll(".zoom")) picture.addEventListener("click", open);
});
