// A long table gets a field: only rows that contain all its words stay.
const LONG = 12;

function addFilter(table) {
  const rows = [...table.querySelectorAll("tbody tr")];
  if (rows.length <= LONG) return;
  const field = document.createElement("input");
  field.type = "search";
  field.className = "filter";
  field.placeholder = "Filter rows";
  field.setAttribute("aria-label", "Filter the rows of the next table");
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  table.before(field);
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("article table").forEach(addFilter);
});
