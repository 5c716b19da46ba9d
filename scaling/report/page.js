// The budget's best run, as scaling.plan finds it: the lowest dip of the loss over ln N at C = 6 N D.
function best(C) {
  let low = 0, high = Math.log(C / 6), n, losses;
  for (let level = 0; level < 9; level++) {
    n = Array.from({length: 65}, (_, k) => low + (high - low) * k / 64);
    losses = n.map(x => at({N: Math.exp(x), D: C / (6 * Math.exp(x))}));
    let k = -1;
    for (let j = 1; j < 64; j++)
      if (losses[j] <= losses[j + 1] && losses[j] <= losses[j - 1] && (k < 0 || losses[j] < losses[k])) k = j;
    if (k < 0) return null;
    low = n[k - 1]; high = n[k + 1];
    if (high - low < 1e-6) break;
  }
  const N = Math.exp((low + high) / 2);
  return {N: N, D: C / (6 * N)};
}
function at(x) { return law(...inputs.map(k => k == "M" && !("M" in x) ? x.D / x.N : x[k])); }
// Shares of a group sum to 1: the others give way in proportion.
function balanced(x, moved) {
  for (const group of groups) {
    const rest = group.filter(k => k != moved);
    const sum = rest.reduce((s, k) => s + x[k], 0), left = group.includes(moved) ? 1 - x[moved] : 1;
    for (const k of rest) x[k] = sum > 0 ? x[k] * left / sum : left / rest.length;
  }
}
if (typeof document != "undefined") {
  const boxes = Object.fromEntries(ranges.map(r => [r.name, document.getElementById("slide-" + r.name)]));
  const of = r => r.log ? Math.exp(+boxes[r.name].value) : +boxes[r.name].value;
  const show = moved => {
    const x = Object.fromEntries(ranges.map(r => [r.name, of(r)]));
    if (moved == "C") {
      Object.assign(x, best(x.C) || {});
      for (const k of ["N", "D"]) boxes[k].value = Math.log(x[k]);
    } else if ("C" in x) { x.C = 6 * x.N * x.D; boxes.C.value = Math.log(x.C); }
    balanced(x, moved);
    for (const k of groups.flat()) boxes[k].value = x[k];
    for (const r of ranges) shown(r.name, x[r.name]);
    const loss = at(x);
    told(loss, known(loss) ? fixed(loss) : "not known: the law has no value here");
  };
  for (const r of ranges) boxes[r.name].addEventListener("input", () => show(r.name));
  show("C" in boxes ? "C" : "");
}
