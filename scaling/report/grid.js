// Answers stand in one list, the first control's places outermost; a row is the loss, its interval, and whether to trust it.
function answer(places, kind) {
  let k = kind;
  Object.values(axes).forEach((values, j) => { k = k * values.length + places[j]; });
  return answers[k];
}
if (typeof document != "undefined") {
  const names = Object.keys(axes), kind = document.getElementById("kind");
  const show = () => {
    const places = names.map(name => +document.getElementById("slide-" + name).value);
    names.forEach((name, j) => shown(name, axes[name][places[j]]));
    const [loss, lower, upper, ok] = answer(places, kind ? +kind.value : 0);
    const band = lower === null || upper === null ? "" : ` (${fixed(lower)} to ${fixed(upper)})`;
    told(loss, !known(loss) ? "not known" : fixed(loss) + band + (ok ? "" : ", not to be trusted"));
  };
  for (const name of names) document.getElementById("slide-" + name).addEventListener("input", show);
  if (kind) kind.addEventListener("input", show);
  show();
}
