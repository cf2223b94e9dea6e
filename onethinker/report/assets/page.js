(() => {
  const task = document.getElementById("task");
  if (!task) return;
  const cards = [...document.querySelectorAll(".card")];
  const buttons = [...document.querySelectorAll(".choice button")];
  const shown = document.getElementById("shown");
  let verdict = "";
  const update = () => {
    let count = 0;
    for (const card of cards) {
      const fits = (!task.value || card.dataset.task === task.value) && (!verdict || card.dataset.verdict === verdict);
      card.hidden = !fits;
      count += fits;
    }
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
    shown.textContent = `${count} of ${cards.length} shown`;
  };
  task.addEventListener("change", update);
  for (const button of buttons) {
    button.addEventListener("click", () => { verdict = button.dataset.verdict; update(); });
  }
  update();
})();
