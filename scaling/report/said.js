// A number as people write it.
function said(x) {
  for (const [unit, of] of [["T", 1e12], ["B", 1e9], ["M", 1e6], ["k", 1e3]])
    if (x >= of && x < 1e3 * of) return +(x / of).toPrecision(3) + unit;
  return x >= 1e15 || (x != 0 && Math.abs(x) < 1e-3) ? x.toExponential(2).replace("e+", "e") : String(+x.toPrecision(3));
}
// A loss to four decimals, or digits where it is small.
function fixed(x) { return Math.abs(x) < 0.1 ? x.toPrecision(4) : x.toFixed(4); }
// What a slider stands at, for the eye and for a reader of the screen.
function shown(name, x) {
  document.getElementById("value-" + name).textContent = said(x);
  document.getElementById("slide-" + name).setAttribute("aria-valuetext", said(x));
}
// What cannot be known says so: the law has no value here.
function known(loss) { return loss !== null && Number.isFinite(loss); }
// The loss in words, and in full as the value of the attribute data-loss.
function told(loss, words) {
  const out = document.getElementById("loss");
  out.setAttribute("data-loss", loss);
  out.textContent = words;
}
