(() => {
  const topic = document.getElementById("topic");
  if (!topic) return;
  const cards = [...document.querySelectorAll(".card")];
  const buttons = [...document.querySelectorAll(".choice button")];
  const shown = document.getElementById("shown");
  let verdict = "";
  const update = () => {
    let count = 0;
    for (const card of cards) {
      const fits = (!topic.value || card.dataset.topic === topic.value) && (!verdict || card.dataset.verdict === verdict);
      card.hidden = !fits;
      count += fits;
    }
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
    shown.textContent = `${count} of ${cards.length} shown`;
  };
  topic.addEventListener("change", update);
  for (const button of buttons) {
    button.addEventListener("click", () => { verdict = button.dataset.verdict; update(); });
  }
  update();
})();
