// Says which trial is pointed at, marks it in every chart, and copies text. The page is whole without it.
"use strict";
(() => {
  const trials = JSON.parse(document.getElementById("trials").textContent);
  const near = 14;
  const tip = document.body.appendChild(Object.assign(document.createElement("div"), {id: "tip", hidden: true}));

  // Dots of a drawing, read from the path when it is first pointed at: [x, y, trial].
  const read = new WeakMap();
  const dotsOf = (svg) => {
    if (!read.has(svg)) {
      const found = [];
      for (const path of svg.querySelectorAll(".dots")) {
        const names = path.dataset.t.split(" ");
        let index = 0;
        for (const [, x, y] of path.getAttribute("d").matchAll(/M([-\d.]+) ([-\d.]+)/g)) found.push([+x, +y, names[index++]]);
      }
      read.set(svg, found);
    }
    return read.get(svg);
  };

  const nearest = (svg, event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let best = null, least = near * near;
    for (const dot of dotsOf(svg)) {
      const apart = (dot[0] - at.x) ** 2 + (dot[1] - at.y) ** 2;
      if (apart < least) [best, least] = [dot[2], apart];
    }
    return best;
  };

  let picked = null;
  const pick = (trial) => {
    if (trial === picked) return;
    picked = trial;
    document.querySelectorAll(".picked").forEach((ring) => ring.remove());
    document.querySelectorAll(".on").forEach((line) => line.classList.remove("on"));
    if (trial === null) return;
    document.querySelectorAll(`polyline[data-t="${trial}"]`).forEach((line) => line.classList.add("on"));
    for (const svg of document.querySelectorAll("svg:has(.dots)")) {
      if (!svg.getClientRects().length) continue;
      const dot = dotsOf(svg).find((each) => each[2] === trial);
      if (!dot) continue;
      const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      for (const [name, value] of Object.entries({cx: dot[0], cy: dot[1], r: 7, class: "picked"})) ring.setAttribute(name, value);
      svg.append(ring);
    }
  };

  const show = (event) => {
    const svg = event.target.closest?.("svg");
    const trial = svg ? event.target.closest("polyline[data-t]")?.dataset.t ?? nearest(svg, event) : null;
    pick(trial);
    tip.hidden = trial === null || !trials[trial];
    if (tip.hidden) return;
    const [score, configuration] = trials[trial];
    tip.replaceChildren(Object.assign(document.createElement("b"), {textContent: `trial ${trial}: ${score}`}), configuration);
    const {width, height} = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(6, Math.min(event.clientX + 14, innerWidth - width - 6))}px`;
    tip.style.top = `${event.clientY + height + 24 < innerHeight ? event.clientY + 16 : event.clientY - height - 12}px`;
  };
  addEventListener("pointermove", show, {passive: true});
  addEventListener("pointerdown", show, {passive: true});

  for (const block of document.querySelectorAll("pre.copy")) {
    const button = Object.assign(document.createElement("button"), {type: "button", textContent: "Copy"});
    button.onclick = async () => {
      const text = block.querySelector("code").textContent;
      try {
        await navigator.clipboard.writeText(text);
      } catch {  // a page that was opened as a file may not
        const range = document.createRange();
        range.selectNodeContents(block.querySelector("code"));
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    };
    block.append(button);
  }
})();
