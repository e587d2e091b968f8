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
  // A button beside each command and each table of numbers takes it to the clipboard; numbers
  // go with tabs between them, as spreadsheets take them.
  function copies(what, text, before) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = what;
    button.addEventListener("click", function () {
      var done = function () {
        button.textContent = "copied";
        setTimeout(function () { button.textContent = what; }, 1500);
      };
      if (navigator.clipboard) { navigator.clipboard.writeText(text()).then(done, function () {}); return; }
      var area = document.createElement("textarea");
      area.value = text();
      document.body.appendChild(area);
      area.select();
      document.execCommand("copy");
      document.body.removeChild(area);
      done();
    });
    before.parentNode.insertBefore(button, before);
  }
  document.querySelectorAll("#next pre, #again pre").forEach(function (pre) {
    copies("copy", function () { return pre.textContent; }, pre);
  });
  document.querySelectorAll("table.copied, figure details table").forEach(function (table) {
    copies("copy numbers", function () {
      return Array.prototype.map.call(table.rows, function (row) {
        return Array.prototype.map.call(row.cells, function (cell) { return cell.textContent.trim(); }).join("\t");
      }).join("\n");
    }, table.parentNode);
  });
  document.addEventListener("keydown", function (e) { if (e.key === "Escape") { hide(); } });
})();
