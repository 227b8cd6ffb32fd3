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
  if (!window.Plotly) return;
  const { data, layout } = parsed("data-" + box.id);
  const plot = box.querySelector(".plot");
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
}
const again = () => drawn.forEach(draw);

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    draw(entry.target);
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

addEventListener("beforeprint", () => { printing = true; boxes.forEach(draw); });
addEventListener("afterprint", () => { printing = false; again(); });

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
