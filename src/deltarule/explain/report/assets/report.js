// @ts-check
// The report needs no script; with one there are buttons for light or dark, larger text, and help.
"use strict";

DR.shell.theme();
DR.shell.textSize();
DR.shell.help(
  "The first screen answers: how good the model is, better than what, why, and what to do next. " +
    "Every score is of rows that the model has not seen, unless the page says otherwise. A thin " +
    "line through a value is its 95 % interval: other rows of the same kind would give a value " +
    "within it, most of the time. Two models whose lines overlap may still differ: the verdict " +
    "compares them row by row. A shorter number has all its digits in the source of the page.",
  [[["Ctrl", "P"], "Print, or save as PDF: light, and nothing cut off"]],
);
