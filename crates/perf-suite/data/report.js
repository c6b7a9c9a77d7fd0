"use strict";
// Without this script the page reads the same; with it, a chart over time tells the value under the pointer.
for (const chart of document.querySelectorAll("svg.time")) {
  const line = chart.querySelector("polyline");
  const values = line.dataset.points.split("|");
  const places = line.getAttribute("points").split(" ").map((pair) => Number(pair.split(",")[0]));
  const cross = chart.querySelector(".cross");
  const told = document.createElement("span");
  told.className = "told";
  chart.parentElement.append(told);
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
    let nearest = 0;
    places.forEach((place, index) => {
      if (Math.abs(place - at) < Math.abs(places[nearest] - at)) nearest = index;
    });
    cross.setAttribute("x1", places[nearest]);
    cross.setAttribute("x2", places[nearest]);
    cross.setAttribute("visibility", "visible");
    told.textContent = values[nearest];
  });
  chart.addEventListener("pointerleave", () => {
    cross.setAttribute("visibility", "hidden");
    told.textContent = "";
  });
}
