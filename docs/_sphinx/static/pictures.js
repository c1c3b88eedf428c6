// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0

// Draws the pictures of a page, and draws them again when the reader chooses another theme.
"use strict";

const pictures = [...document.querySelectorAll("pre.mermaid")];
const texts = new Map(pictures.map((picture) => [picture, picture.textContent]));
const darkSystem = window.matchMedia("(prefers-color-scheme: dark)");
let drawn = null;

async function draw() {
  const theme = document.body.dataset.theme;
  const dark = theme === "dark" || (theme !== "light" && darkSystem.matches);
  if (dark === drawn) return;
  drawn = dark;
  mermaid.initialize({ startOnLoad: false, theme: dark ? "dark" : "neutral", securityLevel: "strict" });
  for (const picture of pictures) {
    picture.textContent = texts.get(picture);
    delete picture.dataset.processed;
  }
  await mermaid.run({ nodes: pictures });
}

new MutationObserver(draw).observe(document.body, { attributeFilter: ["data-theme"] });
darkSystem.addEventListener("change", draw);
draw();
