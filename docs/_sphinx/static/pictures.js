// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0

// Draws the pictures of a page, and draws them again when the reader chooses another theme.
"use strict";

const pictures = [...document.querySelectorAll("pre.mermaid")];
const texts = new Map(pictures.map((picture) => [picture, picture.textContent]));
const darkSystem = window.matchMedia("(prefers-color-scheme: dark)");
let drawn = null;

// The colours are those of the page.
function colours(dark) {
  const style = getComputedStyle(document.body);
  const colour = (name) => style.getPropertyValue(`--color-${name}`).trim();
  return {
    darkMode: dark,
    fontFamily: style.fontFamily,
    primaryColor: colour("background-secondary"),
    primaryTextColor: colour("foreground-primary"),
    primaryBorderColor: colour("foreground-muted"),
    lineColor: colour("foreground-muted"),
    textColor: colour("foreground-primary"),
    edgeLabelBackground: colour("background-primary"),
    clusterBkg: colour("background-primary"),
    clusterBorder: colour("background-border"),
    noteBkgColor: colour("background-hover"),
    noteTextColor: colour("foreground-primary"),
    noteBorderColor: colour("background-border"),
  };
}

async function draw() {
  const theme = document.body.dataset.theme;
  const dark = theme === "dark" || (theme !== "light" && darkSystem.matches);
  if (dark === drawn) return;
  drawn = dark;
  mermaid.initialize({
    startOnLoad: false, securityLevel: "strict", theme: "base", themeVariables: colours(dark),
  });
  for (const picture of pictures) {
    picture.textContent = texts.get(picture);
    delete picture.dataset.processed;
  }
  await mermaid.run({ nodes: pictures });
}

new MutationObserver(draw).observe(document.body, { attributeFilter: ["data-theme"] });
darkSystem.addEventListener("change", draw);
draw();
