// Shows what a point of a chart has to say, at once and also by keyboard and
// touch. Without this script the title elements do it, after a moment.
(function () {
  "use strict";
  var bubble = document.createElement("div");
  bubble.id = "bubble";
  bubble.hidden = true;
  bubble.setAttribute("role", "tooltip");
  document.body.appendChild(bubble);
  function show(e) {
    var box = e.currentTarget.getBoundingClientRect();
    bubble.textContent = e.currentTarget.getAttribute("aria-label");
    bubble.hidden = false;
    var width = document.documentElement.clientWidth;
    var left = Math.min(box.right + 8, width - bubble.offsetWidth - 8);
    bubble.style.left = Math.max(left, 8) + window.scrollX + "px";
    var top = box.top - bubble.offsetHeight - 8;
    bubble.style.top = (top < 8 ? box.bottom + 8 : top) + window.scrollY + "px";
  }
  function hide() { bubble.hidden = true; }
  document.querySelectorAll(".tip").forEach(function (tip) {
    var title = tip.querySelector("title");
    if (!title) { return; }
    tip.setAttribute("aria-label", title.textContent);
    tip.setAttribute("tabindex", "0");
    tip.removeChild(title);
    tip.addEventListener("mouseenter", show);
    tip.addEventListener("mouseleave", hide);
    tip.addEventListener("focus", show);
    tip.addEventListener("blur", hide);
  });
  document.addEventListener("keydown", function (e) { if (e.key === "Escape") { hide(); } });
})();
