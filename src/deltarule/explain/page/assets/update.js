"use strict";
var DR = globalThis.DR || (globalThis.DR = {});

(function () {
  DR.update = { section: () => null };
})();
