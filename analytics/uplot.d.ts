/** The vendored uPlot, a script of its own; its options are checked by nobody. */
declare const uPlot: any;
