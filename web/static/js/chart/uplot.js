// @ts-check
/** uPlot as the build put it here, with the types of its npm package. */

import vendored from "../../vendor/uplot-uPlot.esm.js";

export const UPlot = /** @type {typeof import("uplot")} */ (/** @type {unknown} */ (vendored));
