// The step editor: one more row of attributes. The server reads and checks everything.

const rows = document.querySelector("[data-rows]");

rows?.querySelector("[data-add-row]").addEventListener("click", (event) => {
  const total = rows.querySelector("[name=a-TOTAL_FORMS]");
  const template = rows.querySelector("[data-row-template]");
  const holder = document.createElement("template");
  holder.innerHTML = template.innerHTML.replaceAll("__prefix__", total.value);
  total.value = Number(total.value) + 1;
  const row = holder.content.firstElementChild;
  template.before(row);
  row.querySelector("input").focus();
  event.preventDefault();
});
