(() => {
"use strict";
const DARK = __DARK__, PRINT_WIDTH = 680;
const root = document.documentElement, wants = matchMedia("(prefers-color-scheme: dark)");
const boxes = [...document.querySelectorAll(".chart")], drawn = new Set();
const coarse = matchMedia("(pointer: coarse)").matches;
let printing = false;

const isDark = () => !printing && (root.dataset.theme ? root.dataset.theme === "dark" : wants.matches);
const parsed = (id) => {
  let text = document.getElementById(id).textContent;
  if (isDark()) text = text.replace(/#[0-9a-f]{6}\b/gi, (c) => DARK[c.toLowerCase()] || c);
  return JSON.parse(text);
};

function draw(box) {
  if (!window.Plotly) return false;
  const { data, layout } = parsed("data-" + box.id);
  const plot = box.querySelector(".plot");
  if (!plot.clientWidth && !printing) return false;
  layout.template = { layout: parsed("layout") };
  layout.width = printing ? PRINT_WIDTH : Math.max(plot.clientWidth, layout.meta?.least || 0);
  if (coarse) layout.dragmode = false;
  plot.classList.add("drawn");
  Plotly.react(plot, data, layout, {
    displaylogo: false, displayModeBar: coarse ? false : "hover", showTips: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    toImageButtonOptions: { filename: box.id.replace(/^figure-/, ""), scale: 2 },
  });
  drawn.add(box);
  return true;
}
const again = () => drawn.forEach(draw);

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting && draw(entry.target)) seen.unobserve(entry.target);
  }
}, { rootMargin: "500px 0px" });

async function unpack() {
  const packed = document.getElementById("plotly");
  if (!packed || !boxes.length) return;
  if (!window.DecompressionStream) {
    for (const box of boxes) {
      box.querySelector(".plot").textContent = "This browser is too old to draw the chart; its sentence is below.";
    }
    return;
  }
  const text = atob(packed.textContent), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const code = document.createElement("script");
  code.textContent = await new Response(plain).text();
  document.head.append(code);
  packed.remove();
  boxes.forEach((box) => seen.observe(box));
}

const button = document.querySelector(".theme");
function label() {
  button.textContent = isDark() ? "Light" : "Dark";
  button.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
}
button.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  label();
  again();
});
wants.addEventListener("change", () => { label(); again(); });
label();

let width = innerWidth, waiting;
addEventListener("resize", () => {
  if (innerWidth === width || printing) return;
  width = innerWidth;
  clearTimeout(waiting);
  waiting = setTimeout(again, 120);
});

// Folded parts open for the address that leads to them, and all of them in print.
const folds = [...document.querySelectorAll("main details")];
function lead(id) {
  const part = id && document.getElementById(id);
  if (!part) return;
  folds.filter((one) => one.contains(part) || one.parentElement === part).forEach((one) => { one.open = true; });
  part.scrollIntoView();
}
addEventListener("hashchange", () => lead(location.hash.slice(1)));
document.querySelectorAll("nav.contents a").forEach((a) =>
  a.addEventListener("click", () => lead(a.hash.slice(1))));
lead(location.hash.slice(1));
folds.forEach((one) => one.addEventListener("toggle", () => {
  if (one.open && !printing) boxes.filter((box) => drawn.has(box) && one.contains(box)).forEach(draw);
}));

let closed = [];
addEventListener("beforeprint", () => {
  printing = true;
  closed = folds.filter((one) => !one.open);
  closed.forEach((one) => { one.open = true; });
  boxes.forEach(draw);
});
addEventListener("afterprint", () => {
  printing = false;
  closed.forEach((one) => { one.open = false; });
  again();
});

// --- drawings that are wider than the window begin where something is to be seen
document.querySelectorAll(".sheet").forEach((sheet) => {
  sheet.scrollLeft = sheet.dataset.first * sheet.scrollWidth - sheet.clientWidth / 2;
});

// --- tables: sorted by a click on a column, filtered by words, the first rows of long ones
const SHORT = 10;
const make = (tag, attributes, ...inside) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...inside);
  return made;
};
const numberOf = (text) => {
  const found = /^[+<−-]?[\d,]*\.?\d+(e[-+]?\d+)?/i.exec(text.trim());
  return found ? Number(found[0].replace("−", "-").replace(/[<,]/g, "")) : NaN;
};
function compared(a, b) {
  const [x, y] = [numberOf(a), numberOf(b)], [no, none] = [a, b].map((text) => ["", "-"].includes(text.trim()));
  if (no || none) return no - none;
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
}
document.querySelectorAll("figure.table:not(.pairs)").forEach((figure) => {
  const body = figure.querySelector("tbody"), heads = [...figure.querySelectorAll("th")], rows = [...body.rows];
  if (rows.length < 3) return;
  let words = "", all = rows.length <= SHORT + 2, up = null;
  const more = make("button", { type: "button" });
  function show() {
    const found = [...body.rows].filter((row) => row.textContent.toLowerCase().includes(words));
    const kept = new Set(all ? found : found.slice(0, SHORT));
    for (const row of body.rows) row.hidden = !kept.has(row);
    more.hidden = found.length <= SHORT || rows.length <= SHORT + 2;
    more.textContent = all ? `First ${SHORT} alone` : `All ${found.length} rows`;
  }
  heads.forEach((head, i) => {
    const button = make("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const text = (row) => row.cells[i].textContent, gone = (row) => ["", "-"].includes(text(row).trim());
      body.append(...[...body.rows].sort((a, b) =>
        gone(a) || gone(b) ? gone(a) - gone(b) : (up ? 1 : -1) * compared(text(a), text(b))));
      show();
    });
  });
  if (!all) {
    const box = make("input", { type: "search", placeholder: "Filter rows", "aria-label": "Filter rows" });
    box.addEventListener("input", () => { words = box.value.toLowerCase(); show(); });
    more.addEventListener("click", () => { all = !all; show(); });
    figure.prepend(make("div", { class: "tools" }, box));
    figure.querySelector(".scroll").after(make("div", { class: "tools" }, more));
  }
  addEventListener("beforeprint", () => { for (const row of body.rows) row.hidden = false; });
  addEventListener("afterprint", show);
  show();
});

// --- windows to look through
const SVG = "http://www.w3.org/2000/svg", HIGH = 30, SPEED = 25;
function drawing([packed, most], rate, unit, mark) {
  const bytes = Int8Array.from(atob(packed), (c) => c.charCodeAt(0) << 24 >> 24);
  const wide = Math.ceil(bytes.length / rate * SPEED), middle = HIGH / 2;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${wide} ${HIGH}`);
  svg.style.setProperty("--paper-width", `${wide}mm`);
  const line = (d, colour, width) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    path.setAttribute("style", `fill:none;stroke:var(--${colour});stroke-width:${width};stroke-linejoin:round`);
    svg.append(path);
  };
  const every = (n) => {
    let d = "";
    for (let x = 0; x <= wide; x += n) d += `M${x} 0V${HIGH}`;
    for (let y = 0; y <= HIGH; y += n) d += `M0 ${y}H${wide}`;
    return d;
  };
  line(every(1), "xf8d9d2", 0.1);
  line(every(5), "xeeb1a5", 0.18);
  if (mark !== null) line(`M${(mark * SPEED).toFixed(2)} 0V${HIGH}`, "x9aa1a9", 0.8);
  const points = [...bytes].map((v, i) => `${(i * SPEED / rate).toFixed(2)} ${(middle - v / 127 * (middle - 2)).toFixed(2)}`);
  line(`M${points.join("L")}`, "ink", 0.25);
  return [svg, `${bytes.length / rate} s at 25 mm/s, highest ${most}${unit ? ` ${unit}` : ""} from its median`];
}
document.querySelectorAll(".windows").forEach((part) => {
  const { columns, score, rate, unit, what, places, mark, rows, traces, pictures, picture } = JSON.parse(part.querySelector("script").textContent);
  const tools = make("div", { class: "tools" }), list = make("div", { class: "list" }), many = columns.length;
  const count = make("p", { class: "caption", "aria-live": "polite" }), more = make("button", { type: "button" }, "Show more");
  let shown = 0, found = [];
  const selects = columns.map((name, i) => {
    const words = [...new Set(rows.map((row) => row[i]))].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    const options = words.map((word) => make("option", { value: word }, word));
    const select = make("select", { "aria-label": name }, make("option", { value: "" }, `every ${name}`), ...options);
    tools.append(select);
    return select;
  });
  const ends = ["from", "to"].map((word) => {
    const box = make("input", { type: "number", step: "any", placeholder: `score ${word}`, "aria-label": `score ${word}` });
    tools.append(box);
    return box;
  });
  function next() {
    for (const at of found.slice(shown, shown + 6)) {
      const row = rows[at], whose = places[at] || `Subject ${row[0]}`;
      const said = make("figcaption", {}, `${whose}, ${row.slice(1, many).join(": ")}; score ${row[many]}`);
      const figure = make("figure", { class: "drawing" });
      if (traces[at]) {
        const [svg, how] = drawing(traces[at], rate, unit, mark);
        svg.setAttribute("role", "img");
        svg.setAttribute("aria-label", said.textContent);
        said.append(` (${how})`);
        figure.append(svg);
      } else if (picture[at] >= 0) {
        figure.append(make("img", { src: `data:image/png;base64,${pictures[picture[at]]}`, alt: said.textContent }));
      } else said.append(" (not drawn)");
      figure.append(said);
      list.append(figure);
    }
    shown = Math.min(shown + 6, found.length);
    more.hidden = shown >= found.length;
    count.textContent = `${found.length} of ${rows.length} ${what}, ${shown} shown. Score: ${score}.`;
  }
  function filter() {
    const [low, high] = ends.map((box) => (box.value === "" ? null : Number(box.value)));
    found = rows.map((_, at) => at).filter((at) =>
      selects.every((select, i) => !select.value || rows[at][i] === select.value)
      && (low === null || rows[at][many] >= low) && (high === null || rows[at][many] <= high));
    list.replaceChildren();
    shown = 0;
    next();
  }
  [...selects, ...ends].forEach((one) => one.addEventListener("input", filter));
  more.addEventListener("click", next);
  part.append(tools, count, list, make("div", { class: "tools" }, more));
  filter();
});

const contents = document.querySelector("nav.contents details");
const wide = matchMedia("(min-width: 1080px)");
const unfold = () => { if (contents) contents.open = wide.matches; };
wide.addEventListener("change", unfold);
unfold();
const links = new Map([...document.querySelectorAll("nav.contents a")].map((a) => [a.hash.slice(1), a]));
const here = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    links.forEach((a) => a.classList.remove("here"));
    links.get(entry.target.id)?.classList.add("here");
  }
}, { rootMargin: "-10% 0px -80% 0px" });
document.querySelectorAll("main section").forEach((one) => here.observe(one));

window.atmlDrawn = () => drawn.size;
unpack();
})();
